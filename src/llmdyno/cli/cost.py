"""``llmdyno cost RUN``: what a run costs by the copy, by the token or by the hour, and what a day of traffic would."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from llmdyno.cli import prices as price_flags
from llmdyno.cli.aws_flags import add_aws_arguments, endpoint_url_of, say
from llmdyno.cli.keeping import keep
from llmdyno.cli.prices import read as _flag
from llmdyno.errors import InputError

if TYPE_CHECKING:
    from llmdyno.runs.run import Run
    from llmdyno.services.service import Inquiry, Overrides, ScalingOverrides
    from llmdyno.services.traffic import Traffic

DESCRIPTION = (
    "Show what a run costs. An imported model is billed by the copy: its copies (from CloudWatch, or inferred from the "
    "load) and their five-minute windows. Other models are billed by the token, or by the hour. Show the dollars per "
    "hour, per million tokens and per thousand requests. With --traffic or --requests-per-hour, also show what a day "
    "and a month would cost."
)

_SHAPES = ("flat", "business-hours", "daytime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the values that override it, and the traffic to project."""
    parser.add_argument("directory", metavar="RUN", help="a run directory")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, as in cost.json")
    group = parser.add_argument_group("by the copy (imported models)")
    group.add_argument("--refresh", action="store_true", help="read CloudWatch again even if it was read before")
    group.add_argument(
        "--wait",
        metavar="S",
        default="3m",
        help="wait for late datapoints until this long after the end of the run (default: 3m)",
    )
    group.add_argument("--copies", metavar="N", help="assume N copies during the run, and do not ask CloudWatch")
    group.add_argument(
        "--units", metavar="N", help="assume N custom model units per copy (default: as GetImportedModel says)"
    )
    group.add_argument(
        "--units-version", metavar="V", help="assume this version of the units (default: as GetImportedModel says)"
    )
    group.add_argument(
        "--rate", metavar="DOLLARS", help="assume this price per unit and minute (default: from the built-in table)"
    )
    price_flags.add_arguments(parser)
    _add_projection_arguments(parser)
    add_aws_arguments(parser)


def _add_projection_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("projection")
    group.add_argument(
        "--traffic",
        metavar="FILE",
        help="project this day of traffic: a CSV of time,requests, of hour,requests or of time,requests_per_hour (see "
        "docs/cost.md), or a trace of --arrivals replay",
    )
    group.add_argument(
        "--day", metavar="DATE", help="take this day of a CSV that holds several (default: its only one)"
    )
    group.add_argument(
        "--requests-per-hour", metavar="N", help="project a day with N requests in its busiest hour; see --shape"
    )
    group.add_argument(
        "--shape", metavar="NAME", help=f"choose the shape of that day: {', '.join(_SHAPES)} (default: flat)"
    )
    group.add_argument(
        "--calls-per-copy",
        metavar="N",
        help="let a copy serve N calls at once (default: as in the run, if it was refused more)",
    )
    group.add_argument("--max-copies", metavar="N", help="allow N copies (default: 3, the default quota of an account)")
    group.add_argument("--cold-start", metavar="S", help="let a cold start take this long (default: as in the run)")
    group.add_argument(
        "--scale-up",
        metavar="S",
        help="let another copy be ready this long after the first refusal (default: as in the run)",
    )
    group.add_argument("--idle", metavar="S", help="scale to zero after this long without a call (default: 300)")
    group.add_argument("--seed", metavar="N", default="0", help="draw arrivals from this seed (default: 0)")


def call(arguments: argparse.Namespace) -> int:
    """Print the cost of a run and return the exit code.

    Raises:
        InputError: the path is not a run directory, or a value does not fit.
    """
    from llmdyno.reports.console import Page
    from llmdyno.reports.files import module_of
    from llmdyno.runs.directory import load

    prices, inquiry = price_flags.compared(arguments), _inquiry(arguments)
    better, traffic = _scaling(arguments), _traffic(arguments)
    overrides = replace(overrides_of(arguments), scaling=better)
    run = load(arguments.directory)
    _check_known(run, overrides)
    service = price_flags.service_for(run, overrides, better)
    account = service.account(run, overrides, inquiry)
    report = {"billing": service.billing, **account.report(prices)}
    if traffic is not None:
        try:
            report["projection"] = account.project(better, traffic)
            report["notes"] += service.projection_notes(run, better, inquiry)
        except InputError as error:
            report["notes"].append(f"no projection: {error.problem}; {error.fits}")
    report["notes"][:0] = [f"damaged: {damage}" for damage in run.damages]
    kept = keep(run, "cost.json", report)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        module_of("cost", report).show(report, Page(), run.path)
    return 0 if kept else 1


def _check_known(run: Run, overrides: Overrides) -> None:
    """See that the run directory still says what a cost is computed from.

    Raises:
        InputError: a file that it needs cannot be read.
    """
    from llmdyno.runs.names import ENVIRONMENT, REQUESTS

    damages = "; ".join(run.damages)
    if REQUESTS in run.unread:
        problem = f"its requests cannot be read, so what they used is not known ({damages})"
        raise InputError(str(run.path), problem, "llmdyno show still shows its stored figures")
    by_copy = overrides.copies is not None and overrides.units is not None
    if ENVIRONMENT in run.unread and not by_copy and overrides.prices is None and overrides.dollars_per_hour is None:
        problem = f"its model, and when it ran, are not known ({damages})"
        raise InputError(str(run.path), problem, "give the copies: add --copies N --units N, or --price IN,OUT")


def overrides_of(arguments: argparse.Namespace) -> Overrides:
    """The values from flags that override the run.

    Raises:
        InputError: a value does not fit.
    """
    from llmdyno.services.service import Overrides
    from llmdyno.spec import readers

    return Overrides(
        _flag(arguments, "copies", readers.whole_number(1)),
        _flag(arguments, "units", readers.whole_number(1)),
        _flag(arguments, "units_version", readers.units_version),
        _flag(arguments, "region", readers.text),
        _flag(arguments, "rate", readers.dollars("dollars a unit and minute, such as 0.05718")),
        **price_flags.given(arguments),
    )


def _inquiry(arguments: argparse.Namespace) -> Inquiry:
    from llmdyno.services.service import Inquiry
    from llmdyno.spec import readers

    return Inquiry(
        region=_flag(arguments, "region", readers.text),
        profile=_flag(arguments, "profile", readers.text),
        endpoint_url=endpoint_url_of(arguments),
        wait_s=_flag(arguments, "wait", readers.pause_s) or 0.0,
        refresh=arguments.refresh,
        say=say,
    )


def _scaling(arguments: argparse.Namespace) -> ScalingOverrides:
    from llmdyno.services.service import ScalingOverrides
    from llmdyno.spec import readers

    return ScalingOverrides(
        _flag(arguments, "calls_per_copy", readers.whole_number(1)),
        _flag(arguments, "max_copies", readers.whole_number(1)),
        _flag(arguments, "cold_start", readers.duration_s),
        _flag(arguments, "scale_up", readers.duration_s),
        _flag(arguments, "idle", readers.duration_s),
    )


def _traffic(arguments: argparse.Namespace) -> Traffic | None:
    """The traffic to project; None: the user did not give any.

    Raises:
        InputError: the flags contradict each other, or a value or a line of the file does not fit.
    """
    if arguments.day is not None and arguments.traffic is None:
        raise InputError("--day", "is for a file of traffic", "leave it out, or give --traffic FILE")
    if arguments.traffic is None and arguments.requests_per_hour is None:
        if arguments.shape is not None:
            raise InputError("--shape", "needs the number of requests", "add --requests-per-hour N")
        return None
    if arguments.traffic is not None and (arguments.requests_per_hour is not None or arguments.shape is not None):
        raise InputError("--traffic", "already gives the whole day", "leave out --requests-per-hour and --shape")
    from llmdyno.services.traffic import by_shape, read_traffic
    from llmdyno.spec import readers

    seed = _flag(arguments, "seed", readers.whole_number(0)) or 0
    if arguments.traffic is not None:
        return read_traffic(arguments.traffic, seed, arguments.day)
    per_hour = _flag(arguments, "requests_per_hour", readers.requests_per_hour)
    return by_shape(per_hour or 0.0, arguments.shape or "flat", seed)
