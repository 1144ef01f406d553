"""Progress while a run goes on: one line that renews itself on a terminal, plain lines in a log.

In: snapshots of counters, a few a second. Out: text on standard error. It is written by hand, not with
a widget library, because it runs in the measuring process: a line costs some microseconds.
"""

from __future__ import annotations

import sys
from typing import TextIO

from llmdyno.engine.driver import Snapshot

_LOG_EVERY_S = 5.0
_BAR = 20


class LiveView:
    """Call it with each snapshot; `end` leaves the terminal's line clean."""

    def __init__(self, stream: TextIO | None = None) -> None:
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
        then_s, then_chunks = self._last
        if snapshot.elapsed_s - then_s >= 1.0:
            self._rate = (snapshot.chunks - then_chunks) / (snapshot.elapsed_s - then_s)
            self._last = (snapshot.elapsed_s, snapshot.chunks)
        if self._terminal:
            self._stream.write(f"\r\x1b[K{progress_line(snapshot, self._rate, bar=True)}")
        elif snapshot.elapsed_s >= self._next_log_s:
            self._next_log_s = snapshot.elapsed_s + _LOG_EVERY_S
            self._stream.write(progress_line(snapshot, self._rate, bar=False) + "\n")
        else:
            return
        self._stream.flush()

    def end(self) -> None:
        """Clear the line."""
        if self._terminal and self._phase:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def progress_line(snapshot: Snapshot, rate: float, *, bar: bool) -> str:
    """Requests done, tokens a second of late, TTFT so far, failures, time left."""
    ended = snapshot.done + snapshot.failed
    share = _share(snapshot)
    parts = [snapshot.phase]
    if bar and share is not None:
        filled = round(share * _BAR)
        parts.append("━" * filled + "╌" * (_BAR - filled))
    parts.append(f"{ended}/{snapshot.total} requests" if snapshot.total is not None else f"{ended} requests")
    parts.append(f"{snapshot.in_flight} in flight")
    parts.append(f"~{rate:,.0f} tokens/s")
    if snapshot.ttft_p50_s is not None:
        parts.append(f"TTFT p50 {1e3 * snapshot.ttft_p50_s:,.0f} ms")
    if snapshot.failed:
        parts.append(f"{snapshot.failed} failed")
    parts.append(f"{snapshot.elapsed_s:.0f} s")
    left_s = _left_s(snapshot, share)
    if left_s is not None:
        parts.append(f"about {left_s:.0f} s left")
    return " · ".join(parts)


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
