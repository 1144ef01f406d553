"""The capacity of a copy from a sweep: which level, where the bound is crossed, how sure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.services.runs import COLD_START, THROTTLED, Sent, make_run

from llmdyno.experiments.capacity import Level, capacity, capacity_report
from llmdyno.experiments.stages import deployment_of

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
    assert (found["copies_span"], found["per_copy_span"]) == ([2.0, 2.0], [4.0, 4.0])
    unsure = Level(8, 2.0, 400, 0, level(8, 0.3).values, (0.5, 4.0))
    found = capacity([level(4, 0.3), unsure], BOUNDS, 95, seed=1)
    assert (found["per_copy"], found["copies_span"], found["per_copy_span"]) == (4.0, [1.0, 4.0], [2.0, 8.0])
    assert found["levels"][1]["copies_span"] == [0.5, 4.0]


def test_a_level_in_which_nothing_was_answered_is_beyond() -> None:
    empty = Level(8, 1.0, 10, 10, {"ttft_s": np.full(10, np.nan)})
    found = capacity([level(4, 0.3), empty], BOUNDS, 95, seed=1)
    assert found["users"] == 4
    assert found["levels"][1]["broken"] == ["ttft_s", "throttling"]


@pytest.mark.parametrize(
    ("before", "refused", "at_least"), [(COLD_START, False, True), (COLD_START, True, False), ([], True, True)]
)
def test_whether_there_may_have_been_more_copies(
    tmp_path: Path, before: list[Sent], refused: bool, at_least: bool
) -> None:
    """Nothing was refused, or the model was up before: there may be more copies than the load shows."""
    calls = [Sent(100.0 + 2 * number, 102.0 + 2 * number) for number in range(50)]
    calls += [Sent(150.5, 150.6, THROTTLED)] if refused else []
    stages = [{"concurrency": 1, "duration": 100}]
    run = make_run(tmp_path, [*before, *sorted(calls)], stages=stages, slo={"ttft_s": 2}, seed=1, embedded=True)
    assert capacity_report(run, deployment_of(run), 95.0)["copies_at_least"] is at_least


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_the_report_of_a_sweep(tmp_path: Path, speed: float) -> None:
    """One user, then two of whom a tenth is refused; the first fifth of each stage does not count."""
    one = [Sent(100.0 + 2 * number, 102.0 + 2 * number) for number in range(50)]
    two = [Sent(200.0 + 2 * number + user, 202.0 + 2 * number + user) for user in (0.0, 0.5) for number in range(50)]
    refused = [Sent(200.7 + 10 * number, 200.8 + 10 * number, THROTTLED) for number in range(10)]
    stages = [{"concurrency": users, "duration": 100 / speed} for users in (1, 2)]
    calls = [*COLD_START, *one, *sorted([*two, *refused])]
    run = make_run(tmp_path, calls, speed=speed, embedded=True, stages=stages, slo={"ttft_s": 2}, seed=1)
    report = capacity_report(run, deployment_of(run), 95.0)
    assert (report["users"], report["beyond"], report["limited_by"]) == (1, 2, "throttling")
    assert (report["bounds"], report["percentile"]) == ({"ttft_s": 2.0}, 95.0)
    assert (report["calls_per_copy_when_refused"], report["copies_source"]) == (2, "inferred from the load")
    assert report["carries"] == [2, 2]
    first, second = report["levels"]
    assert (first["requests"], first["throttled_share"], first["within"], first["few"]) == (40, 0.0, True, False)
    assert first["at_percentile"] == {"ttft_s": pytest.approx(1.0)}
    assert second["requests"] == 88
    assert second["throttled_share"] == pytest.approx(8 / 88)
    assert (report["per_copy"], report["confidence"]) == (1.0, 1.0)
