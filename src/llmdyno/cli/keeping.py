"""What a command does with its report and its progress when the disk or the terminal fails: the work goes on.

In: a run, a report, lines of text. Out: a file in the run directory, text on standard error.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmdyno.runs.run import Run


def keep(run: Run, name: str, report: dict[str, Any]) -> bool:
    """Write a report to the run directory, and return whether that worked. If not, say so."""
    from llmdyno.runs.directory import add_json

    try:
        add_json(run.path, name, report)
    except OSError as error:
        say(f"llmdyno: {run.path / name}: cannot be written ({error.strerror}); the report is shown here only")
        return False
    return True


def say(text: str) -> None:
    """Print a line on standard error. It is progress or a warning: if nobody can read it any more, the work goes on."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
