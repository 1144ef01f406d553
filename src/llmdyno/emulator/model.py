"""The deployment as a model: load in, token times out. PURE: it is told the time, it never asks for it.

In: requests as they arrive. Out: the time of every token. A request's first token comes after its prefill, each later
one after a decode gap that grows with the running batch. Requests beyond the largest batch wait. Times are absolute: a
token that is written late delays no later one.

The draws of a request (prefill, pace, early stop) come from an additive-recurrence sequence (Kuipers and Niederreiter,
"Uniform Distribution of Sequences"), not from independent chance. Its values are spread evenly over (0, 1) from the
start, so that a short run already shows the profile's distribution. The gaps within a request are jittered
independently.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from random import Random
from statistics import NormalDist

_STANDARD = NormalDist()
_STRIDES = (0.6180339887498949, 0.41421356237309515, 0.7320508075688772, 0.23606797749978969)


@dataclass(frozen=True, slots=True)
class Profile:
    """A deployment's figures, at real speed.

    Prefill: ``(prefill_s + prefill_per_token_s × input tokens) × lognormal(sigma prefill_sigma)``. Decode gap:
    ``gap_s + gap_per_stream_s × (running − 1)``, times a pace of each request (lognormal, sigma
    `pace_sigma`) and a jitter of each gap (`gap_sigma`), both with mean 1. A share `early_stop` of the answers ends
    early, at a part of max_tokens between the two `early_stop_at`.
    """

    name: str
    prefill_s: float
    prefill_per_token_s: float
    prefill_sigma: float
    gap_s: float
    gap_per_stream_s: float
    gap_sigma: float
    pace_sigma: float
    early_stop: float
    early_stop_at: tuple[float, float]
    max_running: int


DEFAULT_PROFILE = "deepseek-r1-distill-llama-8b"

PROFILES = {
    # Fitted to the published run of LLMPerf against DeepSeek-R1-Distill-Llama-8B on Custom Model Import with 2 users,
    # 500±25 tokens in and 1000±100 out. From its table: TTFT p50 0.378 s, p25 to p90 0.336 to 0.467 s (sigma 0.17);
    # gap = (end-to-end p50 − TTFT p50) ÷ (chunks − 1), chunks = end-to-end ÷ LLMPerf's inter-token latency = 988, so
    # 10.32 ms; answers are shorter than asked for by 2.9% on average, the shortest a third: 8% stop early. How the gap
    # grows with the batch and where the batch ends is not in that table: a guess.
    DEFAULT_PROFILE: Profile(
        name=DEFAULT_PROFILE,
        prefill_s=0.178,
        prefill_per_token_s=0.0004,
        prefill_sigma=0.17,
        gap_s=0.01022,
        gap_per_stream_s=0.0001,
        gap_sigma=0.1,
        pace_sigma=0.012,
        early_stop=0.08,
        early_stop_at=(0.3, 0.9),
        max_running=256,
    ),
}


@dataclass(slots=True)
class Token:
    """One token that is due: its stream, its index (from 0), its time; `finish_reason` if the answer ends with it."""

    stream: int
    index: int
    due_ns: int
    finish_reason: str | None


@dataclass(slots=True)
class _Stream:
    prefill_s: float
    pace: float
    length: int
    finish_reason: str
    sent: int = 0


class Deployment:
    """One model under load. Every duration is divided by `speed`."""

    def __init__(self, profile: Profile, *, speed: float = 1.0, seed: int = 0) -> None:
        self.profile = profile
        self.speed = speed
        self._rng = Random(seed)
        self._offsets = [self._rng.random() for _ in _STRIDES]
        self._arrived = 0
        self._streams: dict[int, _Stream] = {}
        self._running: set[int] = set()
        self._waiting: deque[int] = deque()
        self._due: list[tuple[int, int]] = []

    @property
    def running(self) -> int:
        """How many requests are in the batch."""
        return len(self._running)

    def arrive(
        self, now_ns: int, input_tokens: int, max_tokens: int, *, ignore_eos: bool = False, extra_s: float = 0.0
    ) -> int:
        """Take a request in and return its stream's number. `extra_s` lengthens the prefill."""
        number = self._arrived
        self._arrived += 1
        prefill, pace, stop, where = (
            (offset + number * stride) % 1 for offset, stride in zip(self._offsets, _STRIDES, strict=True)
        )
        profile = self.profile
        length, finish_reason = max_tokens, "length"
        if stop < profile.early_stop and not ignore_eos:
            low, high = profile.early_stop_at
            early = round(max_tokens * (low + where * (high - low)))
            if 1 <= early < max_tokens:
                length, finish_reason = early, "stop"
        self._streams[number] = _Stream(
            (profile.prefill_s + profile.prefill_per_token_s * input_tokens)
            * math.exp(profile.prefill_sigma * _normal(prefill))
            + extra_s,
            math.exp(profile.pace_sigma * _normal(pace) - profile.pace_sigma**2 / 2),
            length,
            finish_reason,
        )
        if len(self._running) < profile.max_running:
            self._start(number, now_ns)
        else:
            self._waiting.append(number)
        return number

    def leave(self, now_ns: int, number: int) -> None:
        """End a request early; the next one that waits takes its place in the batch."""
        if self._streams.pop(number, None) is None:
            return
        if number in self._running:
            self._end(number, now_ns)
        else:
            self._waiting.remove(number)

    def next_due_ns(self) -> int | None:
        """When the next token is due; None if no request runs."""
        while self._due and self._due[0][1] not in self._running:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def due(self, now_ns: int, most: int = 1000) -> list[Token]:
        """The tokens due by now, in order, at most `most`."""
        tokens: list[Token] = []
        while len(tokens) < most and self._due and self._due[0][0] <= now_ns:
            due_ns, number = heapq.heappop(self._due)
            if number not in self._running:
                continue
            stream = self._streams[number]
            index = stream.sent
            stream.sent += 1
            if stream.sent < stream.length:
                heapq.heappush(self._due, (due_ns + self._gap_ns(stream), number))
                tokens.append(Token(number, index, due_ns, None))
            else:
                del self._streams[number]
                self._end(number, due_ns)
                tokens.append(Token(number, index, due_ns, stream.finish_reason))
        return tokens

    def _start(self, number: int, now_ns: int) -> None:
        self._running.add(number)
        heapq.heappush(self._due, (now_ns + int(self._streams[number].prefill_s / self.speed * 1e9), number))

    def _end(self, number: int, now_ns: int) -> None:
        self._running.discard(number)
        if self._waiting:
            self._start(self._waiting.popleft(), now_ns)

    def _gap_ns(self, stream: _Stream) -> int:
        profile = self.profile
        sigma = profile.gap_sigma
        mean_s = profile.gap_s + profile.gap_per_stream_s * (len(self._running) - 1)
        jitter = math.exp(sigma * self._rng.gauss(0.0, 1.0) - sigma**2 / 2)
        return int(mean_s * stream.pace * jitter / self.speed * 1e9)


def _normal(quantile: float) -> float:
    return _STANDARD.inv_cdf(min(max(quantile, 1e-4), 1 - 1e-4))
