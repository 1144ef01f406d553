"""Which five-minute windows each copy is billed for. PURE.

In: copies and calls. Out: for each copy its first success and its windows: windows of five minutes are counted from the
first success, and one in which the copy worked on any call is billed whole. Which copy a call went to is not told by
the service: the least busy one is assumed.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from llmdyno.services.bedrock_import.copies import GIVEN, IDLE_S, Copies, Life
from llmdyno.services.calls import Calls

WINDOW_S = 300.0


@dataclass(slots=True)
class CopyBill:
    """One copy's bill: `first_success_s` (None: it never answered), `last_s` the end of its last call, seconds after
    the run's origin; `windows` counted from 0; how many `calls` it worked on."""

    life: Life
    first_success_s: float | None = None
    last_s: float | None = None
    calls: int = 0
    windows: set[int] = field(default_factory=set)

    def tail_s(self, window_s: float = WINDOW_S) -> float:
        """What is left of its last billed window after its last call."""
        if self.first_success_s is None or self.last_s is None or not self.windows:
            return 0.0
        return max(0.0, self.first_success_s + (max(self.windows) + 1) * window_s - self.last_s)

    def idle_windows(self, window_s: float = WINDOW_S) -> int:
        """Windows in which it was up without a call, until it went, or until the usual idle time was over."""
        if self.first_success_s is None or self.last_s is None:
            return 0
        until_s = max(self.last_s, self.life.to_s if self.life.to_s is not None else self.last_s + IDLE_S)
        return max(0, int((until_s - self.first_success_s) // window_s) + 1 - len(self.windows))


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of a run, and between how many windows it lies where the copies' ends are known to the minute only.
    `awake`: the model was up when the run began, so that where its first windows began is not known. `idle_windows`:
    those in which a copy was up without a call, not billed as far as is known."""

    copies: tuple[CopyBill, ...]
    low: int
    high: int
    awake: bool = False
    idle_windows: int = 0

    @property
    def windows(self) -> int:
        """How many windows are billed."""
        return sum(len(copy.windows) for copy in self.copies)


def bill(copies: Copies, calls: Calls, window_s: float = WINDOW_S) -> Bill:
    """The windows that a run's calls cost. Of copies that the user named, each call is taken to go to all of them."""
    if copies.source == GIVEN:
        together = _windows(copies.lives[:1], _ends(copies.lives[:1], _assumed), calls, window_s)
        bills = tuple(replace(one, windows=set(one.windows)) for one in together for _ in copies.lives)
        return _whole(bills, [sum(len(one.windows) for one in bills)], calls, window_s)
    ways = [copies.lives] if copies.alternative is None else [copies.lives, copies.alternative]
    # Ways that come to the same lives are gone through once; the assumed one is the first.
    each = dict.fromkeys(_ends(lives, pick) for lives in ways for pick in (_assumed, _least, _most))
    found = [_windows(copies.lives, ends, calls, window_s) for ends in each]
    counts = [sum(len(copy.windows) for copy in one) for one in found]
    return _whole(tuple(found[0]), counts, calls, window_s)


def _whole(bills: tuple[CopyBill, ...], counts: list[int], calls: Calls, window_s: float) -> Bill:
    """The bill of copies, of which each way to count has given so many windows."""
    awake = _was_awake(calls)
    begun = sum(one.life.from_s <= float(calls.sent_s[0]) for one in bills) if awake else 0
    idle = sum(one.idle_windows(window_s) for one in bills)
    return Bill(bills, min(counts), max(counts) + max(begun, int(awake)), awake, idle)


def _was_awake(calls: Calls) -> bool:
    """Whether the first call that was served met no cold model before it."""
    served = calls.served.nonzero()[0]
    return bool(len(served)) and not bool(calls.not_ready[: served[0]].any())


Ends = tuple[float, float | None]


def _assumed(life: Life) -> Ends:
    return life.from_s, life.to_s


def _least(life: Life) -> Ends:
    """Ready late and gone early: as few windows as may be."""
    return (life.from_span_s or (life.from_s, life.from_s))[1], (life.to_span_s[0] if life.to_span_s else life.to_s)


def _most(life: Life) -> Ends:
    """Ready early and gone late."""
    return (life.from_span_s or (life.from_s, life.from_s))[0], (life.to_span_s[1] if life.to_span_s else life.to_s)


def _ends(lives: Sequence[Life], pick: Callable[[Life], Ends]) -> tuple[Ends, ...]:
    return tuple(map(pick, lives))


def _windows(lives: Sequence[Life], ends: Sequence[Ends], calls: Calls, window_s: float) -> list[CopyBill]:
    bills = [CopyBill(life) for life in lives]
    if not bills:
        return bills
    from_s = [ready_s for ready_s, _ in ends]
    until_s = [math.inf if gone_s is None else gone_s for _, gone_s in ends]
    busy = [0] * len(bills)
    running: list[tuple[float, float, int, bool]] = []

    def end_by(moment_s: float) -> None:
        while running and running[0][0] <= moment_s:
            end_s, began_s, place, success = heapq.heappop(running)
            busy[place] -= 1
            _touch(bills[place], began_s, end_s, success, window_s)

    sent, ended, ok = calls.sent_s.tolist(), calls.end_s.tolist(), calls.ok.tolist()
    load: Callable[[int], int] = busy.__getitem__
    for place in calls.served.nonzero()[0].tolist():
        moment_s = sent[place]
        end_by(moment_s)
        ready = [one for one in range(len(bills)) if from_s[one] <= moment_s < until_s[one]]
        # Between two datapoints of the gauge a call may have been served before it knew of the copy.
        chosen = min(ready, key=load) if ready else min(range(len(bills)), key=lambda one: abs(from_s[one] - moment_s))
        busy[chosen] += 1
        bills[chosen].calls += 1
        heapq.heappush(running, (ended[place], moment_s, chosen, ok[place]))
    end_by(math.inf)
    return bills


def _touch(copy: CopyBill, began_s: float, end_s: float, success: bool, window_s: float) -> None:
    if copy.first_success_s is None:
        if not success:
            return
        copy.first_success_s = end_s
    first, last = (max(0.0, moment_s - copy.first_success_s) for moment_s in (began_s, end_s))
    copy.windows.update(range(int(first // window_s), int(last // window_s) + 1))
    copy.last_s = end_s
