"""The report of ``llmdyno capacity``: how many users one copy carries within bounds.

Takes capacity.json's contents; its times are in seconds at real speed. Gives lines on a page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports.scaling import NAMES, bounds_text
from llmdyno.reports.text import between, latency

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_HEADS = {
    "ttft_s": "TTFT",
    "ttfr_s": "TTFR",
    "ttfa_s": "TTFA",
    "time_per_output_token_s": "TPOT",
    "end_to_end_latency_s": "end-to-end",
}
_EMULATED = "EMULATED: more users slow a copy down by the emulator's own model. Durations are at real speed."


def show(report: dict[str, Any], page: Page, path: Path) -> None:
    """Show what a sweep of users showed; `path` is the run directory."""
    page.blank()
    page.title(title(report))
    if report["emulated"]:
        page.warning(_EMULATED)
    page.blank()
    heads = ("users", "copies", "requests", "throttled", *(_HEADS.get(name, name) for name in report["bounds"]), "")
    page.table(heads, [_row(level, report) for level in report["levels"]], left=(len(heads) - 1,))
    if any(level["few"] for level in report["levels"]):
        page.aside("(few): too few requests to be sure")
    page.blank()
    page.facts(facts(report))
    page.notes(report["notes"])


def title(report: dict[str, Any]) -> str:
    """What had to hold, in one line."""
    return f"Capacity: p{report['percentile']:g} of {bounds_text(report['bounds'])}"


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The capacity and what limits it: labels and values."""
    low, high = report["users_low"], report["users_high"]
    sure = f"{100 * report['confidence']:.0f}% of resamples agree; 95% of them lie between {low} and {high} users"
    if report["users"] is None:
        return [("Capacity", f"not even {report['levels'][0]['users']} users are within bounds ({sure})")]
    return [("Capacity", f"{_carried(report)} ({sure})"), ("Limit", _limit(report))]


def _row(level: dict[str, Any], report: dict[str, Any]) -> list[str]:
    verdict = (
        "within" if level["within"] else "beyond: " + ", ".join(_HEADS.get(name, name) for name in level["broken"])
    )
    return [
        str(level["users"]),
        ("≥ " if report.get("copies_at_least") else "") + _copies(level),
        f"{level['requests']:,}",
        f"{100 * level['throttled_share']:.1f}%",
        *(latency(level["at_percentile"][name]) for name in report["bounds"]),
        verdict + (" (few)" if level["few"] else ""),
    ]


def _copies(level: dict[str, Any]) -> str:
    least, most = level.get("copies_span", (level["copies"],) * 2)
    return f"{level['copies']:.2f}" if f"{least:.1f}" == f"{most:.1f}" else f"{least:.1f} to {most:.1f}"


def _carried(report: dict[str, Any]) -> str:
    line = f"{report['users']} users within bounds"
    if report["copies_source"].startswith("unknown"):  # nobody knows how many copies there were
        return f"{line} in all"
    least, most = report.get("copies_span", (report["copies_then"],) * 2)
    more, fewer = (" or more", " or fewer") if report.get("copies_at_least") else ("", "")
    if most > 1.01:
        each = between(*(f"{bound:.1f}" for bound in report.get("per_copy_span", (report["per_copy"],) * 2)))
        return f"{line} on {between(f'{least:.2f}', f'{most:.2f}')} copies{more}: {each} per copy{fewer}"
    return f"{line} on one copy{more}"


def _limit(report: dict[str, Any]) -> str:
    if report["beyond"] is None:
        return "not reached; try more users"
    line = f"{report['beyond']} users are beyond it, by {NAMES.get(report['limited_by'], report['limited_by'])}"
    if report["crossing"] is not None:
        line += f"; the bound is crossed at about {report['crossing']:.1f} users"
    return line
