"""The projection's model of the copies against the emulator's own, under a virtual clock, call by call."""

from __future__ import annotations

from random import Random

import pytest
from tests.services.bedrock_import.virtual import drive_day

from llmdyno.emulator.copies import NOT_READY, SERVE, THROTTLE, Scaling
from llmdyno.services.bedrock_import.simulation import CopiesModel, Projection, project


def bursts_and_lulls(seed: int, per_hour: float, hours: float) -> tuple[list[float], list[float]]:
    """Arrivals and durations, seconds, so that copies come and go. They are multiples of 1/512 s, which are exact both
    as binary fractions and in nanoseconds: what happens at the same time does so in both models."""
    rng, time_s = Random(seed), 0.0
    arrivals, durations = [], []
    while time_s < hours * 3600:
        busy = 2.0 if int(time_s // 1800) % 2 == 0 else 0.1
        time_s += rng.expovariate(per_hour * busy / 3600)
        arrivals.append(round(512 * time_s) / 512)
        durations.append(round(512 * (5 + 10 * rng.random())) / 512)
    return arrivals, durations


@pytest.mark.parametrize(("retries", "cold_waits"), [(0, False), (5, True), (1, True), (3, False)])
@pytest.mark.parametrize(("per_hour", "most"), [(20, 3), (400, 3), (4000, 3), (9000, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_emulator_does(seed: int, per_hour: int, most: int, retries: int, cold_waits: bool) -> None:
    """With what a projection uses, retries and waiting for a cold start, and with either of them off."""
    arrivals, durations = bursts_and_lulls(seed, per_hour, 3.0)
    model = CopiesModel(8, most, retries=retries, cold_waits=cold_waits)
    scaling = Scaling(
        idle_s=model.idle_s,
        cold_start_s=model.cold_start_s,
        requests_per_copy=model.calls_per_copy,
        max_copies=model.max_copies,
        scale_up_after_s=model.scale_up_after_s,
        scale_up_delay_s=model.scale_up_delay_s,
    )
    found = project(arrivals, durations, model)
    day = drive_day(scaling, arrivals, durations, retries=retries, cold_waits=cold_waits)
    assert found.windows == day.windows
    assert found.served == day.kinds[SERVE]
    assert found.total("throttled") == day.kinds[THROTTLE]
    assert found.total("waited") == (day.kinds[NOT_READY] if cold_waits else 0)
    assert found.total("lost") == day.lost
    assert found.cold_starts == day.cold_starts
    assert found.most_copies == day.most_copies
    assert found.total("requests") == len(arrivals) == found.served + found.total("lost")


def test_a_busy_day_has_all_of_it() -> None:
    """The comparison above would also hold for a day without events; this day has them."""
    arrivals, durations = bursts_and_lulls(0, 9000, 3.0)
    found = project(arrivals, durations, CopiesModel(8, 6))
    assert (found.cold_starts, found.most_copies) == (1, 6)
    assert (found.total("waited"), found.total("throttled"), found.total("lost")) == (289, 53_414, 4_103)
    assert found.windows == sum(hour.windows for hour in found.hours) == 167


def constant(every_s: float, count: int) -> list[float]:
    return [every_s * number for number in range(count)]


def test_calls_that_meet_a_cold_model_wait_for_it_and_each_one_may_wake_it() -> None:
    found = project(constant(1000.0, 10), 5.0, CopiesModel(4))
    assert (found.cold_starts, found.windows, found.served, found.total("waited")) == (10, 10, 10, 10)
    assert found.total("lost") == 0


def test_a_throttled_call_comes_again_and_is_lost_at_last() -> None:
    found = project(constant(0.5, 400), 60.0, CopiesModel(2, max_copies=1, retries=2))
    assert found.served + found.total("lost") == 400
    assert 3 * found.total("lost") <= found.total("throttled") <= 3 * found.total("lost") + 2 * found.served
    assert found.total("lost") > 300


def test_more_copies_at_the_peak_and_none_at_night() -> None:
    arrivals = [*constant(60.0, 60), *(3600 + 0.5 * number for number in range(7200))]
    found = project(arrivals, 10.0, CopiesModel(8))
    assert found.most_copies == 3
    first, second = found.hours[0], found.hours[1]
    assert first.copy_s == pytest.approx(3540, abs=5)
    assert second.copy_s > 2.7 * 3600
    assert found.windows == sum(hour.windows for hour in found.hours)


def test_a_day_without_a_call_costs_nothing() -> None:
    assert project([], 5.0, CopiesModel(4)) == Projection()


def test_an_idle_window_is_counted_apart() -> None:
    """Two calls a little less than the idle time apart: the copy stays, one window between them has no call."""
    found = project([0.0, 100.0, 395.0, 690.0, 985.0], 1.0, CopiesModel(4, idle_s=300))
    assert found.cold_starts == 1
    assert found.windows + found.idle_windows >= 4
    assert found.idle_windows >= 1
