"""The plan of a run: its phases, each with its sessions and its pace. PURE.

In: a resolved spec, a source of prompts. Out: :class:`Plan`. A turn depends on the seeds, its phase and its number
alone: the same spec and seeds give the same plan on any machine, a slice of it can be made anywhere, and warm-up
requests change nothing in the measured ones. Lengths and arrivals are drawn from one seed, the prompts' words from
another, so that a repeated run can have the same lengths and prompts that no server's cache knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple, Protocol

from llmdyno.workload.session import Session, Single, Slice, Turn
from llmdyno.workload.tokens import TokenCounter

WARM, IDLE, WARMUP, MEASURED = "warm", "idle", "warmup", "measured"
"""Phases: attempts to wake a model, waiting until it has gone idle, requests kept apart, and what is measured."""


class Source(Protocol):
    """A source of prompts. `warmup`, `measured`: how many sessions each phase has (None: without end)."""

    @property
    def warmup(self) -> int: ...

    @property
    def measured(self) -> int | None: ...

    def lengths(self, phase: str, index: int) -> tuple[int, int]:
        """Input tokens wanted and max_tokens of the phase's session `index`, without making its prompt."""
        ...

    def turn(self, phase: str, index: int) -> Turn:
        """The first turn of the phase's session `index`, counted from 0."""
        ...

    def offsets_ns(self) -> Iterator[int]:
        """The planned instants of the measured sessions, ns after the start of their phase, in an open loop."""
        ...


class Phase(NamedTuple):
    """One phase of a run.

    `sessions` makes the sessions of a slice. `pace` decides when they start; the engine's pacing module has them, and
    knows what they are called with. `total`: how many sessions there are (None: without end). `bound_s`: how long the
    phase may send. `ahead`: how many sessions to prepare before the clock starts.
    """

    name: str
    sessions: Callable[[Slice], Iterator[Session]]
    pace: Callable[[Any], Any]
    total: int | None
    bound_s: float | None = None
    ahead: int = 2**31


class Plan(NamedTuple):
    """Every phase of a run. `source` made it and tells lengths without prompts; `counter` counted tokens. `keep_text`:
    answers are needed after the run. `keep_answers`: the run directory keeps them. `workload` describes what is asked,
    where it is not lengths. `describe` is the load in words."""

    phases: tuple[Phase, ...]
    source: Source
    counter: TokenCounter
    describe: str
    keep_text: bool = False
    workload: str | None = None
    keep_answers: bool = False

    @property
    def measures(self) -> bool:
        """Whether it drives a load, and does not only wake the model."""
        return any(phase.name == MEASURED for phase in self.phases)


@dataclass(frozen=True)
class Sessions:
    """Makes the sessions of a phase: single turns of a source, each at its planned instant in an open loop."""

    source: Source
    phase: str
    total: int | None
    open_loop: bool = False

    def __call__(self, part: Slice) -> Iterator[Session]:
        """The sessions of a slice, in the plan's order."""
        if self.open_loop:
            planned = enumerate(islice(self.source.offsets_ns(), self.total))
            for index, offset_ns in planned:
                if part.has(index):
                    yield Single(self.source.turn(self.phase, index), offset_ns)
            return
        for index in count(part.worker, part.workers):
            if self.total is not None and index >= self.total:
                return
            yield Single(self.source.turn(self.phase, index))
