"""The contract of an experiment: a question that a command asks of an endpoint.

In: a spec and the command's own options. Out: the plan of a run and, from the finished run, a report that is kept in
the run directory as ``<name>.json`` and printed by ``reports/<name>.py``. A command is an experiment and a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.spec.spec import Spec
from llmdyno.workload.plan import Plan

if TYPE_CHECKING:
    from llmdyno.runs.run import Run  # it brings NumPy, which a command's --help does not need

Options = Mapping[str, Any]
"""The command's own flags, read: a value by the flag's name (``users``, ``hold``, ``answer_tokens``)."""

Report = dict[str, Any]
"""What an experiment concludes, as it is kept in ``<name>.json``."""

Say = Callable[[str], None]
"""Tells the user something while they wait."""

NO_OPTIONS: Options = {}

SPEED = "speed"
"""The option in which an experiment that paces itself finds the endpoint's speed, times real time."""


class Flag(NamedTuple):
    """One flag of a command's own.

    `name` has underscores; the flag has hyphens. `read` turns the text into the value and raises ValueError with what
    fits. `default` is a text that `read` takes; None: the option is None where the flag is left out. A flag whose
    `default` is a bool is a switch with a ``--no-`` form.
    """

    name: str
    help: str
    read: Callable[[str], Any] | None = None
    default: str | bool | None = None
    metavar: str | None = None

    @property
    def option(self) -> str:
        """As the user writes it."""
        return "--" + self.name.replace("_", "-")


class Experiment(NamedTuple):
    """A question.

    `name` is its report's. `plan` makes the run's phases. `flags` are the command's own. `owns` are keys of the spec
    that the question sets itself, so that their flags are refused; `instead` says what to use. `keys(options, speed)`
    gives its keys: those that it owns, and others that a file or a flag may change; `speed` is how many times faster
    than real time an emulated endpoint runs, and 1 unless the question `paces` its load at real speed.
    `check` raises InputError where a resolved spec cannot answer the question. `announce` tells what will happen.
    `rounds(options)`: how often a model is woken instead of loaded, for a bound on the cost; None: a load. `conclude`
    draws the report from the finished run; `exit_code` judges it. `doubts`: whether a strict user should not trust the
    run. `needs_answers`: whether a run without a successful measured request has failed. `concludes_partly`: whether a
    run that failed or was interrupted has a report too.
    """

    name: str
    plan: Callable[[Spec, Options], Plan]
    flags: tuple[Flag, ...] = ()
    owns: tuple[str, ...] = ()
    instead: str = "leave it out"
    paces: bool = False
    keys: Callable[[Options, float], Mapping[str, Any]] = lambda options, speed: {}
    check: Callable[[Spec, Options], None] = lambda spec, options: None
    announce: Callable[[Spec, Options], str | None] = lambda spec, options: None
    rounds: Callable[[Options], int | None] = lambda options: None
    conclude: Callable[[Run, Options, Say], Report | None] = lambda run, options, say: None
    exit_code: Callable[[Report], int] = lambda report: 0
    doubts: Callable[[Run, Options], bool] = lambda run, options: not run.summary["verdict"]["trustworthy"]
    needs_answers: bool = True
    concludes_partly: bool = False
    options: Options = NO_OPTIONS
