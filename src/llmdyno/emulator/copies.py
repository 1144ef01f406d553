"""Model copies: how a managed endpoint scales from zero, up and down, and what it bills. PURE: it is told the time.

In: calls as they arrive and end. Out: for each call, whether it is served, throttled or refused because the model is
not ready; and the truth: copies over time and the billing windows of each copy.

Documented: no copy after an idle time; the first call starts one; more copies when the calls exceed what the running
ones carry; a maximum; billing in five-minute windows from a copy's first successful call. Guesses: how many requests a
copy carries, how long an excess must last, how long another copy takes to start.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SERVE, HOLD, NOT_READY, THROTTLE = "serve", "hold", "not_ready", "throttle"
_EXCESS_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the endpoint scales; seconds at real speed. With `hold`, a cold call waits and is not refused."""

    idle_s: float = 300.0
    cold_start_s: float = 60.0
    requests_per_copy: int = 16
    max_copies: int = 3
    scale_up_after_s: float = 30.0
    scale_up_delay_s: float = 60.0
    window_s: float = 300.0
    first_inference_s: float = 2.0
    hold: bool = False


@dataclass(slots=True)
class Copy:
    """One model copy: times in ns (None: it has not happened); `windows` are the billed ones, counted from 0."""

    number: int
    ready_ns: int
    ended_ns: int | None = None
    first_success_ns: int | None = None
    windows: set[int] = field(default_factory=set)
    in_flight: int = 0
    calls: int = 0
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a call. `copy` serves it from `from_ns` on; `first`: it is the copy's first call."""

    kind: str
    copy: int | None = None
    from_ns: int = 0
    first: bool = False


class Copies:
    """One endpoint's copies. Every duration is divided by `speed`."""

    def __init__(self, scaling: Scaling, *, speed: float = 1.0) -> None:
        self.scaling = scaling
        self.copies: list[Copy] = []
        self.changes: list[tuple[int, int]] = []
        self._second = 1e9 / speed
        self._last_call_ns = 0
        self._excess_since_ns: int | None = None
        self._last_refused_ns = 0
        self._slack_since_ns: int | None = None

    def ready(self, now_ns: int) -> list[Copy]:
        """The copies that serve at this time."""
        return [copy for copy in self.copies if copy.ended_ns is None and copy.ready_ns <= now_ns]

    def arrive(self, now_ns: int) -> Decision:
        """A call arrives."""
        self.advance(now_ns)
        self._last_call_ns = now_ns
        alive = [copy for copy in self.copies if copy.ended_ns is None]
        ready = self.ready(now_ns)
        if not ready:
            if not alive:
                alive = [self._start(now_ns, self.scaling.cold_start_s)]
            if not self.scaling.hold:
                return Decision(NOT_READY)
            return self._serve(alive, alive[0].ready_ns, HOLD)
        if sum(copy.in_flight for copy in ready) >= len(ready) * self.scaling.requests_per_copy:
            self._refused(now_ns, alive)
            return Decision(THROTTLE)
        return self._serve(ready, now_ns, SERVE)

    def finish(self, now_ns: int, number: int, *, success: bool, began_ns: int) -> None:
        """A call that was served ends."""
        copy = self.copies[number]
        copy.in_flight -= 1
        self._last_call_ns = now_ns
        if success and copy.first_success_ns is None:
            copy.first_success_ns = now_ns
        if copy.first_success_ns is not None:
            first, last = (max(0, time_ns - copy.first_success_ns) for time_ns in (began_ns, now_ns))
            window_ns = self._ns(self.scaling.window_s)
            copy.windows.update(range(first // window_ns, last // window_ns + 1))
        self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Let time pass: copies become ready, idle ones end."""
        for copy in self.copies:
            if not copy.noted and copy.ready_ns <= now_ns:
                copy.noted = True
                self._note(copy.ready_ns)
        ready = self.ready(now_ns)
        in_flight = sum(copy.in_flight for copy in ready)
        idle_ns = self._ns(self.scaling.idle_s)
        # A copy that came up and was never called counts its idle time from when it was ready. This holds after it went
        # too: else the others would have gone before it.
        idle_from = max([self._last_call_ns, *(copy.ready_ns for copy in self.copies if copy.noted)])
        if ready and in_flight == 0 and now_ns - idle_from >= idle_ns:
            for copy in ready:
                copy.ended_ns = idle_from + idle_ns
            self._note(idle_from + idle_ns)
            self._slack_since_ns = None
        elif len(ready) > 1 and in_flight <= (len(ready) - 1) * self.scaling.requests_per_copy:
            self._slack_since_ns = self._slack_since_ns if self._slack_since_ns is not None else now_ns
            spare = next((copy for copy in reversed(ready) if copy.in_flight == 0), None)
            if spare is not None and now_ns - self._slack_since_ns >= idle_ns:
                spare.ended_ns = now_ns
                self._slack_since_ns = now_ns
                self._note(now_ns)
        else:
            self._slack_since_ns = None

    def counts(self, from_ns: int, to_ns: int) -> list[int]:
        """The number of copies at `from_ns`, and after each change until `to_ns`."""
        self.advance(to_ns)
        changes = sorted(self.changes)
        before = [count for time_ns, count in changes if time_ns <= from_ns]
        return [before[-1] if before else 0, *(count for time_ns, count in changes if from_ns < time_ns <= to_ns)]

    def truth(self, now_ns: int) -> dict[str, object]:
        """What happened: (ns, copies) at each change, and the start, end and billed windows of each copy."""
        self.advance(now_ns)
        return {
            "copies": len(self.ready(now_ns)),
            "changes": [list(change) for change in sorted(self.changes)],
            "window_s": self.scaling.window_s,
            "billed_windows": sum(len(copy.windows) for copy in self.copies),
            "each": [
                {
                    "copy": copy.number,
                    "ready_ns": copy.ready_ns,
                    "ended_ns": copy.ended_ns,
                    "first_success_ns": copy.first_success_ns,
                    "calls": copy.calls,
                    "windows": sorted(copy.windows),
                }
                for copy in self.copies
            ],
        }

    def _serve(self, candidates: list[Copy], from_ns: int, kind: str) -> Decision:
        copy = min(candidates, key=lambda candidate: candidate.in_flight)
        copy.in_flight += 1
        copy.calls += 1
        return Decision(kind, copy.number, from_ns, copy.calls == 1)

    def _refused(self, now_ns: int, alive: list[Copy]) -> None:
        """An excess must last before another copy is started."""
        if self._excess_since_ns is None or now_ns - self._last_refused_ns > self._ns(_EXCESS_GRACE_S):
            self._excess_since_ns = now_ns
        self._last_refused_ns = now_ns
        starting = any(copy.ready_ns > now_ns for copy in alive)
        lasted = now_ns - self._excess_since_ns >= self._ns(self.scaling.scale_up_after_s)
        if lasted and not starting and len(alive) < self.scaling.max_copies:
            self._start(now_ns, self.scaling.scale_up_delay_s)
            self._excess_since_ns = None

    def _start(self, now_ns: int, delay_s: float) -> Copy:
        copy = Copy(len(self.copies), now_ns + self._ns(delay_s))
        self.copies.append(copy)
        return copy

    def _note(self, time_ns: int) -> None:
        count = sum(
            copy.ready_ns <= time_ns and (copy.ended_ns is None or copy.ended_ns > time_ns) for copy in self.copies
        )
        self.changes.append((time_ns, count))

    def _ns(self, seconds: float) -> int:
        return int(seconds * self._second)
