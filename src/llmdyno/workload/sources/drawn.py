"""The usual source of prompts: lengths drawn from distributions or a trace, prompts of common words. PURE.

It takes a resolved spec, a token counter and, if one is replayed, a trace. It gives turns. A turn depends on the seeds,
its phase and its index alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from random import Random

from llmdyno.spec.spec import Spec
from llmdyno.workload.arrivals import offsets_ns, segments
from llmdyno.workload.lengths import draw
from llmdyno.workload.plan import MEASURED, WARM
from llmdyno.workload.session import Turn, user_message
from llmdyno.workload.sources.traces import Entry
from llmdyno.workload.sources.words import make_prompt
from llmdyno.workload.tokens import TokenCounter

WARM_TOKENS = 16
"""The most output that an attempt to wake a model asks for."""


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
        if self.trace is not None and phase == MEASURED:
            return self.trace[index].input_tokens, self.trace[index].output_tokens
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
