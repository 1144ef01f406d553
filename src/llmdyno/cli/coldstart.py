"""``llmdyno coldstart``: a series of cold starts, with what it will take said beforehand."""

from __future__ import annotations

import argparse
import sys

from llmdyno.cli import run
from llmdyno.cli.budget import agree
from llmdyno.errors import InputError
from llmdyno.spec.keys import read_value
from llmdyno.spec.spec import Spec

DESCRIPTION = (
    "Measure a series of cold starts: wake the model, wait until it has gone idle, wake it again. A round that finds "
    "it awake does not count. What was measured is kept when the series is stopped. Takes the flags of llmdyno run."
)
_USUAL_COLD_START_S = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The series, and the flags of a run."""
    run.add_arguments(parser)
    group = parser.add_argument_group("series")
    group.add_argument("--repeat", default="3", metavar="N", help="how many cold starts to measure (default: 3)")
    group.add_argument(
        "--idle",
        default="330",
        metavar="S",
        help="how long to wait for the model to scale to zero, at real speed (default: 330; the service takes 300)",
    )


def call(arguments: argparse.Namespace) -> int:
    """Measure the series.

    Raises:
        InputError: the input cannot be used, or the model did not come.
    """
    repeat = read_value("requests", arguments.repeat, "--repeat")
    idle_s = read_value("duration_s", arguments.idle, "--idle")
    spec = run.spec_of(arguments, {"requests": 1})
    from llmdyno.executors.inline import Program
    from llmdyno.measure import settle

    spec = settle(spec)
    check_wakes(spec)
    if not arguments.quiet:
        print(intention(repeat, idle_s, spec.speed or 1.0), file=sys.stderr)
    agree(spec, arguments, rounds=repeat)
    result = run.carry_out(spec, Program(load=False, cold_starts=repeat, idle_s=idle_s), quiet=arguments.quiet)
    return 130 if result.interrupted else 0


def check_wakes(spec: Spec) -> None:
    """See that a settled spec means a model that scales to zero.

    Raises:
        InputError: it does not.
    """
    imported = spec.api == "litellm" and ":imported-model/" in str(spec.model)
    if spec.route not in ("invoke", "converse") and not imported:
        route = f" --route {spec.route}" if spec.route else ""
        raise InputError("--api", f"--api {spec.api}{route} has no cold start to measure", "use --api bedrock")


def intention(repeat: int, idle_s: float, speed: float) -> str:
    """How long the series will take, said before it starts."""
    length_s = (repeat * _USUAL_COLD_START_S + (repeat - 1) * idle_s) / speed
    return f"{repeat} cold starts, about {length_s / 60:.1f} minutes"
