"""The plan: every request decided before the clock starts.

In: a resolved spec and a token counter. Out: :class:`PlannedRequest` values. A request depends on the
seed, its phase and its number alone, so that the same spec and seed give the same plan on any
machine, a slice of it can be made anywhere, and warm-up requests change nothing in the measured ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile
from random import Random

from llmdyno.spec.spec import Spec
from llmdyno.workload.arrivals import REPLAY, offsets_ns, segments
from llmdyno.workload.lengths import draw
from llmdyno.workload.sources.traces import Entry, read_trace
from llmdyno.workload.sources.words import make_prompt
from llmdyno.workload.tokens import TokenCounter

WARM = "warm"
WARMUP = "warmup"
MEASURED = "measured"
"""Phases: attempts to warm the model up from a cold start, requests kept apart, and what is measured."""

WARM_TOKENS = 16
"""An attempt on a cold model asks for no more output than that."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request as intended.

    `request` is its number in the run (warm-up first; attempts on a cold model count down from −1), `offset_ns`
    its planned instant after the start of its phase (None in a closed loop), `input_tokens` the prompt's length as
    counted, `max_tokens` the output length asked for.
    """

    request: int
    phase: str
    offset_ns: int | None
    prompt: str
    input_tokens: int
    max_tokens: int


@dataclass(frozen=True)
class Plan:
    """All requests of a run, made when asked for. `measured` is None where only a duration bounds the run."""

    spec: Spec
    counter: TokenCounter

    @property
    def warmup(self) -> int:
        """How many warm-up requests there are."""
        return self.spec.warmup

    @property
    def measured(self) -> int | None:
        """How many measured requests there are at most; None: as many as the duration allows."""
        if self.trace is not None:
            return min(len(self.trace), self.spec.requests or len(self.trace))
        return self.spec.requests

    @cached_property
    def trace(self) -> list[Entry] | None:
        """The trace that is replayed; None where none is.

        Raises:
            InputError: it cannot be read.
        """
        kind, _, path = self.spec.arrivals.partition(" ")
        return read_trace(path, self.spec.time_scale) if kind == REPLAY else None

    def offsets_ns(self) -> Iterator[int]:
        """The planned instants of the measured requests, ns after the start of their phase, in an open loop."""
        if self.trace is not None:
            planned: Iterator[int] = (entry.offset_ns for entry in self.trace)
        else:
            planned = offsets_ns(segments(self.spec), self.spec.arrivals, f"{self.spec.seed}/arrivals")
        if self.spec.duration_s is not None:
            end_ns = int(self.spec.duration_s * 1e9)
            planned = takewhile(lambda offset_ns: offset_ns < end_ns, planned)
        return islice(planned, self.spec.requests)

    def lengths(self, phase: str, number: int) -> tuple[int, int]:
        """Input tokens wanted and max_tokens of the phase's request `number`, counted from 0."""
        return self._drawn(phase, number, self._generator(phase, number))

    def _drawn(self, phase: str, number: int, rng: Random) -> tuple[int, int]:
        if self.trace is not None and phase == MEASURED:
            return self.trace[number].input_tokens, self.trace[number].output_tokens
        return draw(self.spec.input_tokens, rng), draw(self.spec.output_tokens, rng)

    def request(self, phase: str, number: int, offset_ns: int | None = None) -> PlannedRequest:
        """The phase's request `number`, counted from 0."""
        rng = self._generator(phase, number)
        wanted, max_tokens = self._drawn(phase, number, rng)
        prompt, counted = make_prompt(rng, wanted, self.counter)
        if phase == WARM:
            name, max_tokens = -1 - number, min(max_tokens, WARM_TOKENS)
        else:
            name = number + (self.warmup if phase == MEASURED else 0)
        return PlannedRequest(name, phase, offset_ns, prompt, counted, max_tokens)

    def requests(self, phase: str, start: int, stop: int) -> Iterator[PlannedRequest]:
        """The slice [start, stop) of a phase."""
        if phase == MEASURED and self.spec.open_loop:
            planned = islice(enumerate(self.offsets_ns()), start, stop)
            return (self.request(phase, number, offset_ns) for number, offset_ns in planned)
        return (self.request(phase, number) for number in range(start, stop))

    def _generator(self, phase: str, number: int) -> Random:
        return Random(f"{self.spec.seed}/{phase}/{number}")
