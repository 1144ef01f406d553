"""From what a run showed to a day and a month of traffic: copies, windows, cold starts, dollars.

In: a run's account, traffic, what the user knows better of how copies scale. Out: the projection's report, which names
every assumption and gives a range. The model of the copies is :mod:`simulation`'s, fitted to the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.cost import exact_text
from llmdyno.services.bedrock_import.simulation import HOUR_S, CopiesModel, Hour, Projection, project
from llmdyno.services.calls import served_in_flight
from llmdyno.services.service import ScalingOverrides
from llmdyno.services.traffic import Traffic

if TYPE_CHECKING:
    from llmdyno.services.bedrock_import.account import Account


_DEFAULT = CopiesModel(1)
_SPREAD = 0.2
"""The assumed error of the calls that a copy carries, as a share of what was seen."""
_NO_LIMIT = 10**9
"""The upper bound of the calls that a copy carries if no refusal was seen."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model of the copies, fitted to a run: how long an answer takes (seconds), the lowest and highest number of
    calls that a copy may carry, and every assumption as text."""

    model: CopiesModel
    service_s: float
    carries: tuple[int, int]
    assumptions: tuple[str, ...]


class _Carried(NamedTuple):
    """How many calls a copy carries, between which bounds, and where that comes from."""

    calls: int
    bounds: tuple[int, int]
    origin: str


def fit(account: Account, better: ScalingOverrides) -> Fitted:
    """The model of the copies, as the run showed it.

    Raises:
        InputError: no request succeeded, so nothing shows how long one takes.
    """
    service_s = _mean_answer_s(account)
    carried = _carried(account, better)
    cold_s = account.cold_starts_s()
    cold_start_s, cold_origin = _first(
        better.cold_start_s, float(np.median(cold_s)) if cold_s else None, _DEFAULT.cold_start_s
    )
    usual_s = _DEFAULT.scale_up_after_s + _DEFAULT.scale_up_delay_s
    scale_up_s, scale_up_origin = _first(better.scale_up_s, _scale_up_s(account), usual_s)
    idle_s = better.idle_s if better.idle_s is not None else _DEFAULT.idle_s
    max_copies = better.max_copies or _DEFAULT.max_copies
    assumptions = (
        f"an answer takes {service_s:.2f} s, the mean of this run, however many calls a copy carries",
        f"a copy carries {carried.calls} call{'s' * (carried.calls != 1)} at a time, {carried.origin}",
        f"a cold start takes {cold_start_s:.1f} s, {cold_origin}; calls that meet a cold model wait for it",
        f"another copy comes {scale_up_s:.1f} s after the first refusal, {scale_up_origin}",
        f"copies go after {idle_s:g} s without need, {'as given' if better.idle_s is not None else 'as documented'}",
        f"{max_copies} copies at most{'' if better.max_copies else ', the default quota of an account'}",
        f"a refused call is sent again up to {_DEFAULT.retries} times, after longer and longer pauses, and then lost",
        "windows without a call are not billed, and the model is cold when the day begins",
    )
    # Of the time until another copy comes, the first third at most is the time that refusals must last.
    after_s = min(_DEFAULT.scale_up_after_s, scale_up_s / 3)
    model = CopiesModel(carried.calls, max_copies, cold_start_s, after_s, scale_up_s - after_s, idle_s)
    return Fitted(model, service_s, carried.bounds, assumptions)


def _mean_answer_s(account: Account) -> float:
    """The mean end-to-end latency, seconds at real speed."""
    latencies_s = account.run.figures.end_to_end_latency_s
    latencies_s = latencies_s[~np.isnan(latencies_s)] * account.clock.speed
    if not len(latencies_s):
        problem = "no request succeeded, so the run does not show how long one takes"
        raise InputError(str(account.run.path), problem, "give a run in which requests succeeded")
    return float(latencies_s.mean())


def _carried(account: Account, better: ScalingOverrides) -> _Carried:
    given, seen = better.calls_per_copy, account.copies.calls_per_copy
    count = given if given is not None else seen
    if count is not None:
        bounds = (max(1, round(count * (1 - _SPREAD))), round(count / (1 - _SPREAD)))
        return _Carried(count, bounds, "as given" if given is not None else "as in this run when it refused more")
    peak = int(served_in_flight(account.calls).count.max(initial=1))
    least = max(1, peak // max(1, account.copies.most()))
    origin = (
        "the most that this run asked of one; it refused none, so the limit may be far higher (llmdyno capacity "
        "measures it; --calls-per-copy sets it)"
    )
    return _Carried(least, (least, _NO_LIMIT), origin)


def _first(given: float | None, seen: float | None, usual: float) -> tuple[float, str]:
    """The best value there is, and where it comes from."""
    if given is not None:
        return given, "as given"
    return (seen, "as in this run") if seen is not None else (usual, "a guess: this run did not show it")


def _scale_up_s(account: Account) -> float | None:
    """Seconds from the first refusal to the second copy."""
    refused_s = account.calls.sent_s[account.calls.throttled]
    later_s = [life.from_s for life in account.copies.lives[1:] if len(refused_s) and life.from_s > refused_s[0]]
    return later_s[0] - float(refused_s[0]) if later_s else None


def projection_report(account: Account, fitted: Fitted, traffic: Traffic) -> dict[str, Any]:
    """The projection, in the form that cost.json holds: a day by the hour, a month, and a range.

    The upper bound has copies that carry less, and bills their idle windows too. The lower bound has copies that carry
    more.
    """
    arrivals = traffic.arrivals_s.tolist()
    best = project(arrivals, fitted.service_s, fitted.model)
    models = [replace(fitted.model, calls_per_copy=count) for count in fitted.carries]
    others = [project(arrivals, fitted.service_s, model) for model in models]
    windows = {
        "low": min(one.windows for one in (best, *others)),
        "billed": best.windows,
        "high": max(one.windows + one.idle_windows for one in (best, *others)),
    }
    window = account.price.window if account.price is not None else None
    day = {name: None if window is None else window * count for name, count in windows.items()}
    dollars = day["billed"]
    return {
        "traffic": traffic.description,
        "requests": len(arrivals),
        "days_a_month": traffic.days_a_month,
        "assumptions": list(fitted.assumptions),
        "model": _model(fitted),
        "hours": [_hour(number, hour, window) for number, hour in enumerate(best.hours)],
        **_totals(best),
        "windows": windows,
        "day": _range(day, 1),
        "month": _range(day, traffic.days_a_month),
        "thousand_requests": exact_text(None if dollars is None or not best.served else dollars / best.served * 1000),
    }


def _model(fitted: Fitted) -> dict[str, float]:
    model = fitted.model
    return {
        "calls_per_copy": model.calls_per_copy,
        "max_copies": model.max_copies,
        "service_s": fitted.service_s,
        "cold_start_s": model.cold_start_s,
        "scale_up_s": model.scale_up_after_s + model.scale_up_delay_s,
        "idle_s": model.idle_s,
    }


def _totals(best: Projection) -> dict[str, int]:
    return {
        "cold_starts": best.cold_starts,
        "most_copies": best.most_copies,
        "served": best.served,
        "waited_for_a_cold_start": best.total("waited"),
        "throttled_attempts": best.total("throttled"),
        "lost": best.total("lost"),
    }


def _range(day: dict[str, Decimal | None], days: int) -> dict[str, str | None]:
    low, dollars, high = (None if value is None else value * days for value in day.values())
    return {"low": exact_text(low), "dollars": exact_text(dollars), "high": exact_text(high)}


def _hour(number: int, hour: Hour, window: Decimal | None) -> dict[str, Any]:
    return {
        "hour": number,
        "requests": hour.requests,
        "copies": round(hour.copy_s / HOUR_S, 3),
        "windows": hour.windows,
        "dollars": exact_text(None if window is None else window * hour.windows),
        "throttled": hour.throttled,
        "lost": hour.lost,
        "waited": hour.waited,
    }
