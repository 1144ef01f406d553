"""A run's copies, windows and cost, from everything that is known of it.

In: a run, what is known of its model, what the user and CloudWatch say. Out: an :class:`Account`. It asks nobody. The
times of an emulated run are converted to real speed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import RECOVERED, Run
from llmdyno.services.bedrock_import.billing import Bill, bill
from llmdyno.services.bedrock_import.cloudwatch import COPIES, PERIOD_S, Readings
from llmdyno.services.bedrock_import.copies import Point, measured
from llmdyno.services.bedrock_import.cost import Cost, Delivered, Price, cost_of
from llmdyno.services.bedrock_import.delivered import delivered_of
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.bedrock_import.prices import quote
from llmdyno.services.bedrock_import.projection import fit, projection_report
from llmdyno.services.bedrock_import.report import cost_report
from llmdyno.services.calls import Calls, calls_of
from llmdyno.services.clock import ServiceClock
from llmdyno.services.copies import NO_COPIES, Copies, given, inferred
from llmdyno.services.service import NO_SCALING, Overrides, ScalingOverrides, TokenPrices
from llmdyno.services.traffic import Traffic

_FEW_OTHERS, _SHARE_OF_OTHERS = 2.0, 0.02
"""Invocations beyond ours that may come from rounding to minutes: this many, or this share of ours."""
_AWAKE = (
    "nothing shows a cold model, so it may have been up before this run: the start of its billing windows is unknown "
    "then, and an earlier caller may pay for the first one"
)
_CUT = "this run was stopped without its end (read back from its journal): calls under way then are not in the bill"


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a run's copies and cost.

    `model` holds the model's facts with the user's overrides. `delivered` is None if no request succeeded. `price`,
    `price_source` and `cost` are None if no price is known. `notes` say what is missing and why. `better` is what
    the user knows of how copies scale.
    """

    run: Run
    clock: ServiceClock
    calls: Calls
    copies: Copies
    bill: Bill
    delivered: Delivered | None
    model: ModelFacts
    price: Price | None
    price_source: str | None
    cost: Cost | None
    notes: tuple[str, ...]
    better: ScalingOverrides = NO_SCALING

    def report(self, prices: TokenPrices | None = None) -> dict[str, Any]:
        """The content of cost.json."""
        return cost_report(self, prices)

    def project(self, better: ScalingOverrides, traffic: Traffic) -> dict[str, Any]:
        """What a day and a month of traffic would cost.

        Raises:
            InputError: no request of the run succeeded.
        """
        return projection_report(self, fit(self, better), traffic)

    def slowest_cold_start_s(self) -> list[float] | None:
        """The bounds of the slowest cold start, seconds at real speed; None: there was none, or nothing bounds it."""
        found = [one for one in self.run.summary["cold_starts"] if one.get("cold_start_s")]
        slowest: dict[str, Any] = max(found, key=lambda one: float(one["cold_start_s"]), default={})
        low_s, high_s = slowest.get("ready_low_s"), slowest.get("ready_high_s")
        return None if low_s is None or high_s is None else [low_s * self.clock.speed, high_s * self.clock.speed]

    def cold_starts_s(self) -> list[float]:
        """How long each cold start of the run took, seconds at real speed."""
        found = (one.get("cold_start_s") for one in self.run.summary["cold_starts"])
        return [cold_s * self.clock.speed for cold_s in found if cold_s]


def account_of(
    run: Run, facts: ModelFacts, overrides: Overrides, readings: Readings | None, notes: tuple[str, ...] = ()
) -> Account:
    """Work out copies, windows and cost.

    Args:
        run: the run.
        facts: what is known of its model; without an ARN and without a number of copies by the user, it has no copies.
        overrides: what the user knows better.
        readings: what CloudWatch said; None: nothing.
        notes: why it said nothing.
    """
    clock = ServiceClock.of(run)
    calls = calls_of(run.timeline, REFUSALS, clock.speed)
    copies = _copies(overrides, readings, calls, clock) if facts.arn or overrides.copies else NO_COPIES
    billed = bill(copies, calls)
    delivered = delivered_of(run, copies, clock)
    model = ModelFacts(
        facts.arn,
        overrides.region or facts.region,
        overrides.units or facts.units,
        overrides.units_version or facts.units_version,
    )
    price, source, problem = quote(model.region, model.units_version, model.units, overrides.dollars_per_cmu_minute)
    all_notes = [
        *([_AWAKE] if billed.awake else []),
        *([_CUT] if run.summary["status"] == RECOVERED else []),
        *notes,
        *(readings.notes if readings is not None else ()),
        *copies.notes,
        *_other_callers(readings, calls),
        *([problem] if problem is not None else []),
    ]
    cost = cost_of(billed, price, delivered) if price is not None else None
    known = tuple(all_notes)
    better = overrides.scaling
    return Account(run, clock, calls, copies, billed, delivered, model, price, source, cost, known, better)


def _copies(overrides: Overrides, readings: Readings | None, calls: Calls, clock: ServiceClock) -> Copies:
    """The copies from the best source: the user, CloudWatch, the load."""
    if overrides.copies is not None:
        return given(overrides.copies, calls)
    if readings is not None and readings.points(COPIES, "Maximum"):
        least = {minute: value for [minute, value] in readings.points(COPIES, "Minimum")}
        points = [
            Point(minute - clock.origin_unix_s, least.get(minute, most), most, PERIOD_S)
            for minute, most in readings.points(COPIES, "Maximum")
        ]
        return measured(points, calls)
    found = inferred(calls, IDLE_S)
    return replace(found, notes=("copies are inferred from the load, because CloudWatch has no count", *found.notes))


def _other_callers(readings: Readings | None, calls: Calls) -> list[str]:
    """A note if somebody else called the model during the run."""
    points = readings.points("Invocations", "Sum") if readings is not None else []
    counted, ours = sum(value for _, value in points), int(calls.ok.sum())
    if counted <= ours + max(_FEW_OTHERS, _SHARE_OF_OTHERS * ours):
        return []
    return [
        f"CloudWatch counts {counted:,.0f} invocations in this span and this run made {ours:,}: others called the "
        "model too, and the bill includes their windows"
    ]
