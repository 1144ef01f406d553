"""A run: the spec, the environment, what happened, and the figures.

In: a spec, an environment, a timeline. Out: a :class:`Run`. The Python API returns it, and every report is made from
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from llmdyno.metrics.conclude import Circumstances, conclude, is_measured, measured_part
from llmdyno.metrics.request import RequestMetrics, request_metrics
from llmdyno.protocols.refusals import known_refusals
from llmdyno.runs.environment import Emulation, Environment, ModelFacts
from llmdyno.runs.names import CHUNKS, REQUESTS
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline

COMPLETE, INTERRUPTED, RECOVERED, UNKNOWN = "complete", "interrupted", "recovered", "unknown"
"""How a run ended: as planned; stopped early; killed, and read back from its journal; its summary cannot be read."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    `path`: the run directory. `timeline`: the facts, warm-up included. `summary`: the content of summary.json; times
    are in seconds. `answers`: the texts of the answers by request number, if the run kept them.

    `damages`: what of the run directory is missing or not as it was written, a sentence each. `unread`: the names of
    the files that say what nothing else says, and cannot be read. Without requests.parquet the timeline is empty,
    without chunks.parquet it has no chunks. The figures of the summary hold all the same.
    """

    path: Path
    spec: Spec
    # The standard library prints a task's result in places where nobody sees it, and printing arrays takes long.
    environment: Environment = field(repr=False)
    timeline: Timeline = field(repr=False)
    summary: dict[str, Any] = field(repr=False)
    answers: Mapping[int, str] = field(default_factory=dict, repr=False)
    known_figures: RequestMetrics | None = field(default=None, repr=False)
    damages: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()

    @cached_property
    def all_figures(self) -> RequestMetrics:
        """The figures of all requests, warm-up included. Those that need chunks are NaN without chunks.parquet."""
        if self.known_figures is not None:
            return self.known_figures
        figures = request_metrics(self.timeline)
        if self.whole:
            return figures
        # Output tokens may be a count of chunks.
        return replace(figures, request_output_throughput_token_per_s=np.full(len(self.timeline), np.nan))

    @property
    def whole(self) -> bool:
        """Whether the timeline has every request and every chunk that the run recorded and that can be read."""
        return not self.unread & {REQUESTS, CHUNKS}

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
        """What the endpoint emulates; None: it is real."""
        return self.environment.endpoint.emulated

    @property
    def emulated_json(self) -> dict[str, Any] | None:
        """What the endpoint emulates, in the form that a report's JSON has."""
        return builtins(self.emulated)

    @property
    def model_facts(self) -> ModelFacts | None:
        """Facts about the managed model that was measured; None: the model is not managed."""
        return self.environment.endpoint.imported_model

    @property
    def model(self) -> str:
        """The name of the model, or of the emulated deployment."""
        return self.spec.model or self.spec.deployment or "model"

    @property
    def succeeded(self) -> int:
        """The number of measured requests that succeeded."""
        return int(self.summary["requests"]["succeeded"])

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped early."""
        return bool(self.summary["status"] == INTERRUPTED)


def builtins(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """A struct as a dictionary of plain JSON types."""
    return None if value is None else dict(msgspec.to_builtins(value))


def conclude_run(
    path: Path,
    spec: Spec,
    environment: Environment,
    timeline: Timeline,
    status: str,
    answers: Mapping[int, str] | None = None,
    damages: Iterable[str] = (),
) -> Run:
    """Make a run from a timeline, with all figures of its summary. The figures of each request are computed once."""
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
    return Run(path, spec, environment, timeline, summary, answers or {}, figures, tuple(damages))
