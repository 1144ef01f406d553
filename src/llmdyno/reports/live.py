"""Progress while a run goes on: one line that renews itself on a terminal, plain lines in a log.

In: snapshots of counters, a few a second. Out: text on standard error. It is written by hand, not with
a widget library, because it runs in the measuring process: a line costs some microseconds.
"""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

from llmdyno.engine.driver import Snapshot

_LOG_EVERY_S = 5.0
_BAR = 20


class LiveView:
    """Call it with each snapshot; `end` leaves the terminal's line clean; `label` stands before every line;
    `copies` is how many model copies there are, where somebody says so."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.label = ""
        self.copies: int | None = None
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._phase = ""
        self._next_log_s = 0.0
        self._last = (0.0, 0)
        self._rate = 0.0

    def __call__(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        if snapshot.phase != self._phase:
            self._phase, self._next_log_s, self._last, self._rate = (
                snapshot.phase,
                _LOG_EVERY_S,
                (0.0, 0),
                0.0,
            )
        if snapshot.emulated and not self.label:
            self.label = "EMULATED · "
        then_s, then_chunks = self._last
        if snapshot.elapsed_s - then_s >= 1.0:
            self._rate = (snapshot.chunks - then_chunks) / (snapshot.elapsed_s - then_s)
            self._last = (snapshot.elapsed_s, snapshot.chunks)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            line = progress_line(snapshot, self._rate, width - len(self.label), copies=self.copies)
            self._stream.write(f"\r\x1b[K{self.label}{line}")
        elif snapshot.elapsed_s >= self._next_log_s:
            self._next_log_s = snapshot.elapsed_s + _LOG_EVERY_S
            self._stream.write(self.label + progress_line(snapshot, self._rate, copies=self.copies) + "\n")
        else:
            return
        self._stream.flush()

    def end(self) -> None:
        """Clear the line."""
        if self._terminal and self._phase:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def progress_line(snapshot: Snapshot, rate: float, width: int | None = None, *, copies: int | None = None) -> str:
    """Requests done, copies, tokens a second of late, TTFT so far, failures, time left.

    With a `width`, a bar is added where there is room, and what matters least is left out where there is not:
    a line that wraps could not be renewed.
    """
    if snapshot.phase == "idle":
        rounds = snapshot.done + 1
        return f"{rounds} round{'s' * (rounds != 1)} done · waiting for the model to go idle"[:width]
    if snapshot.phase == "warm":
        return f"warming up: {snapshot.failed} attempts refused so far · {snapshot.elapsed_s:.0f} s"[:width]
    ended = snapshot.done + snapshot.failed
    share = _share(snapshot)
    parts = {"phase": snapshot.phase}
    if width is not None and share is not None:
        filled = round(share * _BAR)
        parts["bar"] = "━" * filled + "╌" * (_BAR - filled)
    parts["requests"] = f"{ended}/{snapshot.total} requests" if snapshot.total is not None else f"{ended} requests"
    parts["in flight"] = f"{snapshot.in_flight} in flight"
    if copies is not None:
        parts["copies"] = f"{copies} cop{'y' if copies == 1 else 'ies'}"
    if snapshot.waiting:
        parts["waiting"] = f"{snapshot.waiting} waiting"
    parts["rate"] = f"~{rate:,.0f} tokens/s"
    if snapshot.ttft_p50_s is not None:
        parts["ttft"] = f"TTFT p50 {1e3 * snapshot.ttft_p50_s:,.0f} ms"
    if snapshot.failed:
        parts["failed"] = f"{snapshot.failed} failed"
    parts["elapsed"] = f"{snapshot.elapsed_s:.0f} s"
    left_s = _left_s(snapshot, share)
    if left_s is not None:
        parts["left"] = f"about {left_s:.0f} s left"
    for least in ("bar", "in flight", "elapsed", "phase", "ttft"):
        if width is None or len(" · ".join(parts.values())) <= width:
            break
        parts.pop(least, None)
    return " · ".join(parts.values())[:width]


def _share(snapshot: Snapshot) -> float | None:
    ended = snapshot.done + snapshot.failed
    shares = []
    if snapshot.total and ended:
        # Those in flight are half done on average; without them a first wave of users would look like no progress.
        halves = min(snapshot.in_flight, snapshot.total - ended) / 2
        shares.append((ended + halves) / snapshot.total)
    if snapshot.duration_s:
        shares.append(snapshot.elapsed_s / snapshot.duration_s)
    return min(1.0, max(shares)) if shares else None


def _left_s(snapshot: Snapshot, share: float | None) -> float | None:
    if share is None or share <= 0:
        return None
    return snapshot.elapsed_s * (1 - share) / share
