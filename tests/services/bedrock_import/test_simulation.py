"""The projection against the emulator's own copies under a virtual clock, call by call."""

from __future__ import annotations

import heapq
from random import Random

import pytest

from llmdyno.emulator.copies import NOT_READY, THROTTLE, Copies, Scaling
from llmdyno.services.bedrock_import.simulation import CopiesModel, Projection, project

SECOND = 10**9


def judge(arrivals_s: list[float], service_s: list[float], model: CopiesModel) -> tuple[list[int], int, int, int]:
    """Windows of each copy, calls not ready, throttled and served, as the emulator has them."""
    copies = Copies(
        Scaling(
            idle_s=model.idle_s,
            cold_start_s=model.cold_start_s,
            requests_per_copy=model.calls_per_copy,
            max_copies=model.max_copies,
            scale_up_after_s=model.scale_up_after_s,
            scale_up_delay_s=model.scale_up_delay_s,
        )
    )
    ends: list[tuple[int, int, int]] = []
    counts = {NOT_READY: 0, THROTTLE: 0, "serve": 0}

    def end_by(now_ns: float) -> None:
        while ends and ends[0][0] <= now_ns:
            end_ns, began_ns, number = heapq.heappop(ends)
            copies.finish(end_ns, number, success=True, began_ns=began_ns)

    for arrival_s, length_s in zip(arrivals_s, service_s, strict=True):
        now_ns = round(arrival_s * SECOND)
        end_by(now_ns)
        decision = copies.arrive(now_ns)
        counts[decision.kind] += 1
        if decision.copy is not None:
            heapq.heappush(ends, (round((arrival_s + length_s) * SECOND), now_ns, decision.copy))
    end_by(float("inf"))
    windows = [len(copy.windows) for copy in copies.copies]
    return windows, counts[NOT_READY], counts[THROTTLE], counts["serve"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("per_hour", "most"), [(20, 3), (400, 3), (4000, 3), (9000, 6)])
def test_it_is_what_the_emulator_does(seed: int, per_hour: int, most: int) -> None:
    rng = Random(seed)
    moment_s, arrivals, lengths = 0.0, [], []
    while moment_s < 3 * 3600:
        # Bursts and lulls, so that copies come and go.
        busy = 2.0 if int(moment_s // 1800) % 2 == 0 else 0.1
        moment_s += rng.expovariate(per_hour * busy / 3600)
        arrivals.append(round(moment_s, 6))
        lengths.append(round(5 + 10 * rng.random(), 6))
    model = CopiesModel(8, most, retries=0, cold_waits=False)
    found = project(arrivals, lengths, model)
    windows, not_ready, throttled, served = judge(arrivals, lengths, model)
    assert found.windows == sum(windows)
    assert found.served == served
    assert found.total("throttled") == throttled
    assert found.total("lost") == not_ready + throttled
    assert found.total("requests") == len(arrivals)


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
