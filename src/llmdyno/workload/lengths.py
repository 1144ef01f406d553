"""Draws lengths from a distribution. PURE.

In: a distribution, and a generator that the plan seeded. Out: whole numbers of tokens from 1 to 10,000,000. Every
draw comes from `Random.random`, the one method whose sequence Python keeps for a seed between versions. The rest is
arithmetic, so a plan is the same on any machine.
"""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

from llmdyno.spec.distribution import Distribution
from llmdyno.spec.limits import MOST_TOKENS

_STANDARD = NormalDist()


def draw(distribution: Distribution, rng: Random) -> int:
    """One length in tokens, at least 1; a normal draw below 1, and any draw above the bound, is drawn again."""
    if distribution.kind == "fixed":
        return int(distribution.a)
    if distribution.kind == "uniform":
        return int(distribution.a) + int(rng.random() * (distribution.b - distribution.a + 1))
    while True:
        deviation = _STANDARD.inv_cdf(rng.random() or 0.5)
        if distribution.kind == "lognormal":
            length = max(1, round(distribution.a * math.exp(distribution.b * deviation)))
        else:
            length = round(distribution.a + distribution.b * deviation)
        if 1 <= length <= MOST_TOKENS:
            return length
