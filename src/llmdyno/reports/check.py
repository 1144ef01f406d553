"""The report of ``llmdyno check``: right and wrong answers of each kind, and wrong ones with their prompts.

Takes check.json's contents. Gives lines on a page. It judges no answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports.text import ABSENT

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_LABELS = {
    "number": "Numbers in words",
    "echo": "Repeated exactly",
    "json": "JSON as asked",
    "stop": "Ended at max_tokens",
    "same": "Same as alone",
}
_WHEN = {"alone": "alone", "under_load": "under load"}
_SHOWN = 10
"""So many wrong answers are shown in full."""
_LONGEST = 160
"""So many characters of a prompt or an answer are shown."""


def show(report: dict[str, Any], page: Page, path: Path) -> None:
    """Show a check's results and its first wrong answers; `path` is the run directory."""
    page.blank()
    rows = [(_LABELS.get(kind, kind), *(_sums(by.get(when)) for when in _WHEN)) for kind, by in report["kinds"].items()]
    page.table(("Answers", *_WHEN.values()), rows)
    page.blank()
    for wrong in report["mismatches"][:_SHOWN]:
        page.line(f"{_LABELS.get(wrong['kind'], wrong['kind'])}, {_WHEN[wrong['when']]}: {wrong['wrong']}", "bold red")
        page.fact("  asked", _line(wrong["prompt"]), 11, head="")
        if wrong["expected"]:
            page.fact("  expected", _line(wrong["expected"]), 11, head="")
        page.fact("  answered", _line(wrong["answer"]), 11, head="")
    if len(report["mismatches"]) > _SHOWN:
        page.line(f"… and {len(report['mismatches']) - _SHOWN} more")
    if report["wrong"]:
        page.whole(f"{_verdict(report)}; all of them: {path}/check.json", "bold red")
    else:
        page.line(_verdict(report), "green")


def title(report: dict[str, Any]) -> str:
    """What was checked, in one line."""
    return f"Check: {report['asked']} answers"


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The results in short: labels and values."""
    found = [("Answers", _verdict(report))]
    for kind, by in report["kinds"].items():
        each = [f"{_sums(by[when])} {words}" for when, words in _WHEN.items() if when in by]
        found.append((_LABELS.get(kind, kind), "; ".join(each)))
    return found


def _verdict(report: dict[str, Any]) -> str:
    if report["wrong"]:
        return f"{report['wrong']} of {report['asked']} answers are wrong"
    return f"all {report['asked']} answers are right"


def _sums(sums: dict[str, int] | None) -> str:
    if sums is None:
        return ABSENT
    failed = f", {sums['failed']} failed" if sums["failed"] else ""
    return f"{sums['right']} of {sum(sums.values())} right{failed}"


def _line(text: str) -> str:
    line = " ⏎ ".join(text.splitlines())
    return (line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…") or "(nothing)"
