"""How many windows a run's copies are billed for, at least and at most. PURE.

In: copies with the bounds of their moments, and calls. Out: :class:`Bounds`. The true bill lies within them whichever
copy took a call, whenever within its bounds a copy came and went, and wherever its windows begin.

A copy's windows count from its first success, which is known as well as the moment at which the copy was ready and the
round trip allow. At most, a copy is billed for every window that holds any call, for as long as the copy may have been
there. At least, it is billed for the windows that the calls surely fall into; if several copies shared the calls, as
many copies were at work as the calls at that time need.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import numpy as np

from llmdyno.services.calls import Bools, Calls, Floats, curve_of
from llmdyno.services.copies import Copies, CopyLifetime, Span
from llmdyno.services.flight import sure_spans, work_spans

WINDOW_MINUTES = 5
WINDOW_S = 60.0 * WINDOW_MINUTES
"""The billing window, as AWS's price page defines it."""
_MOST_BLOCKS = 200
"""With more blocks, the count is only bounded: exactly, it takes the square of them."""
_MOST_PERMUTED = 5
"""With more copies, each may have gone last: there are too many orders to try."""
_GAPS_S = (1.0, 10.0, 60.0, WINDOW_S)
"""Blocks that are no further apart may be joined, one gap after the other, until they are few enough."""
_BUCKET_S = 5.0
"""Of the moments within this long, one is looked at. More of them can only raise the lowest bound."""
_JUST_AFTER_S = 1e-6
"""How far on each side of a moment at which the count may jump it is tried too."""


class Range(NamedTuple):
    """A number of windows, at least and at most."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """The windows of all copies together, of each one, and of each that may have been there too."""

    total: Range
    each: tuple[Range, ...]
    possible: tuple[Range, ...]


class _Blocks(NamedTuple):
    """Times with calls, ascending and apart. Shape (blocks,)."""

    from_s: Floats
    to_s: Floats


def bounds(copies: Copies, calls: Calls) -> Bounds:
    """The bounds of a bill."""
    every = (*copies.lives, *copies.possible)
    up_s = up_before_s(calls)
    each = [Range(0, 0)] * len(every)
    low = high = 0
    for group in _groups(every, calls.round_trip.most_s):
        lives = [every[index] for index in group]
        begin_s, end_s = min(life.came_s[0] for life in lives), max(life.went_s[1] for life in lives)
        here = calls.only(calls.at_work & (calls.first_s >= begin_s) & (calls.sent_s <= end_s))
        if not here.may_have_succeeded.any():
            continue
        firsts = [_first_success(life, here, _next_s(lives, number), up_s) for number, life in enumerate(lives)]
        total, parts = _alone(firsts[0], here) if len(lives) == 1 else _together(lives, firsts, here, copies, group)
        for index, part in zip(group, parts, strict=True):
            each[index] = part
        low, high = low + total.low, high + total.high
    count = len(copies.lives)
    return Bounds(Range(low, high), tuple(each[:count]), tuple(each[count:]))


def alone(life: CopyLifetime, calls: Calls) -> Range:
    """The windows of one copy that takes every call."""
    here = calls.only(calls.at_work)
    return _alone(_first_success(life, here, math.inf, up_before_s(calls)), here)[0]


def up_before_s(calls: Calls) -> float:
    """The time before which a copy was up: our first send, if no call before the first answer met a cold model. Minus
    infinity: the run woke the model itself."""
    served = calls.served.nonzero()[0]
    awake = len(served) > 0 and not calls.not_ready[: served[0]].any()
    return float(calls.sent_s[0]) if awake else -math.inf


def _groups(lives: Sequence[CopyLifetime], most_s: float) -> Iterator[list[int]]:
    """Copies that may have been there at the same time as another one of the group, as indices, oldest first.

    The attempt that shows that a copy had gone and that the next one had not come yet has one moment, which is known to
    a round trip.
    """
    order = sorted(range(len(lives)), key=lambda index: lives[index].came_s)
    group: list[int] = []
    until_s = -math.inf
    for index in order:
        if group and lives[index].came_s[0] >= until_s - most_s:
            yield group
            group, until_s = [], -math.inf
        group.append(index)
        until_s = max(until_s, lives[index].went_s[1])
    if group:
        yield group


def _alone(first_s: Span | None, calls: Calls) -> tuple[Range, list[Range]]:
    """The windows of a copy that had all calls to itself."""
    if first_s is None:
        return Range(0, 0), [Range(0, 0)]
    sure = calls.ok & (calls.first_s < calls.end_s - calls.round_trip.most_s)
    surely = _merged(calls.first_s[sure], calls.end_s[sure] - calls.round_trip.most_s)
    low = max(_apart(calls, calls.ok), _windows(surely, first_s, fewest=True))
    high = _windows(_perhaps(calls), first_s, fewest=False)
    return Range(min(low, high), high), [Range(min(low, high), high)]


def _together(
    lives: Sequence[CopyLifetime], firsts: Sequence[Span | None], calls: Calls, copies: Copies, group: Sequence[int]
) -> tuple[Range, list[Range]]:
    """The windows of copies that shared the calls, in all and of each."""
    seen = sum(index < len(copies.lives) for index in group)
    blocks = _perhaps(calls)
    most = [_most(blocks, first_s, life.went_s[1]) for life, first_s in zip(lives, firsts, strict=True)]
    before_next = calls.ok & (calls.end_s <= _next_s(lives, 0))
    low, busiest = _packed(calls, copies.carries[1] if copies.carries is not None else None, seen)
    least = [int(busiest >= seen and index < len(copies.lives)) for index in group]
    least[0] = max(least[0], _apart(calls, before_next))
    each = [Range(min(few, many), many) for few, many in zip(least, most, strict=True)]
    duration_s = calls.end_s - calls.sent_s
    total = min(_best(lives, firsts, blocks), int((duration_s // WINDOW_S).sum()) + 2 * len(calls))
    return Range(min(max(low, sum(part.low for part in each)), total), total), each


def _next_s(lives: Sequence[CopyLifetime], number: int) -> float:
    """Until when a copy had every call to itself: the oldest one until the next one may have come, the others never."""
    if len(lives) == 1:
        return math.inf
    return lives[1].came_s[0] if number == 0 else -math.inf


def _most(blocks: _Blocks, first_s: Span | None, end_s: float) -> int:
    if first_s is None or end_s <= first_s[0]:
        return 0
    inside = blocks.from_s <= end_s
    return _windows(_Blocks(blocks.from_s[inside], np.minimum(blocks.to_s[inside], end_s)), first_s, fewest=False)


def _best(lives: Sequence[CopyLifetime], firsts: Sequence[Span | None], blocks: _Blocks) -> int:
    """The most windows, whichever copy went when one went."""
    ends = [life.went_s[1] for life in lives]
    if len(lives) > _MOST_PERMUTED:
        return sum(_most(blocks, first_s, max(ends)) for first_s in firsts)
    high = [{end_s: _most(blocks, first_s, end_s) for end_s in set(ends)} for first_s in firsts]
    return max(sum(one[end_s] for one, end_s in zip(high, way, strict=True)) for way in set(permutations(ends)))


def _first_success(life: CopyLifetime, calls: Calls, company_s: float, up_s: float) -> Span | None:
    """Between when a copy had its first success; None: it had none.

    Only the phase of its windows matters, so the span is a window long and no longer, up to what comes before the
    first call. A call whose end we did not see may have been a success at any time after its send.

    Args:
        life: the copy.
        calls: those that it may have worked on.
        company_s: until then, every call went to this copy.
        up_s: a copy that came before that may have had a success before the run.
    """
    begin_s, most_s = life.came_s[0], calls.round_trip.most_s
    own = calls.ok & (calls.first_s >= begin_s)
    unseen = calls.may_have_succeeded & ~calls.ok & (calls.first_s >= begin_s)
    ends_s = np.concatenate([calls.end_s[own] - most_s, calls.sent_s[unseen]])
    if not len(ends_s):
        return None
    known = own & (calls.end_s <= company_s)
    late_s = float(calls.end_s[known].min()) if known.any() else math.inf
    if begin_s < up_s:
        early_s = max(begin_s, up_s - WINDOW_S)
        return early_s, min(late_s, up_s + WINDOW_S)
    early_s = max(begin_s, float(ends_s.min()))
    return early_s, max(early_s, min(late_s, early_s + WINDOW_S))


def _perhaps(calls: Calls) -> _Blocks:
    """When any call may have been at work."""
    until_s = np.where(calls.ok, calls.end_s, calls.end_s + calls.round_trip.most_s)
    found = _merged(calls.sent_s, until_s)
    for gap_s in _GAPS_S:  # fewer blocks cost less, and can only raise the count
        if len(found.from_s) <= _MOST_BLOCKS:
            break
        found = _merged(found.from_s, found.to_s, gap_s)
    return found


def _merged(from_s: Floats, to_s: Floats, gap_s: float = 0.0) -> _Blocks:
    """Spans as blocks that are more than `gap_s` apart."""
    if not len(from_s):
        return _Blocks(from_s, to_s)
    order = np.argsort(from_s, kind="stable")
    from_s, until_s = from_s[order], np.maximum.accumulate(to_s[order])
    starts = np.concatenate([[0], np.flatnonzero(from_s[1:] > until_s[:-1] + gap_s) + 1])
    return _Blocks(from_s[starts], until_s[np.append(starts[1:] - 1, len(until_s) - 1)])


def _windows(blocks: _Blocks, first_s: Span, *, fewest: bool) -> int:
    """The fewest or the most windows that hold a part of any block, if the first one begins within `first_s`."""
    blocks = _Blocks(*(side[blocks.to_s >= first_s[0]] for side in blocks))
    if not len(blocks.from_s):
        return 0
    if len(blocks.from_s) > _MOST_BLOCKS:
        if fewest:
            return int(np.maximum(1, (blocks.to_s - blocks.from_s) // WINDOW_S).sum()) if _sparse(blocks) else 0
        return int(((blocks.to_s - blocks.from_s) // WINDOW_S + 2).sum())
    low_s, high_s = first_s
    edges = np.concatenate(blocks)
    phases = low_s + np.mod(edges - low_s, WINDOW_S)
    tried = np.concatenate([phases, phases - WINDOW_S, phases + WINDOW_S])
    tried = np.concatenate([tried, tried + _JUST_AFTER_S, tried - _JUST_AFTER_S, first_s])
    tried = np.unique(tried[(tried >= low_s) & (tried <= high_s)])
    counts = _counted(blocks, tried)
    return int(counts.min() if fewest else counts.max())


def _sparse(blocks: _Blocks) -> bool:
    """Whether no two blocks can share a window."""
    return bool((blocks.from_s[1:] - blocks.to_s[:-1] >= WINDOW_S).all())


def _counted(blocks: _Blocks, first_s: Floats) -> Floats:
    """How many windows hold a part of a block, for each beginning of the first window; shape (beginnings,)."""
    begin = first_s[:, None]
    last = np.floor((blocks.to_s - begin) / WINDOW_S)
    first = np.floor(np.maximum(0.0, blocks.from_s - begin) / WINDOW_S)
    before = np.concatenate([np.full((len(begin), 1), -1.0), np.maximum.accumulate(last, axis=1)[:, :-1]], axis=1)
    return np.asarray(np.maximum(0.0, last - np.maximum(first, before + 1) + 1).sum(axis=1))


def _apart(calls: Calls, among: Bools) -> int:
    """How many successes are a window apart, so that no two of them share one, whoever had them."""
    ends_s = np.sort(calls.end_s[among])
    count, after_s = 0, -math.inf
    while (index := int(np.searchsorted(ends_s, after_s))) < len(ends_s):
        count, after_s = count + 1, float(ends_s[index]) + WINDOW_S + calls.round_trip.most_s
    return count


def _packed(calls: Calls, carried: int | None, copies: int) -> tuple[int, int]:
    """The fewest windows of several copies, and the most copies that were at work at once.

    At a time, as many copies are at work as the calls need. Two such times share no window if the later one is a window
    after the last end of the earlier one's calls. The best choice of times counts.
    """
    begin_s, until_s = work_spans(calls)
    worked = calls.ok & (begin_s < until_s)
    begin_s, until_s = begin_s[worked], until_s[worked]
    if not len(begin_s):
        return _apart(calls, calls.ok), min(1, copies)
    curve, sure = curve_of(begin_s, until_s), curve_of(*sure_spans(calls))
    at_work = np.append(sure.count, 0)[np.searchsorted(sure.time_s, curve.time_s, side="right") - 1]
    need = np.ones(len(at_work)) if carried is None else np.ceil(at_work / carried)
    need = np.minimum(np.where(curve.count > 0, np.maximum(need, 1), 0), copies).astype(int)
    # Of the moments that are close to each other, the first one with the highest count stands for all.
    bucket = (curve.time_s // _BUCKET_S).astype(np.int64)
    order = np.lexsort((curve.time_s, -need, bucket))
    chosen = order[np.concatenate([[True], np.diff(bucket[order]) > 0])]
    chosen = chosen[need[chosen] > 0]
    by_start = np.argsort(begin_s, kind="stable")
    ends_s = np.maximum.accumulate(until_s[by_start]) + calls.round_trip.most_s
    reach_s = ends_s[np.searchsorted(begin_s[by_start], curve.time_s[chosen], side="right") - 1] + WINDOW_S
    following = np.searchsorted(curve.time_s[chosen], reach_s)
    best = [0] * (len(chosen) + 1)
    for index in range(len(chosen) - 1, -1, -1):
        best[index] = max(best[index + 1], int(need[chosen[index]]) + best[int(following[index])])
    return max(best[0], _apart(calls, calls.ok)), int(need.max(initial=0))
