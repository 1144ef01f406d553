"""A run as a Markdown document, for a pull request or a wiki.

Takes a run. Gives ``run.md``, in GitHub's dialect of Markdown: what was measured, the table of latencies, throughput,
requests, cold starts, the verdict, and the reports of later commands in short. Texts of the run are escaped, so that a
server's message cannot change the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llmdyno.reports import summary as words
from llmdyno.reports.files import foreign_reports, kept_reports
from llmdyno.reports.text import ABSENT, damage_text, reason_text
from llmdyno.runs.run import Run

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_BARS = "Over time"


def export(run: Run) -> Iterator[tuple[str, bytes]]:
    """The one file."""
    yield "run.md", ("\n".join(_lines(run)) + "\n").encode("utf-8", "replace")


EXPORT = export


def escape(text: str) -> str:
    """Plain text as Markdown that shows it: one line, without any markup of its own."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text to be copied, as a code span that may hold backticks."""
    line = text.replace("\n", " ")
    longest = max(map(len, re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"{fence}{line}{fence}"


def _lines(run: Run) -> Iterator[str]:
    summary = run.summary
    yield f"# {escape(words.title(run))}"
    yield ""
    if (notice := words.emulation_notice(run)) is not None:
        yield f"> **{escape(notice)}**"
        yield ""
    if (status := words.status_notice(summary)) is not None:
        yield f"> {escape(status)}"
        yield ""
    for damage in (*run.damages, *foreign_reports(run.path)):
        yield f"> **{escape(damage_text(damage))}**"
        yield ""
    if words.measured(summary):
        yield from _points(words.load(run))
        yield ""
    yield from _latencies(words.latency_rows(summary))
    yield from _facts(fact for fact in _named(words.facts(run)) if fact[0] != _BARS)
    yield from (f"- **Failed:** {escape(line)}" for line in words.errors(summary))
    if words.measured(summary):
        yield from _verdict(summary["verdict"])
    yield f"- **Run directory:** {code(str(run.path))}"
    yield from _later(run)


def _latencies(rows: list[words.Row]) -> Iterator[str]:
    if not rows:
        return
    yield _row(("", "unit", *words.COLUMNS))
    yield "|:--|:--|" + "--:|" * len(words.COLUMNS)
    for row in rows:
        label = row.label.strip() if row.label == row.label.strip() else f"– {row.label.strip()}"
        yield _row((label, row.unit, *row.cells))
    yield ""
    if words.marked(rows):
        yield escape(words.UNSUPPORTED)
        yield ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def _verdict(verdict: dict[str, object]) -> Iterator[str]:
    reasons = verdict["reasons"]
    assert isinstance(reasons, list)
    if verdict["trustworthy"]:
        yield "- **Verdict:** trustworthy: no reason found to doubt this measurement"
        return
    yield "- **Verdict:** read with care:"
    yield from (f"  - {escape(reason_text(reason))}" for reason in reasons)


def _later(run: Run) -> Iterator[str]:
    """The reports that later commands left, in short."""
    for kept in kept_reports(run.path):
        yield ""
        yield f"## {escape(kept.module.title(kept.report))}"
        yield ""
        if kept.report.get("emulated"):
            yield "> **EMULATED**"
            yield ""
        yield from _facts(_named(kept.module.facts(kept.report)))
        yield from (f"- **Note:** {escape(note)}" for note in kept.report.get("notes", ()))


def _named(facts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Facts whose label carries on from the line before get that line's label."""
    label = ABSENT
    for name, value in facts:
        label = name or label
        yield label, value


def _facts(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"- **{escape(label)}:** {escape(value)}" for label, value in facts)


def _points(parts: Iterable[str]) -> Iterator[str]:
    return (f"- {escape(part)}" for part in parts)
