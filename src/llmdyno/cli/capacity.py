"""``llmdyno capacity``: rising numbers of users, and how many one copy carries within bounds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from llmdyno.cli import run
from llmdyno.cli.aws_flags import say
from llmdyno.cli.scaling import drive, staged_spec
from llmdyno.errors import InputError
from llmdyno.spec.keys import read_value

if TYPE_CHECKING:
    from rich.console import Console

    from llmdyno.runs.run import Run

DESCRIPTION = (
    "Rising numbers of users, one after the other in one run: the number at which time to first token or the gaps "
    "leave their bounds (--slo), or calls are refused, and how sure that is. Takes the flags of llmdyno run but those "
    "of its load."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sweep, and the flags of a run."""
    run.add_arguments(parser)
    group = parser.add_argument_group("sweep (spans at real speed)")
    group.add_argument(
        "--users", default="1,2,4,8,16,32", metavar="N,N,…", help="numbers of users, rising (default: 1,2,4,8,16,32)"
    )
    group.add_argument("--hold", default="2m", metavar="S", help="how long each number is held (default: 2m)")
    group.add_argument(
        "--percentile", default="95", metavar="P", help="which percentile must be within bounds (default: 95)"
    )


def call(arguments: argparse.Namespace) -> int:
    """Drive the sweep and say what came of it.

    Raises:
        InputError: the input cannot be used.
    """
    users = [read_value("concurrency", part.strip(), "--users") for part in arguments.users.split(",")]
    if users != sorted(set(users)) or len(users) < 2:
        raise InputError("--users", f"{arguments.users!r} does not fit", "what fits: rising numbers, such as 1,2,4,8")
    hold_s = read_value("duration_s", arguments.hold, "--hold")
    percentile = read_value("rate", arguments.percentile, "--percentile")
    if percentile >= 100:
        raise InputError("--percentile", f"{arguments.percentile} does not fit", "what fits: a number below 100")
    spec = staged_spec(arguments, [(number, hold_s) for number in users])
    if not spec.slo:
        raise InputError("--slo", "not given, and it is what is to be kept", "give --slo ttft_s=0.5, say")
    if arguments.dry_run:
        return run.dry_run(spec)

    def show(result: Run, console: Console) -> None:
        from llmdyno.experiments.capacity import CAPACITY, capacity_report
        from llmdyno.experiments.stages import deployment_of
        from llmdyno.reports.scaling import print_capacity
        from llmdyno.runs.directory import add_json

        report = capacity_report(result, deployment_of(result, say), percentile)
        add_json(result.path, CAPACITY, report)
        print_capacity(report, console)

    return drive(spec, arguments, show)
