"""The capacity of a copy from a sweep: which level, where the bound is crossed, how sure."""

from __future__ import annotations

import numpy as np
import pytest

from llmdyno.experiments.capacity import Level, capacity

BOUNDS = {"ttft_s": 1.0}


def level(users: int, ttft_s: float, *, count: int = 400, spread: float = 0.1, throttled: int = 0) -> Level:
    generator = np.random.Generator(np.random.PCG64(users))
    return Level(users, 1.0, count, throttled, {"ttft_s": ttft_s * generator.lognormal(0.0, spread, count)})


def test_the_level_below_the_bound_and_where_it_is_crossed() -> None:
    levels = [level(1, 0.3), level(2, 0.35), level(4, 0.6), level(8, 1.4), level(16, 3.0)]
    found = capacity(levels, BOUNDS, 95, seed=1)
    assert (found["users"], found["beyond"], found["limited_by"]) == (4, 8, "ttft_s")
    assert (found["confidence"], found["users_low"], found["users_high"]) == (1.0, 4, 4)
    below, above = (np.percentile(levels[index].values["ttft_s"], 95) for index in (2, 3))
    assert found["crossing"] == pytest.approx(4 + 4 * (1.0 - below) / (above - below))
    assert found["per_copy"] == 4.0
    assert [row["within"] for row in found["levels"]] == [True, True, True, False, False]


def test_a_level_that_is_close_is_not_sure() -> None:
    near = 1.0 / float(np.percentile(level(8, 1.0).values["ttft_s"], 95))
    found = capacity([level(4, 0.3), level(8, 0.99 * near), level(16, 3.0)], BOUNDS, 95, seed=1)
    assert found["users"] == 8
    assert 0.5 < found["confidence"] < 1.0
    assert (found["users_low"], found["users_high"]) == (4, 8)


def test_refusals_are_a_limit_too() -> None:
    found = capacity([level(4, 0.3), level(8, 0.3, throttled=100)], BOUNDS, 95, seed=1)
    assert (found["users"], found["limited_by"], found["crossing"]) == (4, "throttling", None)


def test_none_within_and_none_beyond() -> None:
    assert capacity([level(1, 2.0), level(2, 3.0)], BOUNDS, 95, seed=1)["users"] is None
    found = capacity([level(1, 0.2), level(2, 0.3)], BOUNDS, 95, seed=1)
    assert (found["users"], found["beyond"], found["crossing"]) == (2, None, None)


def test_more_copies_than_one_carry_less_each() -> None:
    wide = Level(8, 2.0, 400, 0, level(8, 0.3).values)
    found = capacity([level(4, 0.3), wide], BOUNDS, 95, seed=1)
    assert found["per_copy"] == 4.0


def test_a_level_in_which_nothing_was_answered_is_beyond() -> None:
    empty = Level(8, 1.0, 10, 10, {"ttft_s": np.full(10, np.nan)})
    found = capacity([level(4, 0.3), empty], BOUNDS, 95, seed=1)
    assert found["users"] == 4
    assert found["levels"][1]["broken"] == ["ttft_s", "throttling"]
