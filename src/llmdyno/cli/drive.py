"""The work of every command that drives load: flags, dry run, budget, progress, interruption, exit code.

In: parsed flags and an experiment. Out: a run, its printed report, and the exit code of the command. The module of a
command only names its experiment and describes it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.cli.budget import DEFAULT_BUDGET, confirm_cost
from llmdyno.cli.keeping import keep, say
from llmdyno.errors import InputError
from llmdyno.spec.keys import KEYS, Layer, flag_name, read_flag
from llmdyno.spec.readers import dollars
from llmdyno.spec.spec import Spec, build

if TYPE_CHECKING:
    from llmdyno.experiments.experiment import Experiment, Flag, Report
    from llmdyno.reports.live import LiveView
    from llmdyno.runs.describe import Announcement
    from llmdyno.runs.run import Run

FAILED, DOUBTED, INTERRUPTED = 1, 3, 130
"""Exit codes: every request failed, an answer is wrong, or a file cannot be written; ``--strict`` and a reason for
doubt; stopped by the user."""

_GROUPS = {
    "": ("run", None),
    "endpoint": ("endpoint", None),
    "load": (
        "load",
        "Closed loop: each user sends when their last request has ended. Open loop: requests leave at planned times. "
        "Rates, durations and --timeout are on this machine's clock. Only a duration at real speed is divided by the "
        "speed of an emulator.",
    ),
    "workload": ("workload", None),
    "aws": ("Amazon Bedrock (credentials come from AWS's own chain)", None),
    "emulator": ("embedded emulator", None),
    "output": ("output", None),
}
"""The title and the description of each group of flags in the help text, by the TOML table of its keys."""


_COUNTED_EXACTLY = 200_000
"""A dry run adds up the lengths of no more requests; of more, it shows the mean."""


class Manner(NamedTuple):
    """How a command drives its load.

    `dry_run`: print the plan and send nothing. `strict`: a doubt has its own exit code. `quiet`: show no progress.
    `budget`: the dollars that a load may cost without a question. `yes`: do not ask.
    """

    dry_run: bool = False
    strict: bool = False
    quiet: bool = False
    budget: str = DEFAULT_BUDGET
    yes: bool = False


Show = Callable[["Run", "Report | None"], None]
"""Prints a finished run and the report of its experiment."""


def add_arguments(parser: argparse.ArgumentParser, experiment: Experiment | None = None) -> None:
    """Add a spec file, a flag for each key of the spec, the experiment's own flags, and the flags of how to drive."""
    parser.add_argument("file", nargs="?", metavar="SPEC.toml", help="a spec file, such as the spec.toml of a run")
    add_manner_arguments(parser)
    groups = {table: parser.add_argument_group(*about) for table, about in _GROUPS.items()}
    for name, key in KEYS.items():
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": key.help.replace("%", "%%")}
        if key.switch:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = key.metavar
            if key.repeat:
                options["action"] = "append"
        groups[key.table].add_argument(flag_name(name), **options)
    if experiment is not None and experiment.flags:
        group = parser.add_argument_group(f"{experiment.name} (durations at real speed)")
        for flag in experiment.flags:
            _add_flag(group, flag)


def _add_flag(group: argparse._ArgumentGroup, flag: Flag) -> None:
    dest = f"own_{flag.name}"
    if isinstance(flag.default, bool):
        text = f"{flag.help} (default: {'yes' if flag.default else 'no'})"
        group.add_argument(
            flag.option, dest=dest, action=argparse.BooleanOptionalAction, default=flag.default, help=text
        )
        return
    text = flag.help if flag.default is None else f"{flag.help} (default: {flag.default})"
    group.add_argument(flag.option, dest=dest, default=flag.default, metavar=flag.metavar, help=text.replace("%", "%%"))


def add_manner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of how to drive."""
    parser.add_argument("--dry-run", action="store_true", help="print the spec and the plan's totals, and send nothing")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if the verdict has a reason for doubt")
    parser.add_argument("--quiet", action="store_true", help="show no progress, only the result")
    group = parser.add_argument_group("budget (for services that bill the load)")
    group.add_argument(
        "--budget",
        default=DEFAULT_BUDGET,
        metavar="DOLLARS",
        help=f"ask before a load that may cost more than this (default: {DEFAULT_BUDGET})",
    )
    group.add_argument("--yes", action="store_true", help="do not ask, and send the load")


def manner_of(arguments: argparse.Namespace) -> Manner:
    """How the flags say that the load is driven."""
    return Manner(arguments.dry_run, arguments.strict, arguments.quiet, arguments.budget, arguments.yes)


def call(arguments: argparse.Namespace, experiment: Experiment) -> int:
    """Run the experiment with the user's flags and return the exit code.

    Raises:
        InputError: the input cannot be used, or the endpoint cannot be measured.
    """
    own = {flag.name: _read_own(flag, getattr(arguments, f"own_{flag.name}")) for flag in experiment.flags}
    spec, asked = asked_of(arguments, experiment._replace(options=own))
    return drive(spec, asked, manner_of(arguments))


def _read_own(flag: Flag, given: Any) -> Any:
    return (
        given
        if given is None or isinstance(given, bool) or flag.read is None
        else read_flag(flag.read, given, flag.option)
    )


def asked_of(arguments: argparse.Namespace, experiment: Experiment) -> tuple[Spec, Experiment]:
    """Build the spec, and complete the experiment's options.

    The spec comes from the experiment's keys, then the spec file, then the flags. A later value wins. If the experiment
    paces its load at real speed, its options get the speed of the endpoint. The keys of `AT_REAL_SPEED` keep what the
    user gave: they are converted when they are used.

    Raises:
        InputError: a value does not fit, or the user gave a flag that only the experiment may set.
    """
    from llmdyno.runs.specfile import LARGEST_SPEC_BYTES, read_toml

    given = vars(arguments)
    flags: Layer = {name: (given[name], flag_name(name)) for name in KEYS if name in given}
    if "prompts_seed" in flags:  # it asks for these very prompts
        flags.setdefault("same_prompts", (True, flag_name("prompts_seed")))
    for name in experiment.owns:
        if name in flags:
            raise InputError(
                flag_name(name), f"is not for llmdyno {experiment.name}, which sets it", experiment.instead
            )
    file = read_toml(Path(arguments.file), LARGEST_SPEC_BYTES) if arguments.file is not None else {}
    file = {name: value for name, value in file.items() if name not in experiment.owns}

    def built(speed: float) -> Spec:
        return build([_layer(experiment.keys(experiment.options, speed), experiment), file, flags])

    plain = built(1.0)
    if not experiment.paces:
        return plain, experiment
    # A dry run asks no endpoint, so it knows only the speed of the embedded emulator.
    from llmdyno.experiments.experiment import SPEED

    speed = _own_speed(plain) if arguments.dry_run else _speed(plain)
    return built(speed), experiment._replace(options={**experiment.options, SPEED: speed})


def _layer(values: Mapping[str, Any], experiment: Experiment) -> Layer:
    label = ", ".join(flag.option for flag in experiment.flags) or "default"
    return {name: (value, label) for name, value in values.items()}


def _own_speed(spec: Spec) -> float:
    """How many times faster than real time the embedded emulator runs; 1 for any other endpoint."""
    from llmdyno.targets.target import known_emulation

    found = known_emulation(spec)
    return found.speed if found is not None else 1.0


def _speed(spec: Spec) -> float:
    """How many times faster than real time the endpoint runs; 1 if it is not an emulator of this machine's network."""
    from llmdyno.targets.target import emulation_of, resolve

    found = emulation_of(resolve(spec, os.environ), os.environ)
    return found.speed if found is not None else 1.0


def drive(spec: Spec, experiment: Experiment, manner: Manner, show: Show | None = None) -> int:
    """Run an experiment, print the result, and return the exit code.

    Args:
        spec: the user's spec.
        experiment: the question, with its options.
        manner: how to drive.
        show: prints the run and the report (default: the run's summary, then the report).

    Raises:
        InputError: the endpoint cannot be measured, or the user does not agree to the cost.
    """
    from llmdyno.targets.target import resolve

    spec = resolve(spec, os.environ)
    experiment.check(spec, experiment.options)
    budget = read_flag(dollars(), manner.budget, "--budget")
    if manner.dry_run:
        return print_plan(spec, experiment)
    if (told := experiment.announce(spec, experiment.options)) and not manner.quiet:
        print(told, file=sys.stderr)
    confirm_cost(spec, experiment.rounds(experiment.options), budget, yes=manner.yes, quiet=manner.quiet)
    run = carry_out(spec, experiment, quiet=manner.quiet)
    report = conclude(run, experiment)
    kept = report is None or keep(run, f"{experiment.name}.json", report)
    (show or show_run(experiment.name))(run, report)
    return exit_code(run, report, experiment, manner) or (0 if kept else FAILED)


def conclude(run: Run, experiment: Experiment) -> Report | None:
    """The experiment's report; None: the run cannot answer the question."""
    whole = not run.interrupted and (run.succeeded > 0 or not experiment.needs_answers)
    if not whole and not experiment.concludes_partly:
        return None
    return experiment.conclude(run, experiment.options, say)


def exit_code(run: Run, report: Report | None, experiment: Experiment, manner: Manner) -> int:
    """The exit code of the command."""
    if run.interrupted:
        return INTERRUPTED
    if experiment.needs_answers and run.succeeded == 0:
        print("llmdyno: every request failed", file=sys.stderr)
        return FAILED
    if report is not None and (code := experiment.exit_code(report)):
        return code
    return DOUBTED if manner.strict and experiment.doubts(run, experiment.options) else 0


def show_run(name: str) -> Show:
    """A function that prints a run's summary, and then the report of this experiment."""

    def show(run: Run, report: Report | None) -> None:
        from llmdyno.reports import summary
        from llmdyno.reports.console import Page

        page = Page()
        summary.show(run, page)
        if report is not None:
            import_module(f"llmdyno.reports.{name}").show(report, page, run.path)

    return show


def carry_out(spec: Spec, experiment: Experiment, *, quiet: bool) -> Run:
    """Measure, show progress, and stop on Ctrl-C, SIGTERM or SIGHUP.

    Raises:
        InputError: the endpoint cannot be measured.
        KeyboardInterrupt: the user stopped the run before anything was measured.
    """
    from llmdyno.engine.driver import quiet as watch_nothing
    from llmdyno.experiments.selftest import beyond_range
    from llmdyno.host.loop import loop_factory
    from llmdyno.host.signals import signals
    from llmdyno.host.stop import Stop
    from llmdyno.measure import measure
    from llmdyno.reports.live import LiveView

    if spec.insecure:
        print("llmdyno: --insecure: the server's certificate is not verified", file=sys.stderr)
    if beyond := beyond_range(spec):
        print(f"llmdyno: {beyond}", file=sys.stderr)
    live, stop = LiveView(), Stop()

    def on_start(announcement: Announcement) -> None:
        if announcement.emulated_speed is not None:
            live.show_emulation(announcement.emulated_speed)
        if not quiet:
            say(f"Measuring {announcement.endpoint}: {announcement.load}")

    async def main() -> Run:
        with signals(asyncio.get_running_loop(), stop):
            watch = watch_nothing if quiet else live
            return await measure(spec, experiment, watch=watch, stop=stop, on_start=on_start)

    with contextlib.nullcontext() if quiet else _watched(spec, live):
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                return runner.run(main())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            with contextlib.suppress(OSError):
                live.end()


@contextlib.contextmanager
def _watched(spec: Spec, live: LiveView) -> Iterator[None]:
    """Show the copies of a managed model during the run, as its service reports them."""
    from llmdyno.services.service import find
    from llmdyno.targets.target import managed_service

    name = managed_service(spec)
    embedded = spec.speed is not None  # its service has no metrics
    if name is None or embedded:
        yield
        return

    with find(name).watch(spec, live.show_copies):
        yield


def print_plan(spec: Spec, experiment: Experiment) -> int:
    """Print the resolved spec and the plan's totals; nothing is sent."""
    from llmdyno.workload.plan import WARM

    plan = experiment.plan(spec, experiment.options)
    print(spec.to_toml(), end="")
    if spec.speed is not None:
        print(f"\n# EMULATED endpoint: profile {spec.deployment}, at {spec.speed:g}× real speed.", end="")
    print(f"\n# Plan (prompt tokens by {plan.counter.name}); nothing was sent.")
    for phase in plan.phases:
        if phase.name == WARM:
            print(f"# {phase.name}: one request at a time until the model answers")
        elif phase.total is None or (phase.total > _COUNTED_EXACTLY and not spec.load.replays):
            inputs, outputs = spec.input_tokens.mean, spec.output_tokens.mean
            fitting = f"as many requests as fit into {spec.load.sends_for_s or 0:g} s"
            print(f"# {phase.name}: {fitting if phase.total is None else f'{phase.total:,} requests'},")
            print(f"#   about {inputs:,.0f} tokens in and at most {outputs:,.0f} out each")
        else:
            lengths = [plan.source.lengths(phase.name, index) for index in range(phase.total)]
            total_in, total_out = (sum(column) for column in zip(*lengths, strict=True))
            print(f"# {phase.name}: {phase.total:,} requests, {total_in:,} tokens in, at most {total_out:,} tokens out")
    return 0
