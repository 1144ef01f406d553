"""``llmdyno scaling``: a step of load, and how the deployment answers it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmdyno.cli import run
from llmdyno.cli.aws_flags import say
from llmdyno.cli.budget import agree
from llmdyno.errors import InputError
from llmdyno.spec.keys import flag_name, read_value
from llmdyno.spec.spec import EMULATED_SPEED, Spec
from llmdyno.transports.label import ask

if TYPE_CHECKING:
    from rich.console import Console

    from llmdyno.runs.run import Run

DESCRIPTION = (
    "A step of load: users from few to many, held, and back. How long until latency is back within bounds, what was "
    "refused meanwhile, how copies came and went. Takes the flags of llmdyno run but those of its load; bounds are "
    "--slo, or what was usual before the step."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The step, and the flags of a run."""
    run.add_arguments(parser)
    group = parser.add_argument_group("step (spans at real speed)")
    group.add_argument("--from", dest="users_from", default="2", metavar="N", help="users before the step (default: 2)")
    group.add_argument("--to", dest="users_to", default="16", metavar="N", help="users from the step on (default: 16)")
    group.add_argument("--before", default="2m", metavar="S", help="how long before the step (default: 2m)")
    group.add_argument("--hold", default="10m", metavar="S", help="how long the step is held (default: 10m)")
    group.add_argument(
        "--after", default="7m", metavar="S", help="how long to look for copies that go, afterwards (default: 7m)"
    )


def call(arguments: argparse.Namespace) -> int:
    """Drive the step and say what came of it.

    Raises:
        InputError: the input cannot be used.
    """
    spec = step_spec(arguments)
    if arguments.dry_run:
        return run.dry_run(spec)
    return drive(spec, arguments, _show)


def _show(result: Run, console: Console) -> None:
    from llmdyno.experiments.scaling import SCALING, scaling_report
    from llmdyno.experiments.stages import deployment_of
    from llmdyno.reports.scaling import print_scaling
    from llmdyno.runs.directory import add_json

    report = scaling_report(result, deployment_of(result, say))
    add_json(result.path, SCALING, report)
    print_scaling(report, console)


def drive(spec: Spec, arguments: argparse.Namespace, show_steps: Callable[[Run, Console], None]) -> int:
    """Drive a load in stages, print the run's summary and what the stages showed; the exit code.

    Raises:
        InputError: the endpoint cannot be measured, or what it would cost was not agreed to.
    """
    from llmdyno.executors.inline import Program

    agree(spec, arguments)

    def show(result: Run) -> None:
        from rich.console import Console

        from llmdyno.reports.console import print_summary

        console = Console(highlight=False)
        print_summary(result, console)
        if result.succeeded and not result.interrupted:
            show_steps(result, console)

    result = run.carry_out(spec, Program(), quiet=arguments.quiet, show=show)
    if result.interrupted:
        return 130
    if result.succeeded == 0:
        print("llmdyno: every request failed", file=sys.stderr)
        return 1
    return 0


def step_spec(arguments: argparse.Namespace) -> Spec:
    """The step as a run's spec: three stages of users.

    Raises:
        InputError: a value does not fit, or a flag of another load is given.
    """
    users_from = read_value("concurrency", arguments.users_from, "--from")
    users_to = read_value("concurrency", arguments.users_to, "--to")
    if users_to <= users_from:
        raise InputError("--to", f"{users_to} is no step up from {users_from}", "give more users than --from")
    spans = {
        name: read_value("duration_s", getattr(arguments, name), f"--{name}") for name in ("before", "hold", "after")
    }
    return staged_spec(
        arguments, [(users_from, spans["before"]), (users_to, spans["hold"]), (users_from, spans["after"])]
    )


def staged_spec(arguments: argparse.Namespace, parts: list[tuple[int, float]]) -> Spec:
    """A spec of users in stages, their spans as many times shorter as the emulator is faster, if one is measured.

    Raises:
        InputError: a flag of another load is given.
    """
    for name in ("rate", "ramp", "stages", "arrivals", "concurrency", "requests", "duration_s", "max_concurrency"):
        if name in vars(arguments):
            raise InputError(flag_name(name), "is another load than this command's own", "leave it out")
    plain = run.spec_of(arguments, {})
    speed = speed_of(plain)
    stages = [{"concurrency": users, "duration": span_s / speed} for users, span_s in parts]
    pause_s = plain.throttle_pause_s or 1.0 / speed
    return run.spec_of(arguments, {"stages": stages, "throttle_pause_s": pause_s})


def speed_of(spec: Spec) -> float:
    """How many times faster than real the emulator runs that a spec, settled or not, is for; 1 for a real endpoint."""
    if spec.api == "emulator" or (spec.api is None and spec.base_url is None):
        return spec.speed or EMULATED_SPEED
    named = spec.base_url or spec.endpoint_url
    if named is None and spec.api in ("bedrock", "litellm"):
        names = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_ENDPOINT_URL")
        named = next((os.environ[name] for name in names if os.environ.get(name)), None)
    found = ask(named)
    return found.speed if found is not None else 1.0
