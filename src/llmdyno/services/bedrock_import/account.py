"""From a run directory to what the run cost: CloudWatch where it can be asked, then the pure analysis.

In: a run, clients of AWS or none, what the user knows better. Out: :class:`Costing`, from which reports are made, and
the files cloudwatch.json and cost.json in the run directory. Times of an emulated run are taken back to real speed: the
emulator's minutes are as many times shorter as it says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from llmdyno.aws.clients import Aws
from llmdyno.errors import InputError
from llmdyno.metrics.windows import steady_window, whole_window
from llmdyno.runs.directory import add_json, load_json
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.billing import WINDOW_S, Bill, bill
from llmdyno.services.bedrock_import.cloudwatch import (
    COPIES,
    LATE_S,
    PERIOD_S,
    POLL_S,
    Readings,
    from_json,
    read,
    wait_for,
)
from llmdyno.services.bedrock_import.copies import INFERRED, UNKNOWN, Copies, Point, given, inferred, measured
from llmdyno.services.bedrock_import.cost import Cost, Delivered, Price, compare, cost_of, keeping_warm
from llmdyno.services.bedrock_import.prices import known, rate_of, storage_rate
from llmdyno.services.calls import Calls, calls_of
from llmdyno.timeline.emulated import Emulated

CLOUDWATCH, COST = "cloudwatch.json", "cost.json"
_AROUND_S = 60.0
_HOUR_S = 3600.0
_QUICK_S = 3.0
_LEAST_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """The service's own clock: unix seconds at the run's origin, and how many times faster than ours it runs."""

    origin_unix_s: float
    speed: float

    @classmethod
    def of(cls, run: Run) -> ServiceClock:
        """The clock of a run's endpoint: ours, for a real one."""
        origin_s = float(run.environment["clock"]["origin_unix_ns"]) / 1e9
        found = run.environment.get("endpoint", {}).get("emulated") or {}
        clock = Emulated(str(found.get("profile")), float(found.get("speed") or 1.0), found.get("since_unix_s"))
        return cls(clock.now(origin_s), clock.speed)

    def of_wall(self, run: Run, unix_s: float) -> float:
        """The service's unix seconds at a moment of our wall clock."""
        origin_s = float(run.environment["clock"]["origin_unix_ns"]) / 1e9
        return self.origin_unix_s + (unix_s - origin_s) * self.speed


@dataclass(frozen=True, slots=True)
class Known:
    """What the user knows better than the run: copies, units a copy and their version, region, dollars a unit and
    minute."""

    copies: int | None = None
    units: int | None = None
    units_version: str | None = None
    region: str | None = None
    dollars_per_cmu_minute: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Costing:
    """What is known of a run's copies and cost. `price` and `cost` are None where no price is known; `notes` say what
    is missing and why."""

    clock: ServiceClock
    calls: Calls
    readings: Readings | None
    copies: Copies
    bill: Bill
    delivered: Delivered | None
    model: dict[str, Any]
    price: Price | None
    price_source: str | None
    cost: Cost | None
    notes: tuple[str, ...]


def span_of(run: Run, clock: ServiceClock) -> tuple[float, float]:
    """The run's span in the service's unix seconds, a minute more at its end.

    Raises:
        InputError: nothing was sent.
    """
    calls = calls_of(run.timeline, clock.speed)
    if not len(calls):
        raise InputError(str(run.path), "nothing was sent in this run", "give a run in which something was")
    return clock.origin_unix_s + float(calls.sent_s[0]), clock.origin_unix_s + float(calls.end_s.max()) + _AROUND_S


def stored_readings(run: Run) -> Readings | None:
    """What an earlier reading of CloudWatch left in the run directory."""
    try:
        return from_json(load_json(run.path, CLOUDWATCH) or {})
    except (KeyError, TypeError):
        return None


def collect(
    run: Run,
    aws: Aws,
    *,
    wait_s: float | None = LATE_S,
    on_wait: Callable[[float], None] = lambda left_s: None,
) -> Readings:
    """Read CloudWatch for a run and keep what it says.

    Args:
        run: of an imported model.
        aws: its account's clients.
        wait_s: how long after the run's end late datapoints are waited for, at real speed; None: one reading.
        on_wait: hears how many seconds it will still wait at most.

    Raises:
        InputError: CloudWatch refuses.
    """
    clock = ServiceClock.of(run)
    from_s, to_s = span_of(run, clock)
    arn = model_facts(run)["arn"]
    if wait_s is None:  # the minute under way has no datapoint yet
        readings = read(aws, arn, from_s, min(to_s, clock.of_wall(run, time.time())))
    else:
        ended_s = run.environment["clock"]["origin_unix_ns"] / 1e9 + float(calls_of(run.timeline).end_s.max())
        until_s = ended_s + (wait_s + _AROUND_S) / clock.speed
        poll_s = max(_LEAST_POLL_S, POLL_S / clock.speed)
        readings = wait_for(lambda: read(aws, arn, from_s, to_s), until_s, on_wait=on_wait, poll_s=poll_s)
    add_json(run.path, CLOUDWATCH, readings.as_json())
    return readings


def read_once(run: Run) -> None:
    """After a run on an imported model: what CloudWatch has of it by now, or why it says nothing."""
    try:
        facts, spec = model_facts(run), run.spec
        aws = Aws(facts["region"], spec.profile, spec.endpoint_url, connect_timeout_s=_QUICK_S, attempts=1)
    except InputError:
        return
    try:
        collect(run, aws, wait_s=None)
    except InputError as error:
        add_json(run.path, CLOUDWATCH, Readings(0, 0, notes=[f"CloudWatch was not read: {error.problem}"]).as_json())
    finally:
        aws.close()


def model_facts(run: Run) -> dict[str, Any]:
    """What the run knows of its imported model: `arn`, `region`, `units`, `units_version`; None where it does not.

    Raises:
        InputError: it measured no imported model.
    """
    facts = model_facts_or_none(run)
    if facts is None:
        fits = "give --copies N --units N to say what it is"
        raise InputError(str(run.path), "this run measured no imported model", fits)
    return facts


def model_facts_or_none(run: Run) -> dict[str, Any] | None:
    """The same, or None where it measured no imported model."""
    facts = run.environment.get("endpoint", {}).get("imported_model")
    if facts:
        return dict(facts)
    model = run.spec.model or ""
    place = model.find("arn:")
    if place < 0 or ":imported-model/" not in model:
        return None

    from llmdyno.aws.session import region_of

    arn = model[place:]
    return {"arn": arn, "region": region_of(arn), "units": None, "units_version": None}


def costing(run: Run, known: Known, readings: Readings | None, notes: tuple[str, ...] = ()) -> Costing:
    """Work out copies, windows and cost.

    Args:
        run: the run.
        known: what the user knows better.
        readings: what CloudWatch said; None: nothing.
        notes: why it did not.
    """
    clock = ServiceClock.of(run)
    calls = calls_of(run.timeline, clock.speed)
    model = model_facts_or_none(run) or {"arn": None, "region": None, "units": None, "units_version": None}
    copies = _copies(known, readings, calls, clock) if model["arn"] or known.copies else Copies((), UNKNOWN)
    found = bill(copies, calls)
    delivered = _delivered(run, copies, clock)
    awake = ["the model was up already: where its windows began is not known, and the first may be paid for by others"]
    said = [
        *(awake if found.awake else ()),
        *notes,
        *(readings.notes if readings is not None else ()),
        *copies.notes,
        *_others(readings, calls, clock),
    ]
    region, version = known.region or model["region"], known.units_version or model["units_version"]
    units = known.units or model["units"]
    price, source, problem = price_of(region, version, units, known.dollars_per_cmu_minute)
    said += [problem] if problem else []
    cost = cost_of(found, price, delivered) if price is not None else None
    facts = {**model, "region": region, "units": units, "units_version": version}
    return Costing(clock, calls, readings, copies, found, delivered, facts, price, source, cost, tuple(said))


def price_of(
    region: str | None, version: str | None, units: int | None, dollars: Decimal | None
) -> tuple[Price | None, str | None, str | None]:
    """The price, its source, and what is missing for it."""
    if units is None:
        return None, None, "the units of a copy are unknown: no price; --units N (llmdyno models show NAME tells)"
    storage = storage_rate().dollars_per_cmu_minute
    if dollars is not None:
        return Price(units, dollars, storage), "the rate given", None
    rate = rate_of(str(region), str(version))
    if rate is None:
        wanted = f"units of version {version or 'unknown'} in {region or 'an unknown region'}"
        return None, None, f"the table has no price of {wanted} (it has {known()}); --rate DOLLARS a unit and minute"
    return Price(units, rate.dollars_per_cmu_minute, storage), f"noted {rate.noted}: {rate.source}", None


def _copies(known: Known, readings: Readings | None, calls: Calls, clock: ServiceClock) -> Copies:
    if known.copies is not None:
        return given(known.copies, calls)
    if readings is not None and readings.points(COPIES, "Maximum"):
        least = {minute: value for [minute, value] in readings.points(COPIES, "Minimum")}
        points = [
            Point(minute - clock.origin_unix_s, least.get(minute, most), most, PERIOD_S)
            for minute, most in readings.points(COPIES, "Maximum")
        ]
        return measured(points, calls)
    found = inferred(calls)
    return replace(found, notes=("copies are inferred from the load: CloudWatch said nothing", *found.notes))


def _delivered(run: Run, copies: Copies, clock: ServiceClock) -> Delivered | None:
    """What the load delivered while it stood; over the whole of it where it never did."""
    measured_part = run.measured
    window = steady_window(measured_part) or whole_window(measured_part)
    if window is None or run.succeeded == 0:
        return None
    throughput = run.summary["throughput"]
    part = throughput["steady"] if throughput["steady"] is not None else throughput["whole_run"]
    tokens = run.summary["tokens"]
    per_request = tokens["total_input_tokens"] / run.succeeded
    hour = _HOUR_S / clock.speed
    requests = part["request_per_s"] * hour
    span = (window.start_s * clock.speed, window.end_s * clock.speed)
    return Delivered(copies.mean(*span), requests, requests * per_request, part["output_token_per_s"] * hour)


def _others(readings: Readings | None, calls: Calls, clock: ServiceClock) -> list[str]:
    """Whether somebody else called the model meanwhile."""
    points = readings.points("Invocations", "Sum") if readings is not None else []
    counted, ours = sum(value for _, value in points), int(calls.ok.sum())
    if counted > ours + max(2.0, 0.02 * ours):
        return [
            f"CloudWatch counts {counted:,.0f} invocations in this span and the run {ours:,}: others called the model "
            "too, and the bill has their windows as well"
        ]
    return []


def as_json(run: Run, found: Costing, prices: tuple[Decimal, Decimal] | None = None) -> dict[str, Any]:
    """What stands in cost.json: dollars as texts, exact; seconds after the run's origin at real speed.

    Args:
        run: the run.
        found: its costing.
        prices: dollars a million input and output tokens, to set the load against.
    """
    cost, price, delivered, copies = found.cost, found.price, found.delivered, found.copies
    emulated = run.environment.get("endpoint", {}).get("emulated")
    cold = [one["cold_start_s"] * found.clock.speed for one in run.summary["cold_starts"] if one.get("cold_start_s")]
    report: dict[str, Any] = {
        "emulated": emulated,
        "model": found.model,
        "copies": {
            "source": copies.source,
            "calls_per_copy": copies.calls_per_copy,
            "at_least": copies.source == INFERRED and copies.calls_per_copy is None,
            "most": max((count for _, count in copies.steps()), default=0),
            "over_time": [[round(moment_s, 3), count] for moment_s, count in copies.steps()],
            "each": [
                {
                    "from_s": one.life.from_s,
                    "to_s": one.life.to_s,
                    "first_success_s": one.first_success_s,
                    "last_s": one.last_s,
                    "calls": one.calls,
                    "windows": sorted(one.windows),
                }
                for one in found.bill.copies
            ],
        },
        "windows": {
            "billed": found.bill.windows,
            "low": found.bill.low,
            "high": found.bill.high,
            "idle": found.bill.idle_windows,
            "length_s": WINDOW_S,
        },
        "delivered": None,
        "cold_start_s": max(cold) if cold else None,
        "price": None,
        "cost": None,
        "comparison": None,
        "notes": list(found.notes),
    }
    if delivered is not None:
        report["delivered"] = {
            "copies": delivered.copies,
            "requests_per_hour": delivered.requests_per_hour,
            "input_tokens_per_hour": delivered.input_tokens_per_hour,
            "output_tokens_per_hour": delivered.output_tokens_per_hour,
        }
    if price is not None and cost is not None:
        warmth = keeping_warm(price)
        report["price"] = {
            "dollars_per_cmu_minute": str(price.dollars_per_cmu_minute),
            "source": found.price_source,
            "units": price.units,
            "window": str(price.window),
            "copy_hour": str(price.hour),
        }
        report["cost"] = {
            **{name: exact_text(getattr(cost, name)) for name in _DOLLARS},
            "tail_s": cost.tail_s,
            "warm_day": str(warmth.day),
            "warm_month": str(warmth.month),
            "wake": str(warmth.wake),
            "wakes_a_day": exact_text(warmth.wakes_a_day),
        }
        if prices is not None and delivered is not None:
            against = compare(cost, delivered, *prices)
            report["comparison"] = {
                "input_dollars_per_million": str(prices[0]),
                "output_dollars_per_million": str(prices[1]),
                "thousand_requests": exact_text(against.thousand_requests),
                "break_even_requests_per_hour": exact_text(against.break_even_requests_per_hour),
                "cheaper_here": against.cheaper_here,
            }
    return report


_DOLLARS = (
    "run",
    "run_low",
    "run_high",
    "tail",
    "idle",
    "hour",
    "million_output_tokens",
    "thousand_requests",
    "warm_hour",
    "storage_month",
)


def exact_text(value: Decimal | None) -> str | None:
    """A decimal as text: the arithmetic's own digits, without a quotient's endless ones."""
    return None if value is None else f"{value:.12f}".rstrip("0").rstrip(".")
