"""Progress while a run or an upload goes on: one line that renews itself on a terminal, plain lines in a log.

Takes snapshots of counters, a few a second, or bytes as they are sent. Gives text on standard error. A run's line is
written by hand, not by a widget library: it is drawn in the measuring process and costs only microseconds there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from llmdyno.timeline.observed import Snapshot

_LOG_EVERY_S = 5.0
_BAR = 20


@contextmanager
def upload_progress(total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show an upload's progress on standard error; nothing where that is no terminal.

    Gives a function that is called with the number of bytes sent since its last call, from any thread.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:  # a disabled bar would leave an empty line behind
        yield lambda sent: None
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("upload", total=total_bytes)
        yield lambda sent: progress.advance(task, sent)


class LiveView:
    """A run's progress. Call it with each snapshot; `end` leaves the terminal's line clean."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._label = ""
        self._copies: int | None = None
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._phase = ""
        self._next_log_s = 0.0
        self._last = (0.0, 0)
        self._rate = 0.0

    def show_emulation(self, speed: float) -> None:
        """Say in front of every line that the endpoint is emulated, and how many times faster than real."""
        self._label = f"EMULATED {speed:g}× · "

    def show_copies(self, count: int) -> None:
        """Say in every line from now on how many model copies there are."""
        self._copies = count

    def __call__(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        if snapshot.phase != self._phase:
            self._phase, self._next_log_s = snapshot.phase, _LOG_EVERY_S
            self._last, self._rate = (0.0, 0), 0.0
        if snapshot.emulated and not self._label:
            self._label = "EMULATED · "
        then_s, then_chunks = self._last
        if snapshot.elapsed_s - then_s >= 1.0:
            self._rate = (snapshot.chunks - then_chunks) / (snapshot.elapsed_s - then_s)
            self._last = (snapshot.elapsed_s, snapshot.chunks)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            line = progress_line(snapshot, self._rate, width - len(self._label), copies=self._copies)
            self._stream.write(f"\r\x1b[K{self._label}{line}")
        elif snapshot.elapsed_s >= self._next_log_s:
            self._next_log_s = snapshot.elapsed_s + _LOG_EVERY_S
            self._stream.write(self._label + progress_line(snapshot, self._rate, copies=self._copies) + "\n")
        else:
            return
        self._stream.flush()

    def end(self) -> None:
        """Clear the line."""
        if self._terminal and self._phase:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def progress_line(snapshot: Snapshot, rate: float, width: int | None = None, *, copies: int | None = None) -> str:
    """The progress of one phase: requests done, copies, recent tokens a second, TTFT so far, failures, time left.

    Args:
        snapshot: the phase's counters.
        rate: tokens a second of late.
        width: how many columns there are. A bar is added where there is room, and the least important parts are left
            out where there is not, since a line that wraps could not be renewed. None: a line of a log.
        copies: how many model copies there are; None: unknown.
    """
    if snapshot.phase == "idle":
        rounds = snapshot.done + 1
        return f"{rounds} round{'s' * (rounds != 1)} done · waiting for the model to go idle"[:width]
    if snapshot.phase == "warm":
        return f"waking the model: {snapshot.failed} attempts refused so far · {snapshot.elapsed_s:.0f} s"[:width]
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
        # A request in flight is half done on average. Without it the first wave of users would look like no progress.
        halves = min(snapshot.in_flight, snapshot.total - ended) / 2
        shares.append((ended + halves) / snapshot.total)
    if snapshot.duration_s:
        shares.append(snapshot.elapsed_s / snapshot.duration_s)
    return min(1.0, max(shares)) if shares else None


def _left_s(snapshot: Snapshot, share: float | None) -> float | None:
    if share is None or share <= 0:
        return None
    return snapshot.elapsed_s * (1 - share) / share
