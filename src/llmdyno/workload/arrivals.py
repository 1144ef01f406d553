"""When requests are sent in an open loop: planned instants, decided before the clock starts.

In: a rate over time, a kind of arrivals, a seed. Out: offsets in ns from the start of the load, ascending. Arrivals are
made at unit rate first, and then moved to where the rate over time has as many expected requests behind it (the
inverse of its integral): so every kind goes with every course of the rate, and a new kind is one function from a
generator to steps. Only `Random.random` is drawn from, whose sequence Python promises to keep for a seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist

from llmdyno.spec.load import placed
from llmdyno.spec.spec import Spec

CONSTANT, POISSON, GAMMA, REPLAY = "constant", "poisson", "gamma", "replay"
_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of the load: requests a second change evenly from one rate to the other; `length_s` may be endless."""

    start_s: float
    length_s: float
    rate_from: float
    rate_to: float

    @property
    def expected(self) -> float:
        """How many requests are expected in it."""
        return self.length_s * (self.rate_from + self.rate_to) / 2

    def moment_s(self, position: float) -> float:
        """Where so many requests of it are expected to be past: the inverse of the rate's integral."""
        slope = (self.rate_to - self.rate_from) / self.length_s
        if abs(slope) < 1e-12:
            return self.start_s + position / self.rate_from
        root = math.sqrt(max(0.0, self.rate_from**2 + 2 * slope * position))
        # Of the two forms of the quadratic's root this one loses no digits where the slope is small.
        return self.start_s + 2 * position / (self.rate_from + root)


def segments(spec: Spec) -> list[Segment]:
    """The rate over time that a spec asks for; empty where it asks for none."""
    if spec.stages:
        return [
            Segment(start_s, stage.duration_s, stage.rate, stage.rate)
            for start_s, _, stage in placed(spec.stages)
            if stage.rate is not None
        ]
    if spec.ramp is not None:
        return [Segment(0.0, spec.ramp.length_s, spec.ramp.rate_from, spec.ramp.rate_to)]
    if spec.rate is not None:
        return [Segment(0.0, math.inf, spec.rate, spec.rate)]
    return []


def offsets_ns(course: Sequence[Segment], arrivals: str, seed: str) -> Iterator[int]:
    """The planned instants, ns after the start; without end where the last segment is."""
    position, before, place = 0.0, 0.0, 0
    for step in _steps(arrivals, Random(seed)):
        position += step
        while place < len(course) and position >= before + course[place].expected:
            before += course[place].expected
            place += 1
        if place == len(course):
            return
        yield int(course[place].moment_s(position - before) * 1e9)


def _steps(arrivals: str, rng: Random) -> Iterator[float]:
    """Steps between arrivals at unit rate: mean 1 (constant arrivals begin at once)."""
    kind, _, argument = arrivals.partition("(")
    if kind == CONSTANT:
        yield 0.0
        while True:
            yield 1.0
    draw = _exponential if kind == POISSON else _gamma(float(argument.rstrip(")")))
    while True:
        yield draw(rng)


def _exponential(rng: Random) -> float:
    return -math.log(1.0 - rng.random())


def _gamma(cv: float) -> Callable[[Random], float]:
    """Gamma steps of mean 1 and this coefficient of variation: below 1 more even than Poisson, above it burstier.

    Marsaglia and Tsang, "A simple method for generating gamma variables" (2000), with the boost for shapes below 1.
    """
    shape = 1.0 / cv**2
    boosted = shape if shape >= 1.0 else shape + 1.0
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)

    def draw(rng: Random) -> float:
        while True:
            x = _STANDARD.inv_cdf(rng.random() or 0.5)
            v = (1.0 + c * x) ** 3
            if v > 0 and math.log(1.0 - rng.random()) < 0.5 * x * x + d - d * v + d * math.log(v):
                break
        value = d * v
        if shape < 1.0:
            value *= (1.0 - rng.random()) ** (1.0 / shape)
        return value / shape

    return draw
