"""What a run of several stages shows about the deployment behind it. The experiments that change the load share this.

In: a finished run whose load changed from stage to stage. Out: its stages, the figures of its requests, and its copies.
All times are seconds after the run's origin, at real speed. It asks the managed service, if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmdyno.protocols.dialect import NO_REFUSALS
from llmdyno.runs.run import Run
from llmdyno.services.calls import Calls, calls_of
from llmdyno.services.clock import ServiceClock
from llmdyno.services.copies import NO_COPIES, Copies, inferred
from llmdyno.services.service import Inquiry, Say, quiet, service_of
from llmdyno.spec.load import placed
from llmdyno.spec.readers import SLO_METRICS
from llmdyno.timeline.emulated import shortened
from llmdyno.workload.plan import MEASURED

Floats = NDArray[np.float64]

LOAD_KEYS = ("rate", "ramp", "stages", "arrivals", "concurrency", "requests", "duration_s", "max_concurrency")
"""Keys of the load that an experiment in stages sets itself."""


def stage_keys(parts: Sequence[tuple[int, float]], speed: float) -> Mapping[str, Any]:
    """The keys of a load in stages.

    A user who is refused pauses for a second at real speed, like a client with a back-off.

    Args:
        parts: (users, duration in seconds at real speed) of each stage.
        speed: how many times faster than real time the endpoint runs.
    """
    stages = [{"concurrency": users, "duration": shortened(duration_s, speed)} for users, duration_s in parts]
    return {"stages": stages, "throttle_pause_s": 1.0}


@dataclass(frozen=True)
class Deployment:
    """What a run shows about the deployment behind its endpoint.

    `speed`: how many times faster than real time it runs. `calls`: all calls of the run. `copies`: the copies, from the
    best source (empty: the endpoint has no known copies). `by_load`: the copies inferred from the load alone. `notes`:
    what is missing, and why.
    """

    speed: float
    calls: Calls
    copies: Copies
    by_load: Copies
    notes: tuple[str, ...] = ()


def deployment_of(run: Run, say: Say = quiet) -> Deployment:
    """Ask the managed service behind a run, if there is one, and wait for its last datapoints.

    Args:
        run: a finished run.
        say: gets a line of progress while this waits.
    """
    service = service_of(run)
    if service is None:
        speed = ServiceClock.of(run).speed
        calls = calls_of(run.timeline, NO_REFUSALS, speed)
        return Deployment(speed, calls, NO_COPIES, inferred(calls, float("inf")))
    embedded = run.emulated is not None and run.emulated.embedded
    account = service.account(run, inquiry=Inquiry(ask=not embedded, refresh=True, say=say))
    by_load = inferred(account.calls, service.idle_s)
    return Deployment(account.clock.speed, account.calls, account.copies, by_load, account.notes)


class StageSpan(NamedTuple):
    """One stage of the load: its start and its end, in seconds at real speed, and its users."""

    start_s: float
    end_s: float
    users: int


def stage_spans(run: Run, speed: float) -> list[StageSpan]:
    """The stages of a run, in the order of time."""
    began_s = next(phase.start_s for phase in run.environment.phases if phase.name == MEASURED)
    return [
        StageSpan((began_s + start_s) * speed, (began_s + end_s) * speed, stage.concurrency or 0)
        for start_s, end_s, stage in placed(run.spec.stages)
    ]


@dataclass(frozen=True)
class RequestFigures:
    """The measured requests, in the order of their sends.

    `values`: each figure that may have a bound, by name; NaN: the request does not have it. Every array has the shape
    (requests,).
    """

    sent_s: Floats
    values: dict[str, Floats]


def figures_of(run: Run, speed: float) -> RequestFigures:
    """The figures of a run's measured requests."""
    order = np.argsort(run.measured.requests["sent_ns"], kind="stable")
    sent_s = run.measured.requests["sent_ns"][order] / 1e9 * speed
    return RequestFigures(sent_s, {name: getattr(run.figures, name)[order] * speed for name in SLO_METRICS})
