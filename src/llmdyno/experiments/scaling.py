"""How a deployment reacts to a step of load: when latency is back within bounds, and what is refused until then. PURE.

In: a run of three stages, and what it shows about the deployment. Out: the content of scaling.json: the recovery, the
copies, and a series over time. Times are seconds after the run's origin, at real speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.errors import InputError
from llmdyno.experiments.experiment import Experiment, Flag, Options, Report, Say
from llmdyno.experiments.load import plan
from llmdyno.experiments.stages import (
    LOAD_KEYS,
    Deployment,
    Floats,
    RequestFigures,
    deployment_of,
    figures_of,
    stage_keys,
    stage_spans,
)
from llmdyno.metrics.request import chunk_tokens
from llmdyno.metrics.slices import slice_duration_s
from llmdyno.runs.run import Run
from llmdyno.services.calls import Calls, served_in_flight
from llmdyno.services.copies import Span, bounded
from llmdyno.spec.limits import MOST_USERS
from llmdyno.spec.readers import duration_s, whole_number

TARGET = 0.95
"""Latency is back within bounds if this share of the later requests is within bounds."""
_TTFT_TIMES, _TPOT_TIMES = 3.0, 2.0
_SHORTEST_WATCH_S = 5.0

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of load: few users from `from_s`, more users from `up_s`, few again from `down_s` to `end_s`."""

    from_s: float
    up_s: float
    down_s: float
    end_s: float
    users_before: int
    users_after: int


@dataclass(frozen=True)
class Observations:
    """The measured requests and their chunks, for a series over time.

    `sent_s`, `ttft_s` (NaN: missing) and `met` (whether the request met the bounds) have the shape (requests,), in the
    order of the sends. `token_s`, the arrivals of the chunks, and `tokens`, the tokens in each chunk, have the shape
    (chunks,).
    """

    sent_s: Floats
    ttft_s: Floats
    met: Bools
    token_s: Floats
    tokens: NDArray[np.int32]


def bounds_before(ttft_s: Floats, tpot_s: Floats, before: Bools) -> dict[str, float]:
    """The bounds of a step if the user gives no SLO: three times the median TTFT of the requests before the step, and
    twice their median time per output token. All arrays have the shape (requests,)."""
    found = {}
    for name, values, times in (("ttft_s", ttft_s, _TTFT_TIMES), ("time_per_output_token_s", tpot_s, _TPOT_TIMES)):
        known = values[before & ~np.isnan(values)]
        if len(known):
            found[name] = float(np.median(known)) * times
    return found


def within_bounds(figures: RequestFigures, bounds: Mapping[str, float]) -> Bools:
    """Which requests met every bound, shape (requests,). A request without a figure, such as a failed one, did not meet
    its bound. If there are no bounds, the result is False for every request."""
    met = [np.nan_to_num(figures.values[name], nan=np.inf) <= bound for name, bound in bounds.items()]
    return np.asarray(np.logical_and.reduce(met), bool) if met else np.zeros(len(figures.sent_s), bool)


def recovered_s(sent_s: Floats, met: Bools, step: Step, *, over_s: float, target: float = TARGET) -> float | None:
    """The time from the step up until latency is back within bounds, in seconds; None: it never is.

    It is the send of the first request that fulfils three conditions. The request met the bounds. Of the requests in
    the next `over_s` seconds, at least the share `target` met them. Of all requests until the step down, at least that
    share met them.

    Args:
        sent_s: when each request was sent, ascending, shape (requests,).
        met: whether each request met the bounds, shape (requests,).
        step: the step of load.
        over_s: how long latency must stay within bounds, in seconds.
        target: the share of requests that is enough, 0 to 1.
    """
    inside = (sent_s >= step.up_s) & (sent_s < step.down_s)
    sent_s, met = sent_s[inside], met[inside]
    if not len(sent_s):
        return None
    sums = np.concatenate([[0], np.cumsum(met)])
    index = np.arange(len(sent_s))
    until = np.searchsorted(sent_s, sent_s + over_s, side="right")
    soon = (sums[until] - sums[index]) / (until - index)
    rest = (sums[-1] - sums[index]) / (len(sent_s) - index)
    whole = sent_s <= step.down_s - over_s  # after that, too few requests follow to tell
    found = np.flatnonzero(met & whole & (soon >= target) & (rest >= target))
    return float(sent_s[found[0]]) - step.up_s if len(found) else None


def series(seen: Observations, deployment: Deployment, step: Step, slice_s: float) -> list[dict[str, Any]]:
    """What happened over time, in slices of `slice_s` seconds.

    Returns:
        For each slice: its start after the step, the requests sent, the share that met the bounds, the median TTFT, the
        calls throttled and not ready, the tokens per second, the mean calls in flight, the copies from the best source,
        the copies inferred from the load, and the copies by throughput. These are the tokens per second divided by
        those of the first slice after the step, because one copy is full then.
    """
    slices_before = np.ceil((step.up_s - step.from_s) / slice_s)
    edges = np.arange(step.up_s - slices_before * slice_s, step.end_s + slice_s, slice_s)
    rate = np.histogram(seen.token_s, bins=edges, weights=seen.tokens)[0] / slice_s
    in_flight = served_in_flight(deployment.calls).call_seconds(edges) / slice_s
    after = [value for start_s, value in zip(edges, rate, strict=False) if start_s >= step.up_s and value > 0]
    full = after[0] if after else 0.0
    found = []
    for index, start_s in enumerate(edges[:-1].tolist()):
        end_s, held = start_s + slice_s, step.up_s <= start_s < step.down_s
        row = {
            "start_s": round(start_s - step.up_s, 3),
            "length_s": slice_s,
            **_requests(seen, start_s, end_s),
            **_refusals(deployment.calls, start_s, end_s),
            "output_token_per_s": float(rate[index]),
            "in_flight": float(in_flight[index]),
            "copies": round(deployment.copies.mean(start_s, end_s), 3),
            "copies_inferred": round(deployment.by_load.mean(start_s, end_s), 3),
            "copies_by_throughput": max(1, round(rate[index] / full)) if full and held else None,
        }
        found.append(row)
    return found


def _requests(seen: Observations, from_s: float, to_s: float) -> dict[str, Any]:
    """The requests sent in [from_s, to_s): their number, the share that met the bounds, and their median TTFT."""
    here = (seen.sent_s >= from_s) & (seen.sent_s < to_s)
    known = seen.ttft_s[here & ~np.isnan(seen.ttft_s)]
    return {
        "sent": int(here.sum()),
        "within_bounds": float(seen.met[here].mean()) if here.any() else None,
        "ttft_p50_s": float(np.median(known)) if len(known) else None,
    }


def _refusals(calls: Calls, from_s: float, to_s: float) -> dict[str, int]:
    """The number of calls sent in [from_s, to_s) that were throttled or not ready."""
    sent = (calls.sent_s >= from_s) & (calls.sent_s < to_s)
    return {"throttled": int((sent & calls.throttled).sum()), "not_ready": int((sent & calls.not_ready).sum())}


def scaling_report(run: Run, deployment: Deployment) -> dict[str, Any]:
    """What a run of three stages shows about a step of load: the content of scaling.json."""
    speed = deployment.speed
    step = _step(run, deployment)
    figures = figures_of(run, speed)
    given = dict(run.spec.slo)  # at real speed, as the figures here are
    before = (figures.sent_s >= step.from_s) & (figures.sent_s < step.up_s)
    ttft_s, tpot_s = (figures.values[name] for name in ("ttft_s", "time_per_output_token_s"))
    bounds = given or bounds_before(ttft_s, tpot_s, before)
    met = within_bounds(figures, bounds)
    usual_s = float(np.nanmedian(figures.values["end_to_end_latency_s"]))
    recovery_s = recovered_s(figures.sent_s, met, step, over_s=max(usual_s, _SHORTEST_WATCH_S))
    arrivals_s = run.measured.chunks["arrival_ns"] / 1e9 * speed
    seen = Observations(figures.sent_s, ttft_s, met, arrivals_s, chunk_tokens(run.measured, run.figures))
    return {
        "emulated": run.emulated_json,
        "step": {
            "users_before": step.users_before,
            "users_after": step.users_after,
            "at_s": step.up_s,
            "held_s": step.down_s - step.up_s,
        },
        "bounds": bounds,
        "bounds_given": bool(given),
        "recovery_s": recovery_s,
        "meanwhile": _meanwhile(seen, deployment.calls, step, recovery_s),
        "first_refusal_s": _first_refusal_s(deployment.calls, step),
        **_refusals(deployment.calls, step.up_s, step.down_s),
        "copies": _copies(deployment, step),
        "series": series(seen, deployment, step, slice_duration_s(step.end_s - step.from_s)),
        "notes": list(deployment.notes),
    }


def _step(run: Run, deployment: Deployment) -> Step:
    before, hold, after = stage_spans(run, deployment.speed)
    end_s = max(after.start_s, float(deployment.calls.end_s.max()))
    return Step(before.start_s, hold.start_s, min(hold.end_s, end_s), end_s, before.users, hold.users)


def _meanwhile(seen: Observations, calls: Calls, step: Step, recovery_s: float | None) -> dict[str, Any]:
    """What happened from the step until latency was back within bounds, or until the step down."""
    last_s = step.down_s if recovery_s is None else step.up_s + recovery_s
    climbing = (seen.sent_s >= step.up_s) & (seen.sent_s < last_s)
    return {
        "requests": int(climbing.sum()),
        "within_bounds": float(seen.met[climbing].mean()) if climbing.any() else None,
        **_refusals(calls, step.up_s, last_s),
    }


def _first_refusal_s(calls: Calls, step: Step) -> float | None:
    """The time from the step to the first throttled call, in seconds; None: no call was throttled during the step."""
    held = (calls.sent_s >= step.up_s) & (calls.sent_s < step.down_s)
    refused_s = calls.sent_s[held & calls.throttled]
    return float(refused_s[0]) - step.up_s if len(refused_s) else None


def _copies(deployment: Deployment, step: Step) -> dict[str, Any]:
    copies, by_load = deployment.copies, deployment.by_load
    came = [life for life in copies.lives if life.from_s > step.up_s]
    went = sorted((life.to_s, life.went_s) for life in copies.lives if life.to_s is not None)
    went = [(to_s, span) for to_s, span in went if to_s >= step.down_s]
    carries = copies.carries or by_load.carries
    return {
        "source": copies.source,
        "calls_per_copy": copies.calls_per_copy or by_load.calls_per_copy,
        "carries": None if carries is None else list(carries),
        "before": copies.at(step.up_s),
        "most": copies.most(step.down_s),
        "at_least": copies.at_least,
        "came_s": [life.from_s - step.up_s for life in came],
        "came_span_s": [_after(life.came_s, step.up_s) for life in came],
        "went_s": [to_s - step.down_s for to_s, _ in went],
        "went_span_s": [_after(span, step.down_s) for _, span in went],
        "possible_span_s": [_after(life.came_s, step.up_s) for life in copies.possible],
        "inferred": [[time_s - step.up_s, count] for time_s, count in by_load.steps()],
        "inferred_came_span_s": [_after(life.came_s, step.up_s) for life in by_load.lives],
    }


def _after(span: Span, time_s: float) -> list[float | None]:
    """A span in seconds after a time, as JSON has it."""
    return bounded((span[0] - time_s, span[1] - time_s))


def keys(options: Options, speed: float) -> Mapping[str, Any]:
    """The keys of a load in three stages: few users, more users, few users again.

    Raises:
        InputError: the second stage does not have more users than the first.
    """
    few, more = options["from"], options["to"]
    if more <= few:
        raise InputError("--to", f"{more} is not more than {few}", "give more users than --from")
    return stage_keys([(few, options["before"]), (more, options["hold"]), (few, options["after"])], speed)


def conclude(run: Run, options: Options, say: Say) -> Report:
    """The report of a finished run."""
    return scaling_report(run, deployment_of(run, say))


SCALING = Experiment(
    "scaling",
    plan,
    flags=(
        Flag("from", "start with this many users", whole_number(1, MOST_USERS), "2", "N"),
        Flag("to", "step up to this many users", whole_number(1, MOST_USERS), "16", "N"),
        Flag("before", "watch for this long before the step", duration_s, "2m", "S"),
        Flag("hold", "keep the higher number of users for this long", duration_s, "10m", "S"),
        Flag("after", "watch for this long afterwards, while copies are removed", duration_s, "7m", "S"),
    ),
    owns=LOAD_KEYS,
    paces=True,
    keys=keys,
    conclude=conclude,
)
