"""From what a run showed to a day and a month of traffic: copies, windows, cold starts, dollars.

In: a run's costing, traffic, what the user knows better of how copies scale. Out: the projection's report, with every
assumption in it named and a range. The copies' model is the pure one of the analysis room, fitted to the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from llmdyno.errors import InputError
from llmdyno.metrics.request import request_metrics
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.account import Costing, exact_text
from llmdyno.services.bedrock_import.copies import Copies
from llmdyno.services.bedrock_import.simulation import CopiesModel, Projection, project
from llmdyno.services.calls import served_in_flight
from llmdyno.services.traffic import Traffic

_DEFAULT = CopiesModel(1)
_SPREAD = 0.2
_NO_LIMIT = 10**9
"""How far the calls that a copy carries are taken to lie about what was seen; no limit, where none was seen."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """What the user knows better of how copies scale; None: as the run showed, or as documented."""

    calls_per_copy: int | None = None
    max_copies: int | None = None
    cold_start_s: float | None = None
    scale_up_s: float | None = None
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model with where each of its figures is from; between how many calls a copy carries."""

    model: CopiesModel
    service_s: float
    carries: tuple[int, int]
    assumptions: tuple[str, ...]


def fit(run: Run, found: Costing, better: Scaling) -> Fitted:
    """The copies' model as the run showed it.

    Raises:
        InputError: no request succeeded, so that nothing says how long one takes.
    """
    speed, copies = found.clock.speed, found.copies
    latencies = request_metrics(run.measured).end_to_end_latency_s
    latencies = latencies[~np.isnan(latencies)] * speed
    if not len(latencies):
        raise InputError(str(run.path), "no request succeeded, so nothing says how long one takes", "give another run")
    service_s = float(latencies.mean())
    said = [f"an answer takes {service_s:.2f} s, as in this run on average, however many are carried"]
    carried, carries, why = _carried(found, better)
    said.append(f"a copy carries {carried} calls at a time, {why}")
    cold = [one["cold_start_s"] * speed for one in run.summary["cold_starts"] if one.get("cold_start_s")]
    cold_s, why = _first(better.cold_start_s, float(np.median(cold)) if cold else None, _DEFAULT.cold_start_s)
    said.append(f"a cold start takes {cold_s:.1f} s, {why}; calls that meet it wait for it")
    usual_s = _DEFAULT.scale_up_after_s + _DEFAULT.scale_up_delay_s
    scale_s, why = _first(better.scale_up_s, _scale_up_s(found, copies), usual_s)
    said.append(f"another copy comes {scale_s:.1f} s after calls are first refused, {why}")
    idle_s, why = _first(better.idle_s, None, _DEFAULT.idle_s)
    said.append(f"copies go after {idle_s:g} s without need, {'as documented' if better.idle_s is None else why}")
    most = better.max_copies or _DEFAULT.max_copies
    said.append(f"{most} copies at most{'' if better.max_copies else ', the default quota of an account'}")
    said.append(f"a refused call is sent again up to {_DEFAULT.retries} times, later each time, and then lost")
    said.append("windows without a call are not billed, and the model begins the day cold")
    after_s = min(_DEFAULT.scale_up_after_s, scale_s / 3)
    model = CopiesModel(carried, most, cold_s, after_s, scale_s - after_s, idle_s)
    return Fitted(model, service_s, carries, tuple(said))


def _carried(found: Costing, better: Scaling) -> tuple[int, tuple[int, int], str]:
    """How many calls a copy carries, between which bounds, and where it is from."""
    given, seen = better.calls_per_copy, found.copies.calls_per_copy
    count = given if given is not None else seen
    if count is not None:
        bounds = (max(1, round(count * (1 - _SPREAD))), round(count / (1 - _SPREAD)))
        return count, bounds, "as given" if given is not None else "as in this run when more were refused"
    peak = int(served_in_flight(found.calls).count.max(initial=1))
    most = max(1, max((count for _, count in found.copies.steps()), default=1))
    least = max(1, peak // most)
    why = (
        "the most that this run asked of one: none refused, so it may be far more (llmdyno capacity; --calls-per-copy)"
    )
    return least, (least, _NO_LIMIT), why


def _first(given: float | None, seen: float | None, documented: float) -> tuple[float, str]:
    if given is not None:
        return given, "as given"
    return (seen, "as in this run") if seen is not None else (documented, "a guess: this run did not show it")


def _scale_up_s(found: Costing, copies: Copies) -> float | None:
    """From the first refusal to the second copy."""
    refused = found.calls.sent_s[found.calls.throttled]
    later = [life.from_s for life in copies.lives[1:] if len(refused) and life.from_s > refused[0]]
    return later[0] - float(refused[0]) if later else None


def projection_report(found: Costing, fitted: Fitted, traffic: Traffic) -> dict[str, Any]:
    """The projection, as it stands in cost.json: a day by the hour, a month, and between which bounds.

    The upper bound has copies that carry less and bills their idle windows too; the lower one has copies that carry
    more.
    """
    arrivals = traffic.arrivals_s.tolist()
    best = project(arrivals, fitted.service_s, fitted.model)
    few, many = (replace(fitted.model, calls_per_copy=count) for count in fitted.carries)
    worse, better = (project(arrivals, fitted.service_s, model) for model in (few, many))
    windows = (
        min(best.windows, better.windows, worse.windows),
        best.windows,
        max(one.windows + one.idle_windows for one in (best, better, worse)),
    )
    window = found.price.window if found.price is not None else None
    low, middle, high = (None if window is None else window * count for count in windows)
    return {
        "traffic": traffic.words,
        "requests": len(arrivals),
        "days_a_month": traffic.days_a_month,
        "assumptions": list(fitted.assumptions),
        "model": {
            "calls_per_copy": fitted.model.calls_per_copy,
            "max_copies": fitted.model.max_copies,
            "service_s": fitted.service_s,
            "cold_start_s": fitted.model.cold_start_s,
            "scale_up_s": fitted.model.scale_up_after_s + fitted.model.scale_up_delay_s,
            "idle_s": fitted.model.idle_s,
        },
        "hours": [_hour(place, best, window) for place in range(len(best.hours))],
        "cold_starts": best.cold_starts,
        "most_copies": best.most_copies,
        "served": best.served,
        "waited_for_a_cold_start": best.total("waited"),
        "throttled_attempts": best.total("throttled"),
        "lost": best.total("lost"),
        "windows": {"low": windows[0], "billed": windows[1], "high": windows[2]},
        "day": {"low": exact_text(low), "dollars": exact_text(middle), "high": exact_text(high)},
        "month": {
            name: exact_text(None if value is None else value * traffic.days_a_month)
            for name, value in (("low", low), ("dollars", middle), ("high", high))
        },
        "thousand_requests": exact_text(None if middle is None or not best.served else middle / best.served * 1000),
    }


def _hour(place: int, projection: Projection, window: Decimal | None) -> dict[str, Any]:
    hour = projection.hours[place]
    return {
        "hour": place,
        "requests": hour.requests,
        "copies": round(hour.copy_s / 3600, 3),
        "windows": hour.windows,
        "dollars": exact_text(None if window is None else window * hour.windows),
        "throttled": hour.throttled,
        "lost": hour.lost,
        "waited": hour.waited,
    }
