"""``llmdyno coldstart``: a series of cold starts, with what it will take said beforehand."""

from __future__ import annotations

import argparse
import sys

from llmdyno.cli import run
from llmdyno.errors import InputError
from llmdyno.spec import Spec, read_value

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
    from llmdyno.flow import Program
    from llmdyno.runner import settle

    spec = settle(spec)
    check_wakes(spec)
    if not arguments.quiet:
        print(intention(repeat, idle_s, spec.speed or 1.0, _price(spec)), file=sys.stderr)
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


def intention(repeat: int, idle_s: float, speed: float, price: str) -> str:
    """How long the series will take and what it will be billed for, said before it starts."""
    length_s = (repeat * _USUAL_COLD_START_S + (repeat - 1) * idle_s) / speed
    windows = f"{repeat} five-minute window{'s' * (repeat != 1)} of one model copy, or more if answers fall into two"
    return f"{repeat} cold starts, about {length_s / 60:.1f} minutes; billed: {windows}; {price}"


def _price(spec: Spec) -> str:
    """What a window costs: the model's units from GetImportedModel, the rate from the dated table."""
    if spec.api == "emulator":
        return "emulated, so nothing"
    from llmdyno.analysis.prices import rate_of
    from llmdyno.aws.clients import Aws
    from llmdyno.aws.models import describe
    from llmdyno.aws.session import region_of

    assert spec.model is not None
    model = spec.model[max(0, spec.model.find("arn:")) :]  # LiteLLM's route stands before it
    aws = Aws(spec.region or region_of(model), spec.profile, spec.endpoint_url)
    try:
        units = describe(aws, model).get("customModelUnits") or {}
    except InputError as error:
        return f"its units are unknown ({error.problem.partition(':')[0]}), so the price is too"
    finally:
        aws.close()
    count, version = units.get("customModelUnitsPerModelCopy"), units.get("customModelUnitsVersion")
    rate = rate_of(aws.region, str(version))
    if count is None or rate is None:
        return f"the price of {version} units in {aws.region} is not in the table"
    return f"${rate.window(count):.2f} a window at {count} CMU and the rate noted {rate.noted}"
