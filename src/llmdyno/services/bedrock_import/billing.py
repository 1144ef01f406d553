"""Which five-minute windows each copy is billed for. PURE.

In: copies and calls. Out: for each copy its first success and its windows. Windows count from a copy's first success. A
window in which the copy worked on any call is billed whole. The service does not say which copy a call went to: we
assume the least busy one. :mod:`llmdyno.services.bedrock_import.bounds` has the bill without that assumption, as a
range.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from llmdyno.services.bedrock_import.bounds import WINDOW_MINUTES, WINDOW_S, Range, alone, bounds, up_before_s
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.calls import Calls
from llmdyno.services.copies import GIVEN, Copies, CopyLifetime

__all__ = ["WINDOW_MINUTES", "WINDOW_S", "Bill", "CopyBill", "bill"]


@dataclass(slots=True)
class CopyBill:
    """One copy's bill.

    `first_success_s` (None: it never answered) and `last_s`, the end of its last call, are seconds after the run's
    origin. `windows` are numbers counted from 0. `calls` is how many calls it worked on.
    """

    life: CopyLifetime
    first_success_s: float | None = None
    last_s: float | None = None
    calls: int = 0
    windows: set[int] = field(default_factory=set)

    def touch(self, began_s: float, end_s: float, success: bool) -> None:
        """Count a call that ended; calls before the first success are not billed."""
        if self.first_success_s is None:
            if not success:
                return
            self.first_success_s = end_s
        first, last = (max(0.0, time_s - self.first_success_s) for time_s in (began_s, end_s))
        self.windows.update(range(int(first // WINDOW_S), int(last // WINDOW_S) + 1))
        self.last_s = end_s

    def tail_s(self) -> float:
        """Seconds of its last billed window that follow its last call."""
        if self.first_success_s is None or self.last_s is None or not self.windows:
            return 0.0
        return max(0.0, self.first_success_s + (max(self.windows) + 1) * WINDOW_S - self.last_s)

    def idle_windows(self) -> int:
        """Windows in which it was up without a call, until it went or until the usual idle time was over."""
        if self.first_success_s is None or self.last_s is None:
            return 0
        until_s = max(self.last_s, self.life.to_s if self.life.to_s is not None else self.last_s + IDLE_S)
        return max(0, int((until_s - self.first_success_s) // WINDOW_S) + 1 - len(self.windows))


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of a run.

    `copies` have the assumed windows. `low` and `high` bound the true number of windows of all copies, `each` those of
    every copy, and `possible` those of every copy that may have been there too. `awake`: the model was up when the run
    began, so the start of its first windows is unknown. `idle_windows` are windows in which a copy was up without a
    call. As far as is known, they are not billed. `shared`: several copies may have been there at a time, so that which
    one took a call is an assumption.
    """

    copies: tuple[CopyBill, ...]
    low: int
    high: int
    awake: bool = False
    idle_windows: int = 0
    each: tuple[Range, ...] = ()
    possible: tuple[Range, ...] = ()
    shared: bool = False

    @property
    def windows(self) -> int:
        """How many windows are billed, as assumed."""
        return sum(len(copy.windows) for copy in self.copies)

    @property
    def last_windows(self) -> int:
        """How many copies have a last window at most, which is paid for beyond its last call."""
        return sum(part.high > 0 for part in (*self.each, *self.possible))


def bill(copies: Copies, calls: Calls) -> Bill:
    """The windows that a run's calls cost. If the user gave the number of copies, each call counts for all of them."""
    up_s = up_before_s(calls)
    awake = up_s > -math.inf
    if copies.source == GIVEN:
        together = _assign(copies.lives[:1], calls)
        bills = tuple(replace(one, windows=set(one.windows)) for one in together for _ in copies.lives)
        from_s = -math.inf if awake else copies.lives[0].from_s
        one = alone(replace(copies.lives[0], from_span_s=(from_s, copies.lives[0].from_s)), calls)
        return _total(bills, (one,) * len(bills), (), _times(one, len(bills)), awake)
    found = bounds(copies, calls)
    awake = awake and any(life.came_s[0] < up_s for life in copies.lives)  # CloudWatch may have seen it come
    total = _total(tuple(_assign(copies.lives, calls)), found.each, found.possible, found.total, awake)
    parts = zip((*copies.lives, *copies.possible), (*total.each, *total.possible), strict=True)
    return replace(total, shared=_overlap([life for life, part in parts if part.high]))


def _overlap(lives: Sequence[CopyLifetime]) -> bool:
    """Whether two copies may have been there at the same time."""
    spans = sorted((life.came_s[0], life.went_s[1]) for life in lives)
    return any(after[0] < before[1] for before, after in pairwise(spans))


def _times(one: Range, count: int) -> Range:
    return Range(one.low * count, one.high * count)


def _total(
    bills: tuple[CopyBill, ...], each: tuple[Range, ...], possible: tuple[Range, ...], total: Range, awake: bool
) -> Bill:
    """The bill of copies, as assumed and in its bounds. What is assumed is always within them."""
    counts = [len(one.windows) for one in bills]
    idle = sum(one.idle_windows() for one in bills)
    each = tuple(_holding(part, count) for part, count in zip(each, counts, strict=True))
    low, high = _holding(total, sum(counts))
    return Bill(bills, low, high, awake, idle, each, possible)


def _holding(part: Range, count: int) -> Range:
    return Range(min(part.low, count), max(part.high, count))


def _assign(lives: Sequence[CopyLifetime], calls: Calls) -> list[CopyBill]:
    """Give each served call to the least busy copy that is ready, and bill each copy."""
    bills = [CopyBill(life) for life in lives]
    if not bills:
        return bills
    if len(lives) == 1:
        return [_billed(lives[0], calls)]
    from_s = [life.from_s for life in lives]
    until_s = [math.inf if life.to_s is None else life.to_s for life in lives]
    busy = [0] * len(bills)
    running: list[tuple[float, float, int, bool]] = []

    def end_by(time_s: float) -> None:
        while running and running[0][0] <= time_s:
            end_s, began_s, index, success = heapq.heappop(running)
            busy[index] -= 1
            bills[index].touch(began_s, end_s, success)

    sent, ended, ok = calls.sent_s.tolist(), calls.end_s.tolist(), calls.ok.tolist()
    load: Callable[[int], int] = busy.__getitem__
    for call in calls.served.nonzero()[0].tolist():
        time_s = sent[call]
        end_by(time_s)
        ready = [index for index in range(len(bills)) if from_s[index] <= time_s < until_s[index]]
        # A copy may serve a call before the gauge's next datapoint shows the copy.
        chosen = min(ready, key=load) if ready else _nearest(from_s, time_s)
        busy[chosen] += 1
        bills[chosen].calls += 1
        heapq.heappush(running, (ended[call], time_s, chosen, ok[call]))
    end_by(math.inf)
    return bills


def _billed(life: CopyLifetime, calls: Calls) -> CopyBill:
    """The bill of a copy that served every call."""
    begin_s, end_s = calls.sent_s[calls.served], calls.end_s[calls.served]
    succeeded = calls.end_s[calls.served & calls.ok]
    if not len(succeeded):
        return CopyBill(life, calls=len(end_s))
    first_s = float(succeeded.min())
    begin_s, end_s = begin_s[end_s >= first_s], end_s[end_s >= first_s]
    first, last = (np.maximum(0.0, side - first_s) // WINDOW_S for side in (begin_s, end_s))
    spans = np.unique(np.stack([first, last]).astype(np.int64), axis=1).T.tolist()
    windows = {window for low, high in spans for window in range(low, high + 1)}
    return CopyBill(life, first_s, float(end_s.max()), int(calls.served.sum()), windows)


def _nearest(from_s: Sequence[float], time_s: float) -> int:
    """The copy whose start is nearest to a time."""
    return min(range(len(from_s)), key=lambda index: abs(from_s[index] - time_s))
