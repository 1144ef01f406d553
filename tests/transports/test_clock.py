"""One clock for everything: the kernel's stamps on the wall clock become times of the monotonic clock."""

from __future__ import annotations

import time
from array import array

import pytest

from llmdyno.transports.clock import NO_STAMP, Clock

SECOND = 10**9
WALL_AHEAD_NS = 1000 * SECOND


def stamp(time_ns: int, ahead_ns: int = WALL_AHEAD_NS) -> bytes:
    """The kernel's stamp of a time of the monotonic clock, while the wall clock is this far ahead."""
    return array("q", divmod(time_ns + ahead_ns, SECOND)).tobytes()


class Sampled(Clock):
    """A clock with these samples of the wall clock's offset: (time, offset), ascending."""

    def __init__(self, *samples: tuple[int, int]) -> None:
        self._sampled_ns, self._offsets = [at for at, _ in samples], [offset for _, offset in samples]


def test_a_stamp_is_moved_by_the_offset() -> None:
    clock = Sampled((0, WALL_AHEAD_NS))
    arrivals, whole = clock.arrivals([stamp(5), stamp(SECOND)], [7, SECOND + 9])
    assert (list(arrivals), whole) == ([5, SECOND], True)
    assert clock.arrivals([], []) == (array("q"), False)


def test_the_wall_clock_may_be_set_during_a_run() -> None:
    clock = Sampled((0, WALL_AHEAD_NS), (5 * SECOND, 2 * WALL_AHEAD_NS))
    after = stamp(6 * SECOND, 2 * WALL_AHEAD_NS)
    arrivals, whole = clock.arrivals([stamp(SECOND), after], [SECOND + 5, 6 * SECOND + 5])
    assert (list(arrivals), whole) == ([SECOND, 6 * SECOND], True)
    arrivals, whole = clock.arrivals([after], [3 * SECOND])  # set between two samples: the read's own time is taken
    assert (list(arrivals), whole) == ([3 * SECOND], False)


@pytest.mark.parametrize(
    ("stamped", "expected", "whole"),
    [
        (stamp(SECOND + 1), SECOND, True),  # a hair past its read: an offset read late, and no fault of the stamp
        (stamp(SECOND + 19_999), SECOND, True),
        (stamp(SECOND + 20_000), SECOND, False),
        (stamp(SECOND - 10 * SECOND + 1), -9 * SECOND + 1, True),
        (stamp(SECOND - 10 * SECOND), SECOND, False),
        (NO_STAMP, SECOND, False),
    ],
)
def test_a_stamp_that_cannot_be_right_is_replaced_by_the_read(stamped: bytes, expected: int, whole: bool) -> None:
    arrivals, all_stamped = Sampled((0, WALL_AHEAD_NS)).arrivals([stamped], [SECOND])
    assert (list(arrivals), all_stamped) == ([expected], whole)


def test_a_sample_is_noted_only_when_the_wall_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead_ns = WALL_AHEAD_NS
    monkeypatch.setattr(time, "time_ns", lambda: time.monotonic_ns() + ahead_ns)
    clock = Clock()
    assert abs(clock.unix_offset_ns - WALL_AHEAD_NS) < 1_000_000
    before_ns = clock.now_ns()
    clock.sample()
    ahead_ns = 2 * WALL_AHEAD_NS
    clock.sample()
    after_ns = clock.now_ns()
    clock.close()
    stamps = [stamp(before_ns), stamp(after_ns, 2 * WALL_AHEAD_NS)]
    arrivals, whole = clock.arrivals(stamps, [before_ns, after_ns])
    assert whole  # with one offset for both, one stamp would be 1000 s away from its read
    assert [abs(arrivals[0] - before_ns) < 20_000, abs(arrivals[1] - after_ns) < 20_000] == [True, True]
