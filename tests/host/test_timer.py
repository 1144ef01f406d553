"""A timer that keeps tenths of a millisecond, and its fallback to asyncio's own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import pytest
from tests.transports.http1.sockets import InLoop, in_loop

from llmdyno.host.timer import Timer

__all__ = ["in_loop"]
MS = 1_000_000
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the precise timer is Linux's")


def run_timer(in_loop: InLoop, precise: bool, use: Callable[[Timer, int], None], wait_s: float) -> list[int]:
    """The times of a timer's calls, ns after it was made."""

    async def main() -> list[int]:
        began_ns = time.monotonic_ns()
        calls: list[int] = []
        loop = asyncio.get_running_loop()
        timer = Timer(loop, lambda: calls.append(time.monotonic_ns() - began_ns), precise=precise)
        use(timer, began_ns)
        await asyncio.sleep(wait_s)
        timer.close()
        timer.close()  # a second time does nothing
        return calls

    found: list[int] = in_loop(main())
    return found


@pytest.mark.parametrize("precise", [pytest.param(True, marks=ON_LINUX), False])
def test_it_calls_once_and_not_too_early(in_loop: InLoop, precise: bool) -> None:
    [call_ns] = run_timer(in_loop, precise, lambda timer, began_ns: timer.set(began_ns + 20 * MS), 0.06)
    assert 19 * MS < call_ns < 60 * MS


@pytest.mark.parametrize("precise", [pytest.param(True, marks=ON_LINUX), False])
def test_the_last_setting_counts(in_loop: InLoop, precise: bool) -> None:
    def use(timer: Timer, began_ns: int) -> None:
        timer.set(began_ns + 5 * MS)
        timer.set(began_ns + 30 * MS)

    [call_ns] = run_timer(in_loop, precise, use, 0.06)
    assert call_ns > 29 * MS


@pytest.mark.parametrize("precise", [pytest.param(True, marks=ON_LINUX), False])
def test_a_time_that_is_past_calls_at_once(in_loop: InLoop, precise: bool) -> None:
    for past_ns in (-(10**9), 0):
        calls = run_timer(in_loop, precise, lambda timer, began_ns, past_ns=past_ns: timer.set(past_ns), 0.02)
        assert len(calls) == 1


@pytest.mark.parametrize("precise", [pytest.param(True, marks=ON_LINUX), False])
def test_a_closed_timer_does_not_call(in_loop: InLoop, precise: bool) -> None:
    def use(timer: Timer, began_ns: int) -> None:
        timer.set(began_ns + 5 * MS)
        timer.close()

    assert run_timer(in_loop, precise, use, 0.02) == []
