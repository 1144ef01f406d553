"""Planned instants: how they are spread, and how they follow a rate over time."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from llmdyno import Spec
from llmdyno.workload.arrivals import Segment, offsets_ns, segments

ENDLESS = float("inf")


def spec(**keys: object) -> Spec:
    return Spec(base_url="http://h/v1", model="m", seed=7, **keys)  # type: ignore[arg-type]


def offsets_s(arrivals: str, course: list[Segment], count: int = 20_000, seed: str = "1") -> np.ndarray:
    return np.array(list(islice(offsets_ns(course, arrivals, seed), count))) / 1e9


def test_constant_arrivals_are_exact() -> None:
    course = [Segment(0.0, ENDLESS, 8.0, 8.0)]
    assert offsets_s("constant", course, 5).tolist() == [0.0, 0.125, 0.25, 0.375, 0.5]


@pytest.mark.parametrize(
    ("arrivals", "cv"), [("poisson", 1.0), ("gamma(0.5)", 0.5), ("gamma(1)", 1.0), ("gamma(3)", 3.0)]
)
def test_the_steps_have_their_mean_and_spread(arrivals: str, cv: float) -> None:
    steps = np.diff(offsets_s(arrivals, [Segment(0.0, ENDLESS, 50.0, 50.0)], 40_000))
    assert steps.mean() == pytest.approx(0.02, rel=0.05)
    assert steps.std() / steps.mean() == pytest.approx(cv, rel=0.06)
    assert (steps >= 0).all()


def test_the_same_seed_gives_the_same_instants_and_another_does_not() -> None:
    course = [Segment(0.0, ENDLESS, 5.0, 5.0)]
    first, again, other = (offsets_s("poisson", course, 50, seed).tolist() for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_a_ramp_sends_as_many_as_its_integral_has() -> None:
    course = segments(spec(ramp="10:50:60s"))
    moments = offsets_s("constant", course)
    assert len(moments) == 1800  # 60 s × 30 on average
    for at_s in (15.0, 30.0, 45.0):
        expected = 10 * at_s + (50 - 10) / 60 * at_s**2 / 2
        assert (moments < at_s).sum() == pytest.approx(expected, abs=1)
    falling = offsets_s("constant", segments(spec(ramp="50:10:60s")))
    assert (falling < 30).sum() == pytest.approx(1200, abs=1)


def test_stages_follow_one_another_with_their_pauses() -> None:
    course = segments(spec(stages=["rate=10,duration=2", "rate=40,duration=1,start=5"]))
    moments = offsets_s("constant", course)
    assert ((moments < 2).sum(), ((moments >= 2) & (moments < 5)).sum(), (moments >= 5).sum()) == (20, 0, 40)
    assert moments.max() < 6
