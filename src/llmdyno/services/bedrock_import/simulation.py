"""A day of traffic on model copies that scale: how many, how long, how often from cold, for how much. PURE.

In: arrivals of a day, how long an answer takes, how the copies scale. Out: a :class:`Projection`. Copies are modelled
as the documents say and the emulator does: none when idle for long enough; the first call starts one; an excess that
lasts starts another; the least busy copy takes a call; windows of five minutes count from a copy's first success. Every
call is gone through, one by one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WINDOW_S, HOUR_S = 300.0, 3600.0
_GRACE_S = 5.0
"""Refusals that lie further apart are no lasting excess."""
_LONGEST_BACKOFF_S = 20.0


@dataclass(frozen=True, slots=True)
class CopiesModel:
    """How copies scale, seconds. A throttled call is sent again up to `retries` times, after 1 s, 2 s, 4 s and so on up
    to 20 s; one that meets a cold model waits for it, or, without `cold_waits`, is lost."""

    calls_per_copy: int
    max_copies: int = 3
    cold_start_s: float = 60.0
    scale_up_after_s: float = 30.0
    scale_up_delay_s: float = 60.0
    idle_s: float = 300.0
    retries: int = 5
    cold_waits: bool = True


@dataclass(slots=True)
class Hour:
    """One hour of the day: calls that came, were throttled (attempts), were lost, waited for a cold start; windows that
    were begun; seconds that copies were ready, summed."""

    requests: int = 0
    throttled: int = 0
    lost: int = 0
    waited: int = 0
    windows: int = 0
    copy_s: float = 0.0


@dataclass(slots=True)
class Projection:
    """What a day comes to. `idle_windows` are those of copies that were ready and had no call in them: not billed, as
    far as is known."""

    hours: list[Hour] = field(default_factory=list)
    cold_starts: int = 0
    served: int = 0
    most_copies: int = 0
    windows: int = 0
    idle_windows: int = 0

    def total(self, name: str) -> int:
        """An hour's figure, summed over the day."""
        return int(sum(getattr(hour, name) for hour in self.hours))


@dataclass(slots=True, eq=False)
class _Copy:
    number: int
    ready_s: float
    ended_s: float | None = None
    first_success_s: float | None = None
    busy: int = 0
    windows: set[int] = field(default_factory=set)


class Simulation:
    """Goes through the calls of a day in the order of time."""

    def __init__(self, model: CopiesModel) -> None:
        self.model = model
        self.result = Projection()
        self.copies: list[_Copy] = []
        self._alive: list[_Copy] = []
        self._starting: _Copy | None = None
        self._running: list[tuple[float, float, int]] = []
        self._in_flight = 0
        self._last_call_s = -math.inf
        self._excess_since_s: float | None = None
        self._last_refused_s = -math.inf
        self._slack_since_s: float | None = None

    def run(self, arrivals_s: Iterable[float], service_s: Sequence[float] | float) -> Projection:
        """The whole day.

        Args:
            arrivals_s: moments, ascending.
            service_s: how long each call takes, or all of them.
        """
        model, again = self.model, list[tuple[float, int, int]]()
        each = None if isinstance(service_s, int | float) else service_s
        usual = 0.0 if each is not None else float(service_s)  # type: ignore[arg-type]
        moment_s = 0.0
        for number, arrival_s in enumerate(arrivals_s):
            self._hour(arrival_s).requests += 1
            while again and again[0][0] <= arrival_s:
                moment_s, which, attempt = heapq.heappop(again)
                self._call(moment_s, each[which] if each else usual, which, attempt, again)
            moment_s = arrival_s
            self._call(arrival_s, each[number] if each else usual, number, 0, again)
        while again:
            moment_s, which, attempt = heapq.heappop(again)
            self._call(moment_s, each[which] if each else usual, which, attempt, again)
        self._end_by(math.inf)
        self._advance(max(moment_s, self._last_call_s) + model.idle_s + model.cold_start_s + model.scale_up_delay_s)
        self._close()
        return self.result

    def _call(
        self, now_s: float, length_s: float, which: int, attempt: int, again: list[tuple[float, int, int]]
    ) -> None:
        model = self.model
        self._end_by(now_s)
        self._advance(now_s)
        self._last_call_s = now_s
        ready = self._alive
        if not ready:
            if self._starting is None:
                self._starting = self._start(now_s + model.cold_start_s)
                self.result.cold_starts += 1
            if model.cold_waits:
                self._hour(now_s).waited += 1
                heapq.heappush(again, (self._starting.ready_s, which, attempt))
            else:
                self._hour(now_s).lost += 1
            return
        if self._in_flight >= len(ready) * model.calls_per_copy:
            self._refused(now_s)
            hour = self._hour(now_s)
            hour.throttled += 1
            if attempt < model.retries:
                heapq.heappush(again, (now_s + min(_LONGEST_BACKOFF_S, 2.0**attempt), which, attempt + 1))
            else:
                hour.lost += 1
            return
        chosen = ready[0]
        for copy in ready:
            if copy.busy < chosen.busy:
                chosen = copy
        chosen.busy += 1
        self._in_flight += 1
        self.result.served += 1
        heapq.heappush(self._running, (now_s + length_s, now_s, chosen.number))

    def _end_by(self, moment_s: float) -> None:
        running = self._running
        while running and running[0][0] <= moment_s:
            end_s, began_s, place = heapq.heappop(running)
            copy = self.copies[place]
            copy.busy -= 1
            self._in_flight -= 1
            self._last_call_s = end_s
            if copy.first_success_s is None:
                copy.first_success_s = end_s
            first = int(max(0.0, began_s - copy.first_success_s) // WINDOW_S)
            last = int((end_s - copy.first_success_s) // WINDOW_S)
            if first != last or last not in copy.windows:
                for window in range(first, last + 1):
                    if window not in copy.windows:
                        copy.windows.add(window)
                        self._hour(copy.first_success_s + window * WINDOW_S).windows += 1
            self._advance(end_s)

    def _advance(self, now_s: float) -> None:
        model, ready = self.model, self._alive
        if self._starting is not None and self._starting.ready_s <= now_s:
            ready.append(self._starting)
            self._starting = None
            self.result.most_copies = max(self.result.most_copies, len(ready))
        if not ready:
            return
        if self._in_flight == 0:
            idle_from_s = max([self._last_call_s, *(copy.ready_s for copy in ready)])
            if now_s - idle_from_s >= model.idle_s:
                for copy in ready:
                    copy.ended_s = idle_from_s + model.idle_s
                ready.clear()
                self._slack_since_s = None
                return
        if len(ready) > 1 and self._in_flight <= (len(ready) - 1) * model.calls_per_copy:
            if self._slack_since_s is None:
                self._slack_since_s = now_s
            if now_s - self._slack_since_s >= model.idle_s:
                spare = next((copy for copy in reversed(ready) if copy.busy == 0), None)
                if spare is not None:
                    spare.ended_s = now_s
                    ready.remove(spare)
                    self._slack_since_s = now_s
        else:
            self._slack_since_s = None

    def _refused(self, now_s: float) -> None:
        model = self.model
        if self._excess_since_s is None or now_s - self._last_refused_s > _GRACE_S:
            self._excess_since_s = now_s
        self._last_refused_s = now_s
        lasted = now_s - self._excess_since_s >= model.scale_up_after_s
        if lasted and self._starting is None and len(self._alive) < model.max_copies:
            self._starting = self._start(now_s + model.scale_up_delay_s)
            self._excess_since_s = None

    def _start(self, ready_s: float) -> _Copy:
        copy = _Copy(len(self.copies), ready_s)
        self.copies.append(copy)
        return copy

    def _close(self) -> None:
        """Windows and ready time of every copy, when the day is over."""
        for copy in self.copies:
            self.result.windows += len(copy.windows)
            end_s = copy.ended_s if copy.ended_s is not None else self._last_call_s
            if copy.first_success_s is not None:
                spanned = int(max(0.0, end_s - copy.first_success_s) // WINDOW_S) + 1
                self.result.idle_windows += max(0, spanned - len(copy.windows))
            begin_s = copy.ready_s
            while begin_s < end_s:
                until_s = min(end_s, (begin_s // HOUR_S + 1) * HOUR_S)
                self._hour(begin_s).copy_s += until_s - begin_s
                begin_s = until_s

    def _hour(self, moment_s: float) -> Hour:
        place = int(moment_s // HOUR_S)
        hours = self.result.hours
        while len(hours) <= place:
            hours.append(Hour())
        return hours[place]


def project(arrivals_s: Iterable[float], service_s: Sequence[float] | float, model: CopiesModel) -> Projection:
    """What a day of calls comes to on copies that scale so."""
    return Simulation(model).run(arrivals_s, service_s)
