"""A run: what was asked, where it ran, what happened, and the figures that follow from it.

In: a spec, an environment, a timeline. Out: a :class:`Run`, the value that the Python API returns and
that every report is made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from llmdyno._version import __version__
from llmdyno.metrics.coldstart import cold_starts
from llmdyno.metrics.request import RequestMetrics, request_metrics
from llmdyno.metrics.summary import summarise
from llmdyno.metrics.verdict import read_lags_s, verdict
from llmdyno.metrics.windows import whole_window
from llmdyno.runs.environment import Emulation, Environment, ModelFacts
from llmdyno.spec.spec import Spec
from llmdyno.timeline import SCHEMA_VERSION
from llmdyno.timeline.columns import Timeline
from llmdyno.timeline.record import KERNEL, OK, SDK
from llmdyno.workload.plan import MEASURED, WARM, WARMUP

COMPLETE, INTERRUPTED, RECOVERED = "complete", "interrupted", "recovered"
"""How a run ended: as planned; stopped by the user; killed, and read back from its journal."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    `summary` holds the figures as they stand in summary.json (times in seconds); `timeline` the facts,
    warm-up included; `path` the run directory. `answers` are texts by request number, where the run kept them.
    """

    path: Path
    spec: Spec
    environment: Environment
    timeline: Timeline
    summary: dict[str, Any]
    answers: Mapping[int, str] = field(default_factory=dict, repr=False)

    @cached_property
    def measured(self) -> Timeline:
        """The measured requests, without warm-up."""
        return measured_part(self.timeline)

    @cached_property
    def figures(self) -> RequestMetrics:
        """The figures of the measured requests."""
        return request_metrics(self.measured)

    @property
    def emulated(self) -> Emulation | None:
        """What the endpoint emulates; None for a real one."""
        return self.environment.endpoint.emulated

    @property
    def emulated_json(self) -> dict[str, Any] | None:
        """The same, as a report's JSON holds it."""
        return builtins(self.emulated)

    @property
    def model_facts(self) -> ModelFacts | None:
        """What is known of the managed model that was measured; None: it was none."""
        return self.environment.endpoint.imported_model

    @property
    def model(self) -> str:
        """The model's name; for the embedded emulator, its profile's."""
        return self.spec.model or self.spec.deployment or "model"

    @property
    def succeeded(self) -> int:
        """How many measured requests succeeded."""
        return int(self.summary["requests"]["succeeded"])

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the run."""
        return bool(self.summary["status"] == INTERRUPTED)


def builtins(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """A struct as JSON's own types."""
    return None if value is None else dict(msgspec.to_builtins(value))


def measured_part(timeline: Timeline) -> Timeline:
    """The measured requests of a timeline."""
    return timeline.only(timeline.requests["phase"] == MEASURED)


def conclude(timeline: Timeline, spec: Spec, environment: Environment, status: str) -> dict[str, Any]:
    """The summary of a timeline, as it stands in summary.json."""
    measured = measured_part(timeline)
    whole = whole_window(measured)
    cpu = [
        (moment_s, used_s)
        for moment_s, used_s in environment.process.cpu_s
        if whole is None or whole.start_s - 0.5 <= moment_s <= whole.end_s + 0.5
    ]
    clocks = measured.requests["clock"][measured.requests["state"] == OK]
    return {
        "schema_version": SCHEMA_VERSION,
        "llmdyno_version": __version__,
        "status": status,
        "name": spec.name,
        "api": spec.api,
        "model": spec.model or spec.deployment,
        "emulated": builtins(environment.emulated),
        "warmup_requests": int((timeline.requests["phase"] == WARMUP).sum()),
        "cold_starts": cold_starts(timeline.only(timeline.requests["phase"] == WARM)),
        **summarise(measured, spec.slo),
        "load": "open" if spec.open_loop else "closed",
        "clock": {
            "kernel_stamped_share": float((clocks == KERNEL).mean()) if len(clocks) else None,
            "sdk_share": float((clocks == SDK).mean()) if len(clocks) else None,
            "read_lag_s": _lag(measured),
            "loop_lag_s": environment.process.loop_lag_s,
            "gc_pause_s": environment.process.gc_pause_s,
        },
        "verdict": verdict(
            measured,
            concurrency=None if spec.open_loop else spec.users,
            max_concurrency=spec.max_concurrency,
            loop_lag_s=environment.process.loop_lag_s,
            exact_tokens=environment.tokenizer.exact,
            cpu=cpu,
        ),
    }


def _lag(measured: Timeline) -> dict[str, float] | None:
    import numpy as np

    lags = read_lags_s(measured)
    if not len(lags):
        return None
    return {
        **dict(zip(("p50", "p99"), map(float, np.percentile(lags, (50, 99))), strict=True)),
        "max": float(lags.max()),
    }
