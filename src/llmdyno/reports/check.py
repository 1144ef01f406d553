"""A check's results on a console: right and wrong by kind, and the wrong answers with their prompts.

In: the results as they stand in check.json. Out: lines through Rich.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_LABELS = {
    "number": "Numbers in words",
    "echo": "Repeated exactly",
    "json": "JSON as asked",
    "stop": "Ended at max_tokens",
    "same": "Same as alone",
}
_LONGEST = 160


def print_check(found: dict[str, Any], shown: int, path: Path) -> None:
    """Print them, the first `shown` wrong answers in full."""
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Answers", no_wrap=True)
    for column in ("alone", "under load"):
        table.add_column(column, justify="right", no_wrap=True)
    for kind, by in found["kinds"].items():
        table.add_row(_LABELS[kind], *(_sums(by.get(when)) for when in ("alone", "under_load")))
    console.print()
    console.print(table)
    console.print()
    for wrong in found["mismatches"][:shown]:
        when = wrong["when"].replace("_", " ")
        console.print(
            f"[bold red]{_LABELS[wrong['kind']]}[/bold red], {when}: {escape(wrong['wrong'])}", soft_wrap=True
        )
        console.print(f"  asked     {_line(wrong['prompt'])}", soft_wrap=True)
        if wrong["expected"]:
            console.print(f"  expected  {_line(wrong['expected'])}", soft_wrap=True)
        console.print(f"  answered  {_line(wrong['answer'])}", soft_wrap=True)
    if len(found["mismatches"]) > shown:
        console.print(f"… and {len(found['mismatches']) - shown} more")
    if found["wrong"]:
        console.print(
            f"[bold red]{found['wrong']} of {found['asked']} answers are wrong[/bold red]; all: {path}/check.json"
        )
    else:
        console.print(f"[green]all {found['asked']} answers are right[/green]")


def _sums(sums: dict[str, int] | None) -> str:
    if sums is None:
        return "–"
    total = sum(sums.values())
    failed = f", {sums['failed']} failed" if sums["failed"] else ""
    return f"{sums['right']} of {total} right{failed}"


def _line(text: str) -> str:
    line = " ⏎ ".join(text.splitlines())
    return escape(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…") or "(nothing)"
