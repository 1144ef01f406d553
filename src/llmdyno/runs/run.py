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

from llmdyno.metrics.conclude import Circumstances, conclude, is_measured, measured_part
from llmdyno.metrics.request import RequestMetrics, request_metrics
from llmdyno.protocols.refusals import known_refusals
from llmdyno.runs.environment import Emulation, Environment, ModelFacts
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline

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
    known_figures: RequestMetrics | None = field(default=None, repr=False)

    @cached_property
    def all_figures(self) -> RequestMetrics:
        """The figures of all requests, warm-up included."""
        return self.known_figures if self.known_figures is not None else request_metrics(self.timeline)

    @cached_property
    def measured(self) -> Timeline:
        """The measured requests, without warm-up."""
        return measured_part(self.timeline)

    @cached_property
    def figures(self) -> RequestMetrics:
        """The figures of the measured requests."""
        return self.all_figures.only(is_measured(self.timeline))

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


def conclude_run(
    path: Path,
    spec: Spec,
    environment: Environment,
    timeline: Timeline,
    status: str,
    answers: Mapping[int, str] | None = None,
) -> Run:
    """The run that a timeline makes, with every figure of its summary; each request's figures are computed once."""
    figures = request_metrics(timeline)
    circumstances = Circumstances(
        process_cpu_s=environment.process.cpu_s,
        loop_lag_s=environment.process.loop_lag_s,
        gc_pause_s=environment.process.gc_pause_s,
        exact_tokens=environment.tokenizer.exact,
        emulated=builtins(environment.emulated),
        refusals=known_refusals(),
    )
    summary = conclude(timeline, figures, spec, circumstances, status=status)
    return Run(path, spec, environment, timeline, summary, answers or {}, figures)
