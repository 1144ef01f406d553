"""``llmdyno cost RUN``: what a run's model copies cost, and what a day of traffic would."""

from __future__ import annotations

import argparse
import json
import re
import sys
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from llmdyno.cli.aws_flags import add_aws_arguments, aws_of
from llmdyno.errors import InputError

if TYPE_CHECKING:
    from llmdyno.aws.clients import Aws
    from llmdyno.runs.run import Run
    from llmdyno.services.bedrock_import.account import Known
    from llmdyno.services.bedrock_import.cloudwatch import Readings
    from llmdyno.services.bedrock_import.projection import Scaling
    from llmdyno.services.traffic import Traffic

_SHAPES = ("flat", "business-hours", "daytime")
DESCRIPTION = (
    "What a run on an imported model costs: its copies (from CloudWatch, or inferred from the load), their five-minute "
    "windows, dollars an hour, a million tokens, a thousand requests; and with --traffic or --requests-per-hour, what "
    "a day and a month would."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, what is known better, the traffic to project."""
    parser.add_argument("directory", metavar="RUN", help="a run directory")
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON instead; it stands in cost.json too"
    )
    group = parser.add_argument_group("copies and prices")
    group.add_argument(
        "--refresh", action="store_true", help="read CloudWatch again, though an earlier reading is there"
    )
    group.add_argument(
        "--wait",
        metavar="S",
        default="3m",
        help="how long after the run's end to wait for late datapoints (default: 3m)",
    )
    group.add_argument("--copies", metavar="N", help="so many copies all the time; CloudWatch is not asked")
    group.add_argument("--units", metavar="N", help="custom model units a copy (default: GetImportedModel's)")
    group.add_argument("--units-version", metavar="V", help="their version, such as v1.0 (default: GetImportedModel's)")
    group.add_argument("--rate", metavar="DOLLARS", help="dollars a unit and minute (default: the dated table's)")
    group.add_argument(
        "--compare-price", metavar="IN,OUT", help="set the load against dollars a million input and output tokens"
    )
    group = parser.add_argument_group("projection")
    group.add_argument(
        "--traffic",
        metavar="FILE",
        help="a day of traffic: a CSV of time,requests, or a trace as --arrivals replay reads",
    )
    group.add_argument("--requests-per-hour", metavar="N", help="so many requests in the busiest hour of a day")
    group.add_argument("--shape", metavar="NAME", default=None, help=f"how that day goes: {', '.join(_SHAPES)} (flat)")
    group.add_argument(
        "--calls-per-copy", metavar="N", help="how many calls a copy carries (default: as the run showed)"
    )
    group.add_argument("--max-copies", metavar="N", help="the most copies (default: 3, an account's default quota)")
    group.add_argument("--cold-start", metavar="S", help="how long a cold start takes (default: as the run showed)")
    group.add_argument(
        "--scale-up", metavar="S", help="from the first refusal to another copy (default: as the run showed)"
    )
    group.add_argument("--idle", metavar="S", help="scale to zero after so long without a call (default: 300)")
    group.add_argument("--seed", metavar="N", default="0", help="of the arrivals within each hour (default: 0)")
    add_aws_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Work it out and print it.

    Raises:
        InputError: it is no run directory, or a value does not fit.
    """
    from llmdyno.reports import cost
    from llmdyno.reports.console import Page
    from llmdyno.runs.directory import add_json, load
    from llmdyno.services.bedrock_import.account import COST, as_json, costing, model_facts

    known, prices = known_of(arguments), _prices(arguments.compare_price)
    scaling, traffic = _scaling(arguments), _traffic(arguments)
    run = load(arguments.directory)
    if known.copies is None:
        model_facts(run)  # says so, where there is no such model
    readings, known, notes = ask_aws(run, arguments, known)
    found = costing(run, known, readings, notes)
    report = as_json(run, found, prices)
    if traffic is not None:
        from llmdyno.services.bedrock_import.projection import fit, projection_report

        try:
            report["projection"] = projection_report(found, fit(run, found, scaling), traffic)
        except InputError as error:
            report["notes"].append(f"no projection: {error.problem}; {error.fits}")
    add_json(run.path, COST, report)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        cost.show(report, Page(), run.path)
    return 0


def known_of(arguments: argparse.Namespace) -> Known:
    """What the flags know better.

    Raises:
        InputError: a value does not fit.
    """
    from llmdyno.services.bedrock_import.account import Known
    from llmdyno.spec.keys import read_value

    def whole(name: str) -> int | None:
        given = getattr(arguments, name)
        return None if given is None else int(read_value("concurrency", given, f"--{name}"))

    version = arguments.units_version
    if version is not None and not re.fullmatch(r"v\d+\.\d+", version):
        raise InputError("--units-version", f"{version!r} does not fit", "what fits: a version such as v1.0")
    rate = (
        None
        if arguments.rate is None
        else money(arguments.rate, "--rate", "dollars a unit and minute, such as 0.05718")
    )
    return Known(whole("copies"), whole("units"), version, arguments.region, rate)


def money(given: str, flag: str, fits: str) -> Decimal:
    """An amount of dollars, exactly as written.

    Raises:
        InputError: it is none.
    """
    try:
        value = Decimal(given.strip().removeprefix("$"))
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise InputError(flag, f"{given!r} does not fit", f"what fits: {fits}")
    return value


def _scaling(arguments: argparse.Namespace) -> Scaling:
    from llmdyno.services.bedrock_import.projection import Scaling
    from llmdyno.spec.keys import read_value

    def value(name: str, kind: str) -> Any:
        given = getattr(arguments, name)
        return None if given is None else read_value(kind, given, "--" + name.replace("_", "-"))

    return Scaling(
        value("calls_per_copy", "concurrency"),
        value("max_copies", "concurrency"),
        value("cold_start", "duration_s"),
        value("scale_up", "duration_s"),
        value("idle", "duration_s"),
    )


def _traffic(arguments: argparse.Namespace) -> Traffic | None:
    """The traffic to project; None: none is asked for.

    Raises:
        InputError: two are, or a value does not fit, or a line of the file.
    """
    if arguments.traffic is None and arguments.requests_per_hour is None:
        if arguments.shape is not None:
            raise InputError("--shape", "says how a day goes, and nothing says how much", "add --requests-per-hour N")
        return None
    if arguments.traffic is not None and (arguments.requests_per_hour is not None or arguments.shape is not None):
        raise InputError("--traffic", "is the whole day", "leave out --requests-per-hour and --shape")
    from llmdyno.services.traffic import SHAPES, by_shape, read_traffic
    from llmdyno.spec.keys import read_value

    seed = read_value("seed", arguments.seed, "--seed")
    if arguments.traffic is not None:
        return read_traffic(arguments.traffic, seed)
    shape = arguments.shape or "flat"
    if shape not in SHAPES:
        raise InputError("--shape", f"{shape!r} does not fit", f"one of {', '.join(SHAPES)}")
    return by_shape(read_value("rate", arguments.requests_per_hour, "--requests-per-hour"), shape, seed)


def _prices(given: str | None) -> tuple[Decimal, Decimal] | None:
    if given is None:
        return None
    fits = "dollars a million input and output tokens, such as 0.22,0.88"
    parts = given.split(",")
    if len(parts) != 2:
        raise InputError("--compare-price", f"{given!r} does not fit", f"what fits: {fits}")
    first, second = (money(part, "--compare-price", fits) for part in parts)
    return first, second


def ask_aws(run: Run, arguments: argparse.Namespace, known: Known) -> tuple[Readings | None, Known, tuple[str, ...]]:
    """What AWS says of a run's model, as far as it is needed: CloudWatch, where no earlier reading is whole, and the
    units of a copy, where neither the run nor the user knows them. With it, why there is none."""
    from llmdyno.services.bedrock_import.account import collect, model_facts, stored_readings
    from llmdyno.spec.keys import read_value

    wait_s = read_value("duration_s", arguments.wait, "--wait")
    stored = stored_readings(run)
    emulated: dict[str, Any] = run.environment.get("endpoint", {}).get("emulated") or {}
    if emulated.get("embedded") and known.copies is None:
        return stored, known, ("the embedded emulator ended with its run: there is no CloudWatch to ask",)
    wanted = known.copies is None and (stored is None or not stored.covered or arguments.refresh)
    notes: list[str] = []
    try:
        facts = model_facts(run)
        nameless = known.units is None and facts["units"] is None
        if not wanted and not nameless:
            return (stored if known.copies is None else None), known, ()
        arguments.endpoint_url = arguments.endpoint_url or run.spec.endpoint_url
        arguments.region = arguments.region or facts["region"]
        arguments.profile = arguments.profile or run.spec.profile
        with aws_of(arguments) as aws:
            if nameless:
                known = _with_units(aws, facts["arn"], known, notes)
            if wanted:
                stored = collect(run, aws, wait_s=wait_s, on_wait=_say)
    except InputError as error:
        if known.copies is None:
            notes.append(f"CloudWatch was not read: {error.problem}; {error.fits}")
    return stored, known, tuple(notes)


def _with_units(aws: Aws, model: str, known: Known, notes: list[str]) -> Known:
    from dataclasses import replace

    from llmdyno.services.bedrock_import.models import describe, units_of

    try:
        units, version = units_of(describe(aws, model))
    except InputError as error:
        notes.append(f"the model was not described: {error.problem}; {error.fits}")
        return known
    return replace(known, units=units, units_version=known.units_version or version)


def _say(left_s: float) -> None:
    print(f"waiting for CloudWatch's last datapoints, {left_s:.0f} s at most", file=sys.stderr, flush=True)
