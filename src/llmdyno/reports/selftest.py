"""The report of ``llmdyno selftest``: how much load this machine measures to a millisecond.

Takes the steps and the result of a selftest. Gives lines on a page, one after each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports.text import ABSENT

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_ERRORS = (
    ("TTFT error", "ttft_error_p99_s", 11),
    ("gap error", "gap_error_p99_s", 10),
    ("send late", "send_lateness_p99_s", 10),
    ("read lag", "read_lag_p99_s", 9),
)
"""Columns of errors: the head, the step's key (seconds), the width."""


def show(report: dict[str, Any], page: Page, path: Path | None = None) -> None:
    """Show a whole result; `path` is the file that holds it, if one does."""
    show_head(page)
    for step in report["steps"]:
        show_step(step, page)
    show_result(report, page, path)


def show_head(page: Page) -> None:
    """Show the heads of the columns."""
    heads = "".join(f"{head:>{width}}" for head, _, width in _ERRORS)
    page.whole(f"{'reached':>26}{'chunks/s':>9}{heads}{'CPU':>5}")
    page.whole(" " * 35 + "".join(f"{'p99, ms':>{width}}" for *_, width in _ERRORS))


def show_step(step: Mapping[str, Any], page: Page) -> None:
    """Show one step: its load, its errors, and why it is beyond the range, if it is."""
    load = f"{step['asked']:g} {'streams' if step['kind'] == 'streams' else 'requests/s'}"
    cells = "".join(f"{_ms(step[key]):>{width}}" for _, key, width in _ERRORS)
    beyond = f"  beyond: {step['beyond']}" if step["beyond"] else ""
    line = f"{load:>17}{step['reached']:>9,.0f}{step['chunks_per_s']:>9,.0f}{cells}{100 * step['cpu_share']:>4.0f}%"
    page.whole(line + beyond)


def show_result(report: Mapping[str, Any], page: Page, path: Path | None = None) -> None:
    """Show what this machine holds; `path` is the file that holds the result, if one does."""
    page.blank()
    page.line(
        f"Within 1 ms on this machine: {report['streams']} streams, {report['chunks_per_s']:,.0f} chunks/s, "
        f"{report['rate']:g} requests/s"
    )
    if path is not None:
        page.whole(f"Kept in {path}")


def _ms(seconds: float | None) -> str:
    return ABSENT if seconds is None else f"{1e3 * seconds:.2f}"
