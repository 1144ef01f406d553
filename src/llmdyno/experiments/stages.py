"""From a run in stages to what the stages show: the answer to a step of load, the capacity of a copy.

In: a finished run whose load changed from stage to stage. Out: a report, kept in the run directory as scaling.json or
capacity.json, for a console and for drawing. CloudWatch is read where it can be, and waited for within its bound.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.errors import InputError
from llmdyno.experiments import scaling
from llmdyno.experiments.capacity import Level, capacity
from llmdyno.metrics.request import chunk_tokens, request_metrics
from llmdyno.metrics.slices import slice_duration_s
from llmdyno.runs.directory import add_json
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.account import Costing, Known, collect, costing, model_facts, stored_readings
from llmdyno.services.bedrock_import.cloudwatch import Readings
from llmdyno.services.bedrock_import.copies import inferred
from llmdyno.spec.load import placed
from llmdyno.spec.readers import SLO_METRICS
from llmdyno.workload.plan import MEASURED

SCALING, CAPACITY = "scaling.json", "capacity.json"
_SETTLED = 0.2
"""The first part of a stage, in which the one before it still ends, is left out of its figures."""


def _known(run: Run) -> Costing:
    """The run's copies and cost, from CloudWatch where it can be asked."""
    readings: Readings | None = stored_readings(run)
    emulated = run.environment.get("endpoint", {}).get("emulated") or {}
    notes: tuple[str, ...] = ()
    if run.spec.api == "bedrock" and not emulated.get("embedded"):
        from llmdyno.aws.clients import Aws

        try:
            facts = model_facts(run)
            aws = Aws(facts["region"], run.spec.profile, run.spec.endpoint_url)
            try:
                readings = collect(run, aws, on_wait=_say)
            finally:
                aws.close()
        except InputError as error:
            notes = (f"CloudWatch was not read: {error.problem}; {error.fits}",)
    return costing(run, Known(), readings, notes)


def _say(left_s: float) -> None:
    print(f"waiting for CloudWatch's last datapoints, {left_s:.0f} s at most", file=sys.stderr, flush=True)


def _stages(run: Run) -> list[tuple[float, float, int]]:
    """(start, end, users) of each stage, wall seconds after the run's origin."""
    began_s = next(float(one["start_s"]) for one in run.environment["phases"] if one["name"] == MEASURED)
    return [
        (began_s + start_s, began_s + end_s, stage.concurrency or 0)
        for start_s, end_s, stage in placed(run.spec.stages)
    ]


def _figures(run: Run, speed: float) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Sends and the figures that bounds may be set on, of the measured requests by ascending send, at real speed."""
    figures = request_metrics(run.measured)
    order = np.argsort(run.measured.requests["sent_ns"], kind="stable")
    sent_s = run.measured.requests["sent_ns"][order] / 1e9 * speed
    return sent_s, {name: getattr(figures, name)[order] * speed for name in SLO_METRICS}


def finish_scaling(run: Run) -> dict[str, Any]:
    """What a run of three stages shows of a step of load; kept as scaling.json."""
    found = _known(run)
    speed = found.clock.speed
    before, hold, after = ((start * speed, end * speed, users) for start, end, users in _stages(run))
    end_s = max(after[0], float(found.calls.end_s.max()))
    step = scaling.Step(before[0], hold[0], min(hold[1], end_s), end_s, before[2], hold[2])
    sent_s, figures = _figures(run, speed)
    given = {name: bound * speed for name, bound in run.spec.slo.items()}
    bounds = given or scaling.bounds_before(
        figures["ttft_s"], figures["time_per_output_token_s"], (sent_s >= before[0]) & (sent_s < step.up_s)
    )
    met = scaling.good(figures, bounds) if bounds else np.zeros(len(sent_s), bool)
    usual_s = float(np.nanmedian(figures["end_to_end_latency_s"]))
    recovery_s = scaling.recovered_s(sent_s, met, step, over_s=max(usual_s, 5.0))
    calls = found.calls
    held = (calls.sent_s >= step.up_s) & (calls.sent_s < step.down_s)
    refused = calls.sent_s[held & calls.throttled]
    last_s = step.up_s + (recovery_s if recovery_s is not None else step.down_s - step.up_s)
    climbing = (sent_s >= step.up_s) & (sent_s < last_s)
    by_load = inferred(calls)
    measured = run.measured
    report: dict[str, Any] = {
        "emulated": run.environment.get("endpoint", {}).get("emulated"),
        "step": {
            "users_before": step.users_before,
            "users_after": step.users_after,
            "at_s": step.up_s,
            "held_s": step.down_s - step.up_s,
        },
        "bounds": bounds,
        "bounds_given": bool(given),
        "recovery_s": recovery_s,
        "meanwhile": {
            "requests": int(climbing.sum()),
            "within_bounds": float(met[climbing].mean()) if climbing.any() else None,
            "throttled": int((calls.throttled & held & (calls.sent_s < last_s)).sum()),
            "not_ready": int((calls.not_ready & held & (calls.sent_s < last_s)).sum()),
        },
        "first_refusal_s": float(refused[0]) - step.up_s if len(refused) else None,
        "throttled": int((held & calls.throttled).sum()),
        "not_ready": int((held & calls.not_ready).sum()),
        "copies": {
            "source": found.copies.source,
            "calls_per_copy": found.copies.calls_per_copy or by_load.calls_per_copy,
            "before": found.copies.at(step.up_s),
            "most": max((count for moment, count in found.copies.steps() if moment < step.down_s), default=0),
            "came_s": [life.from_s - step.up_s for life in found.copies.lives if life.from_s > step.up_s],
            "went_s": sorted(
                life.to_s - step.down_s
                for life in found.copies.lives
                if life.to_s is not None and life.to_s >= step.down_s
            ),
            "inferred": [[moment_s - step.up_s, count] for moment_s, count in by_load.steps()],
        },
        "series": scaling.series(
            calls,
            sent_s,
            figures["ttft_s"],
            met,
            measured.chunks["arrival_ns"] / 1e9 * speed,
            chunk_tokens(measured, request_metrics(measured)),
            found.copies,
            by_load,
            step,
            slice_duration_s(step.end_s - before[0]),
        ),
        "notes": list(found.notes),
    }
    add_json(run.path, SCALING, report)
    return report


def finish_capacity(run: Run, percentile: float) -> dict[str, Any]:
    """What a run of rising users shows of one copy's capacity; kept as capacity.json."""
    found = _known(run)
    speed = found.clock.speed
    sent_s, figures = _figures(run, speed)
    bounds = {name: bound * speed for name, bound in run.spec.slo.items()}
    levels = []
    for start_s, end_s, users in _stages(run):
        from_s, to_s = (start_s + _SETTLED * (end_s - start_s)) * speed, end_s * speed
        here = (sent_s >= from_s) & (sent_s < to_s)
        throttled = int((found.calls.throttled & (found.calls.sent_s >= from_s) & (found.calls.sent_s < to_s)).sum())
        values = {name: figures[name][here] for name in bounds}
        levels.append(Level(users, found.copies.mean(from_s, to_s), int(here.sum()), throttled, values))
    report = {
        "emulated": run.environment.get("endpoint", {}).get("emulated"),
        "bounds": bounds,
        "percentile": percentile,
        "copies_source": found.copies.source,
        "calls_per_copy_when_refused": found.copies.calls_per_copy,
        **capacity(levels, bounds, percentile, seed=run.spec.seed or 0),
        "notes": list(found.notes),
    }
    add_json(run.path, CAPACITY, report)
    return report
