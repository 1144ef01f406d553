"""The contract of an experiment: the question that a command answers about an endpoint.

In: a spec and the command's own options. Out: the plan of a run, and a report from the finished run. The run directory
keeps the report as ``<name>.json``, and ``reports/<name>.py`` prints it. An experiment does not know how requests are
sent, and it prints nothing.

To add a command that drives load, add an :class:`Experiment` here and a module of a few lines in ``cli/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.spec.spec import Spec
from llmdyno.workload.plan import Plan

if TYPE_CHECKING:
    from llmdyno.runs.run import Run  # it brings NumPy, which a command's --help does not need

Options = Mapping[str, Any]
"""The values of the command's own flags, by name (``users``, ``hold``, ``answer_tokens``)."""

Report = dict[str, Any]
"""What an experiment found: the content of ``<name>.json``."""

Say = Callable[[str], None]
"""Shows one line of progress to the user."""

NO_OPTIONS: Options = {}

SPEED = "speed"
"""The option that holds the endpoint's speed, if the experiment `paces` its load. 10 means ten times real time."""


class Flag(NamedTuple):
    """A flag that only one command has.

    Attributes:
        name: the flag's name, with underscores. On the command line it has hyphens.
        help: the help text: an imperative, one line.
        read: turns the text into the value, and raises ValueError with a text that says what fits.
        default: the text to read if the user does not give the flag; None: the option is then None. A bool makes the
            flag a switch with a ``--no-`` form.
        metavar: the name of the value in the help text.
    """

    name: str
    help: str
    read: Callable[[str], Any] | None = None
    default: str | bool | None = None
    metavar: str | None = None

    @property
    def option(self) -> str:
        """The flag as the user writes it."""
        return "--" + self.name.replace("_", "-")


class Experiment(NamedTuple):
    """One question. Every attribute after `plan` has a default.

    Attributes:
        name: the name of the report.
        plan: plans every phase of the run, from the resolved spec and the options. Raises InputError.
        flags: the command's own flags.
        owns: the keys of the spec that only the experiment sets. Their flags are refused.
        instead: what to use instead of a refused flag.
        paces: the durations of the options are at real speed, so `keys` needs the speed of an emulated endpoint.
        keys: the values that the experiment sets in the spec, from the options and the endpoint's speed. The speed is 1
            if the endpoint is real or `paces` is False. A spec file or a flag may change a key that is not in `owns`.
        check: raises InputError if a resolved spec cannot answer the question.
        announce: a line to show before the run; None: no line.
        rounds: how many cold starts the run measures, for the bound on its cost; None: the run is a load.
        conclude: makes the report from the finished run; None: there is no report.
        exit_code: the exit code for a report.
        doubts: whether the run is not to be trusted, for ``--strict``.
        needs_answers: whether a run fails if no measured request succeeded.
        concludes_partly: whether a run that failed or was interrupted has a report too.
        options: the options of this run.
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
