"""The plan of a run: its phases, each with its sessions and its pace. PURE.

In: a resolved spec, a source of prompts. Out: :class:`Plan`. A turn depends on the seeds, its phase and its number
alone: the same spec and seeds give the same plan on any machine, a slice of it can be made anywhere, and warm-up
requests change nothing in the measured ones. Lengths and arrivals are drawn from one seed, the prompts' words from
another, so that a repeated run can have the same lengths and prompts that no server's cache knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, takewhile
from random import Random
from typing import Any, NamedTuple, Protocol

from llmdyno.spec.spec import Spec
from llmdyno.workload.arrivals import offsets_ns, segments
from llmdyno.workload.lengths import draw
from llmdyno.workload.session import Session, Single, Slice, Turn, user_message
from llmdyno.workload.sources.traces import Entry
from llmdyno.workload.sources.words import make_prompt
from llmdyno.workload.tokens import TokenCounter

WARM, IDLE, WARMUP, MEASURED = "warm", "idle", "warmup", "measured"
"""Phases: attempts to wake a model, waiting until it has gone idle, requests kept apart, and what is measured."""

WARM_TOKENS = 16
"""The most output that an attempt to wake a model asks for."""


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
class Drawn:
    """The usual source: lengths drawn from distributions or a trace, prompts of common words."""

    spec: Spec
    counter: TokenCounter
    trace: Sequence[Entry] | None = None

    @property
    def warmup(self) -> int:
        """How many warm-up requests there are."""
        return self.spec.warmup

    @property
    def measured(self) -> int | None:
        """The most measured requests; None: as many as the duration allows."""
        if self.trace is not None:
            return min(len(self.trace), self.spec.requests or len(self.trace))
        return self.spec.requests

    def offsets_ns(self) -> Iterator[int]:
        """The planned instants of the measured requests, in an open loop."""
        if self.trace is not None:
            planned: Iterator[int] = (entry.offset_ns for entry in self.trace)
        else:
            planned = offsets_ns(segments(self.spec), self.spec.arrivals, f"{self.spec.seed}/arrivals")
        if self.spec.duration_s is not None:
            end_ns = int(self.spec.duration_s * 1e9)
            planned = takewhile(lambda offset_ns: offset_ns < end_ns, planned)
        return islice(planned, self.spec.requests)

    def lengths(self, phase: str, index: int) -> tuple[int, int]:
        """Input tokens wanted and max_tokens."""
        return self._drawn(phase, index, self._generator(phase, index))

    def turn(self, phase: str, index: int) -> Turn:
        """One request, with its prompt."""
        rng = self._generator(phase, index)
        wanted, max_tokens = self._drawn(phase, index, rng)
        prompt, counted = make_prompt(self._words(phase, index, rng), wanted, self.counter)
        if phase == WARM:
            return Turn(-1 - index, phase, user_message(prompt), counted, min(max_tokens, WARM_TOKENS))
        number = index + (self.warmup if phase == MEASURED else 0)
        return Turn(number, phase, user_message(prompt), counted, max_tokens)

    def _drawn(self, phase: str, index: int, rng: Random) -> tuple[int, int]:
        if self.trace is not None and phase == MEASURED:
            return self.trace[index].input_tokens, self.trace[index].output_tokens
        return draw(self.spec.input_tokens, rng), draw(self.spec.output_tokens, rng)

    def _words(self, phase: str, index: int, rng: Random) -> Random:
        """The generator of a prompt's words: that of its lengths, if the prompts have no other seed."""
        if self.spec.prompts_seed in (None, self.spec.seed):
            return rng
        return Random(f"{self.spec.prompts_seed}/prompts/{phase}/{index}")

    def _generator(self, phase: str, index: int) -> Random:
        return Random(f"{self.spec.seed}/{phase}/{index}")


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
