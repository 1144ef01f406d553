"""The contract of an experiment: a question that a command asks of an endpoint.

In: a spec and the command's own options. Out: the plan of a run and, from the finished run, a report that is kept in
the run directory as ``<name>.json`` and printed by ``reports/<name>.py``. A command is an experiment and a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from llmdyno.runs.run import Run
from llmdyno.spec.spec import Spec
from llmdyno.workload.plan import Plan

Options = Mapping[str, Any]
"""The command's own flags, read: a value by the flag's name without dashes (``users``, ``hold``)."""

Report = dict[str, Any]
"""What an experiment concludes, as it stands in ``<name>.json``."""


class Flag(NamedTuple):
    """One flag of a command's own.

    `read` turns the text into the value and raises ValueError with what fits. `default` is a text that `read` takes;
    None: the flag may be left out, and its option is None. A flag with `read` None is a switch, off by default;
    one whose default is `True` is a switch that is on, with a ``--no-`` form.
    """

    name: str
    help: str
    read: Callable[[str], Any] | None = None
    default: str | bool | None = None
    metavar: str | None = None


def no_keys(options: Options, speed: float) -> Mapping[str, Any]:
    """A question that leaves the spec to the user."""
    return {}


def no_check(spec: Spec, options: Options) -> None:
    """A question that any spec can answer."""


def no_report(run: Run, options: Options) -> Report | None:
    """A question whose answer is the run's own summary."""
    return None


class Experiment(NamedTuple):
    """A question.

    `name` is its report's, and its command's. `keys(options, speed)` gives the spec's keys that the question sets
    itself; `owns` are the keys that it therefore refuses as flags. `speed` is how many times faster than real time an
    emulated endpoint runs. `check` raises InputError where a resolved spec cannot answer the question. `plan` makes
    the run's phases. `rounds(options)` is how often the model is woken, for a bound on the cost; None: once, for a
    load. `conclude` draws the report from the finished run.
    """

    name: str
    plan: Callable[[Spec, Options], Plan]
    flags: tuple[Flag, ...] = ()
    owns: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = {}
    keys: Callable[[Options, float], Mapping[str, Any]] = no_keys
    check: Callable[[Spec, Options], None] = no_check
    rounds: Callable[[Options], int | None] = lambda options: None
    conclude: Callable[[Run, Options], Report | None] = no_report
    options: Options = {}
