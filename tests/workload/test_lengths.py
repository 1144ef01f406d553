"""Lengths: draws that follow their distribution and stay in bounds."""

from __future__ import annotations

import statistics
from random import Random

import pytest

from llmdyno.spec.distribution import Distribution
from llmdyno.workload.lengths import draw


@pytest.mark.parametrize(
    ("text", "mean", "stddev"),
    [("500", 500, 0), ("normal(500,25)", 500, 25), ("uniform(100,200)", 150, 29.2), ("lognormal(500,0.5)", 566.6, 302)],
)
def test_draws_follow_the_distribution(text: str, mean: float, stddev: float) -> None:
    rng = Random(3)
    lengths = [draw(Distribution.parse(text), rng) for _ in range(4000)]
    assert statistics.mean(lengths) == pytest.approx(mean, rel=0.03)
    assert statistics.pstdev(lengths) == pytest.approx(stddev, rel=0.06)


def test_draws_stay_in_bounds() -> None:
    rng = Random(3)
    assert {draw(Distribution.parse("uniform(2,4)"), rng) for _ in range(200)} == {2, 3, 4}
    assert min(draw(Distribution.parse("normal(1,50)"), rng) for _ in range(500)) == 1
