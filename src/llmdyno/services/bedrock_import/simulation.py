"""A day of traffic on model copies that scale: how many copies, cold starts and billed windows. PURE.

In: arrivals of a day, how long an answer takes, how the copies scale. Out: a :class:`Projection`. It follows each
call on copies that behave as AWS documents and as the emulator does:

- without a call for long enough there are none, and the first call starts one;
- refusals that last start another; the least busy copy takes a call;
- five-minute windows count from a copy's first success.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from llmdyno.services.bedrock_import.billing import WINDOW_S
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.copies import DEFAULT_COPIES
from llmdyno.services.moments import HOUR_S
from llmdyno.workload.backoff import backoff_s

_GRACE_S = 5.0
"""Refusals further apart than this do not count as one lasting excess."""


@dataclass(frozen=True, slots=True)
class CopiesModel:
    """How copies scale; times in seconds.

    A throttled call is sent again up to `retries` times, after a pause that doubles. A call that meets a cold model
    waits for it; if `cold_waits` is False, the call is lost.
    """

    calls_per_copy: int
    max_copies: int = DEFAULT_COPIES
    cold_start_s: float = 60.0
    scale_up_after_s: float = 30.0
    scale_up_delay_s: float = 60.0
    idle_s: float = IDLE_S
    retries: int = 5
    cold_waits: bool = True


@dataclass(slots=True)
class Hour:
    """One hour of the day: calls that arrived, attempts that were throttled, calls that were lost, calls that waited
    for a cold start, windows that began, and copy-seconds that were ready."""

    requests: int = 0
    throttled: int = 0
    lost: int = 0
    waited: int = 0
    windows: int = 0
    copy_s: float = 0.0


@dataclass(slots=True)
class Projection:
    """What a day comes to. `idle_windows` are windows of ready copies without a call. As far as is known, they are not
    billed."""

    hours: list[Hour] = field(default_factory=list)
    cold_starts: int = 0
    served: int = 0
    most_copies: int = 0
    windows: int = 0
    idle_windows: int = 0

    def total(self, name: str) -> int:
        """One figure of :class:`Hour`, summed over the day."""
        return int(sum(getattr(hour, name) for hour in self.hours))


@dataclass(slots=True, eq=False)
class _Copy:
    number: int
    ready_s: float
    ended_s: float | None = None
    first_success_s: float | None = None
    busy: int = 0
    windows: set[int] = field(default_factory=set)


_Again = tuple[float, int, int]
"""A call to send again: when, which call, and how many times it was throttled before."""


class Simulation:
    """Follows the calls of a day in the order of time."""

    def __init__(self, model: CopiesModel) -> None:
        self.model = model
        self.result = Projection()
        self.copies: list[_Copy] = []
        self._alive: list[_Copy] = []
        self._starting: _Copy | None = None
        self._running: list[tuple[float, float, int]] = []
        self._again: list[_Again] = []
        self._in_flight = 0
        self._last_call_s = -math.inf
        self._excess_since_s: float | None = None
        self._last_refused_s = -math.inf
        self._slack_since_s: float | None = None

    def run(self, arrivals_s: Iterable[float], service_s: Sequence[float] | float) -> Projection:
        """Follow the whole day.

        Args:
            arrivals_s: when calls arrive, seconds, ascending.
            service_s: how long each call takes, or one duration for all of them; seconds.
        """
        model, last_s = self.model, 0.0
        for number, arrival_s in enumerate(arrivals_s):
            self._hour(arrival_s).requests += 1
            self._send_again_by(arrival_s, service_s, last_s)
            last_s = arrival_s
            self._call(arrival_s, _of(service_s, number), number, 0)
        last_s = self._send_again_by(math.inf, service_s, last_s)
        self._end_by(math.inf)
        self._advance(max(last_s, self._last_call_s) + model.idle_s + model.cold_start_s + model.scale_up_delay_s)
        self._close()
        return self.result

    def _send_again_by(self, until_s: float, service_s: Sequence[float] | float, last_s: float) -> float:
        """Send the waiting calls that are due; return when the last one was sent, or `last_s` if none was due."""
        while self._again and self._again[0][0] <= until_s:
            last_s, which, attempt = heapq.heappop(self._again)
            self._call(last_s, _of(service_s, which), which, attempt)
        return last_s

    def _call(self, now_s: float, duration_s: float, which: int, attempt: int) -> None:
        self._end_by(now_s)
        self._advance(now_s)
        self._last_call_s = now_s
        ready = self._alive
        if not ready:
            self._meet_cold_model(now_s, which, attempt)
            return
        if self._in_flight >= len(ready) * self.model.calls_per_copy:
            self._throttle(now_s, which, attempt)
            return
        chosen = ready[0]
        for copy in ready:  # a loop, because min() with a key is the day's most expensive call
            if copy.busy < chosen.busy:
                chosen = copy
        chosen.busy += 1
        self._in_flight += 1
        self.result.served += 1
        heapq.heappush(self._running, (now_s + duration_s, now_s, chosen.number))

    def _meet_cold_model(self, now_s: float, which: int, attempt: int) -> None:
        if self._starting is None:
            self._starting = self._start(now_s + self.model.cold_start_s)
            self.result.cold_starts += 1
        if self.model.cold_waits:
            self._hour(now_s).waited += 1
            heapq.heappush(self._again, (self._starting.ready_s, which, attempt))
        else:
            self._hour(now_s).lost += 1

    def _throttle(self, now_s: float, which: int, attempt: int) -> None:
        self._refused(now_s)
        hour = self._hour(now_s)
        hour.throttled += 1
        if attempt < self.model.retries:
            heapq.heappush(self._again, (now_s + backoff_s(attempt), which, attempt + 1))
        else:
            hour.lost += 1

    def _end_by(self, time_s: float) -> None:
        """End the calls that are over by a time, and bill their windows."""
        running = self._running
        while running and running[0][0] <= time_s:
            end_s, began_s, number = heapq.heappop(running)
            copy = self.copies[number]
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
        """Let time pass: copies become ready, idle ones go."""
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
        """Start another copy if refusals have lasted."""
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
        """Add up the windows and the ready time of every copy when the day is over."""
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

    def _hour(self, time_s: float) -> Hour:
        index = int(time_s // HOUR_S)
        hours = self.result.hours
        while len(hours) <= index:
            hours.append(Hour())
        return hours[index]


def _of(service_s: Sequence[float] | float, number: int) -> float:
    return service_s if isinstance(service_s, int | float) else service_s[number]


def project(arrivals_s: Iterable[float], service_s: Sequence[float] | float, model: CopiesModel) -> Projection:
    """What a day of calls comes to; see :meth:`Simulation.run`."""
    return Simulation(model).run(arrivals_s, service_s)
