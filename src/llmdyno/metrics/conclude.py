"""The conclusion of a run: everything that summary.json holds.

It takes a timeline, the figures of its requests, what was asked for, and what the run noticed beside its requests. It
gives one plain dictionary. It does not know run directories: its caller reads and writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from llmdyno._version import __version__
from llmdyno.metrics.coldstart import cold_starts
from llmdyno.metrics.remedies import Asked
from llmdyno.metrics.request import RequestMetrics
from llmdyno.metrics.summary import summarise
from llmdyno.metrics.verdict import read_lags_s, verdict
from llmdyno.metrics.windows import whole_window
from llmdyno.protocols.dialect import NO_REFUSALS, Refusals
from llmdyno.spec.spec import Spec
from llmdyno.timeline import SCHEMA_VERSION
from llmdyno.timeline.columns import Column, Timeline
from llmdyno.timeline.emulated import shortened
from llmdyno.timeline.record import KERNEL, OK, SDK
from llmdyno.workload.plan import MEASURED, WARM, WARMUP

_MARGIN_S = 0.5
"""CPU samples this long before and after the measured requests count too, since samples are a quarter second apart."""


class Circumstances(NamedTuple):
    """What a run noticed beside its requests.

    Attributes:
        process_cpu_s: (time after the run's origin, CPU seconds that this process had used by then), ascending.
        loop_lag_s: the longest time for which the event loop was blocked; None: unknown.
        gc_pause_s: the longest garbage collection; None: there was none, or it is unknown.
        exact_tokens: whether prompts were counted with the model's tokenizer.
        emulated: what the emulator says about itself, as it is in summary.json; None for a real endpoint.
        refusals: how the service refuses.
    """

    process_cpu_s: Sequence[Sequence[float]] = ()
    loop_lag_s: float | None = None
    gc_pause_s: float | None = None
    exact_tokens: bool = False
    emulated: dict[str, Any] | None = None
    refusals: Refusals = NO_REFUSALS


def is_measured(timeline: Timeline) -> Column:
    """Which requests are measured ones: not warm-up, not attempts to wake the model. A mask of shape (requests,)."""
    return np.asarray(timeline.requests["phase"] == MEASURED, bool)


def measured_part(timeline: Timeline) -> Timeline:
    """The measured requests of a timeline."""
    return timeline.only(is_measured(timeline))


def conclude(
    timeline: Timeline, figures: RequestMetrics, spec: Spec, circumstances: Circumstances, *, status: str
) -> dict[str, Any]:
    """The content of summary.json.

    Args:
        timeline: all requests of the run, warm-up included.
        figures: of the same requests, from :func:`~llmdyno.metrics.request.request_metrics`.
        spec: what was asked for.
        circumstances: what the run noticed beside its requests.
        status: how the run ended; it is handed through.
    """
    phase = timeline.requests["phase"]
    is_warm, mask = phase == WARM, is_measured(timeline)
    measured, of_measured = timeline.only(mask), figures.only(mask)
    return {
        "schema_version": SCHEMA_VERSION,
        "llmdyno_version": __version__,
        "status": status,
        "name": spec.name,
        "api": spec.api,
        "model": spec.model or spec.deployment,
        "emulated": circumstances.emulated,
        "warmup_requests": int((phase == WARMUP).sum()),
        "cold_starts": cold_starts(timeline.only(is_warm), figures.only(is_warm), circumstances.refusals.not_ready),
        **summarise(measured, of_measured, _bounds(spec, circumstances)),
        "load": "open" if spec.open_loop else "closed",
        "clock": _clock(measured, circumstances),
        "verdict": verdict(
            measured,
            of_measured,
            concurrency=None if spec.open_loop else spec.users,
            max_concurrency=spec.max_concurrency,
            loop_lag_s=circumstances.loop_lag_s,
            exact_tokens=circumstances.exact_tokens,
            cpu=_cpu_meanwhile(measured, circumstances.process_cpu_s),
            refusals=circumstances.refusals,
            asked=asked_of(spec),
        ),
    }


def _bounds(spec: Spec, circumstances: Circumstances) -> dict[str, float]:
    """The bounds of goodput on our clock, in seconds. Those of a spec are at real speed."""
    speed = (circumstances.emulated or {}).get("speed")
    return {name: shortened(bound_s, speed) for name, bound_s in spec.slo.items()}


_BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict")
"""Body fields that bound the output; a server that knows several takes the first of them."""


def asked_of(spec: Spec) -> Asked:
    """What a spec asks of every answer. The user's own body fields replace what llmdyno sets."""
    body = spec.extra_body
    ignore_eos = body.get("ignore_eos", spec.ignore_eos) is True
    given = [body[name] for name in _BOUNDS if name in body]
    bounds = [value for value in given if isinstance(value, int) and not isinstance(value, bool)]
    if not given:
        return Asked(ignore_eos)
    return Asked(ignore_eos, bounds[0] if bounds else None, own_bound=True)


def _clock(measured: Timeline, circumstances: Circumstances) -> dict[str, Any]:
    clocks = measured.requests["clock"][measured.requests["state"] == OK]
    return {
        "kernel_stamped_share": float((clocks == KERNEL).mean()) if len(clocks) else None,
        "sdk_share": float((clocks == SDK).mean()) if len(clocks) else None,
        "read_lag_s": _read_lag(measured),
        "loop_lag_s": circumstances.loop_lag_s,
        "gc_pause_s": circumstances.gc_pause_s,
    }


def _read_lag(measured: Timeline) -> dict[str, float] | None:
    lags_s = read_lags_s(measured)
    if not len(lags_s):
        return None
    p50, p99 = np.percentile(lags_s, (50, 99))
    return {"p50": float(p50), "p99": float(p99), "max": float(lags_s.max())}


def _cpu_meanwhile(measured: Timeline, cpu_s: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """The CPU samples taken while the measured requests ran."""
    whole = whole_window(measured)
    return [
        (time_s, used_s)
        for time_s, used_s in cpu_s
        if whole is None or whole.start_s - _MARGIN_S <= time_s <= whole.end_s + _MARGIN_S
    ]
