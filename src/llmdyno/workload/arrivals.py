"""The planned instants of an open loop, decided before the clock starts. PURE.

In: a rate over time, a kind of arrivals, a seed. Out: ascending offsets in ns from the start of the load. Arrivals are
first made at a rate of 1, and then mapped through the inverse of the rate's integral. So every kind of arrivals goes
with every rate over time, and a new kind is one function from a generator to steps. Every draw comes from
`Random.random`, the one method whose sequence Python keeps for a seed between versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist

from llmdyno.spec.limits import LONGEST_S
from llmdyno.spec.load import placed
from llmdyno.spec.spec import Spec

CONSTANT, POISSON, GAMMA, REPLAY = "constant", "poisson", "gamma", "replay"
_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the load. Its rate, in requests a second, changes evenly from `rate_from` to `rate_to`.

    It starts `start_s` after the load does and lasts `duration_s`, which may be infinite.
    """

    start_s: float
    duration_s: float
    rate_from: float
    rate_to: float

    @property
    def expected(self) -> float:
        """The expected number of requests: the integral of the rate."""
        return self.duration_s * (self.rate_from + self.rate_to) / 2

    def time_s(self, position: float) -> float:
        """The time by which `position` of its requests are expected: the inverse of the rate's integral."""
        slope = (self.rate_to - self.rate_from) / self.duration_s
        if abs(slope) < 1e-12:
            return self.start_s + position / self.rate_from
        root = math.sqrt(max(0.0, self.rate_from**2 + 2 * slope * position))
        # This form of the quadratic's root keeps its digits when the slope is small.
        return self.start_s + 2 * position / (self.rate_from + root)


def segments(spec: Spec) -> list[Segment]:
    """The rate over time that a spec asks for. It is empty in a closed loop and for a trace."""
    if spec.stages:
        return [
            Segment(start_s, stage.duration_s, stage.rate, stage.rate)
            for start_s, _, stage in placed(spec.stages)
            if stage.rate is not None
        ]
    if spec.ramp is not None:
        return [Segment(0.0, spec.ramp.duration_s, spec.ramp.rate_from, spec.ramp.rate_to)]
    if spec.rate is not None:
        return [Segment(0.0, math.inf, spec.rate, spec.rate)]
    return []


def offsets_ns(course: Sequence[Segment], arrivals: str, seed: str) -> Iterator[int]:
    """The planned instants, in ns after the load's start. There is no last one if the last segment does not end.

    Args:
        course: the rate over time.
        arrivals: ``constant``, ``poisson`` or ``gamma(CV)``.
        seed: the instants are the same for the same seed.
    """
    position, before, index = 0.0, 0.0, 0
    for step in _steps(arrivals, Random(seed)):
        position += step
        while index < len(course) and position >= before + course[index].expected:
            before += course[index].expected
            index += 1
        if index == len(course):
            return
        yield int(min(course[index].time_s(position - before), LONGEST_S) * 1e9)  # a tiny rate has infinite steps


def _steps(arrivals: str, rng: Random) -> Iterator[float]:
    """Steps between arrivals at a rate of 1; their mean is 1. The first constant arrival is at the start itself."""
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
    """Gamma steps with mean 1 and this coefficient of variation: below 1 more even than Poisson, above 1 burstier.

    Method: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000), with the paper's boost for
    shapes below 1.
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
