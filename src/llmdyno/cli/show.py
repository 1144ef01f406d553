"""``llmdyno show RUN``: print a finished run from its files, as text or in a format for other programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from llmdyno.errors import InputError

if TYPE_CHECKING:
    from llmdyno.reports.console import Page
    from llmdyno.runs.run import Run

DESCRIPTION = (
    "Show a finished run from its files: its summary, and the reports of check, scaling, capacity and cost. A run that "
    "was killed is read from its journal."
)
_TEXT = "text"
_TELLING = (_TEXT, "json", "md")
"""The formats that say themselves what of a run directory is damaged."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the format and the output file."""
    from llmdyno.reports.files import known_formats

    formats = ", ".join((_TEXT, *known_formats()))
    parser.add_argument("directory", metavar="RUN", help="a run directory")
    parser.add_argument(
        "--format", default=_TEXT, metavar="NAME", help=f"choose the format: {formats} (default: {_TEXT})"
    )
    parser.add_argument("--out", metavar="FILE", help="write to this file (default: standard output)")


def call(arguments: argparse.Namespace) -> int:
    """Show the run and return the exit code.

    Raises:
        InputError: there is no such run or format, or the file cannot be written.
    """
    from llmdyno.reports.files import find_export
    from llmdyno.runs.directory import load

    export = None if arguments.format == _TEXT else find_export(arguments.format)
    run = load(arguments.directory)
    if arguments.format not in _TELLING:
        for damage in run.damages:
            print(f"llmdyno: {run.path}: {damage}", file=sys.stderr)
    if export is not None:
        _write(arguments.out, (content for _, content in export(run)))
    elif arguments.out is not None:
        _write(arguments.out, [_as_text(run)])
    else:
        _show(run)
    return 0


def _show(run: Run, page: Page | None = None) -> None:
    from llmdyno.reports import summary
    from llmdyno.reports.console import Page
    from llmdyno.reports.files import foreign_reports, kept_reports
    from llmdyno.reports.text import damage_text

    page = page or Page()
    summary.show(run, page)
    for problem in foreign_reports(run.path):
        page.warning(damage_text(problem))
    for kept in kept_reports(run.path):
        kept.module.show(kept.report, page, run.path)


def _as_text(run: Run) -> bytes:
    """The text that the console shows, without colours."""
    import io

    from llmdyno.reports.console import Page

    stream = io.StringIO()
    _show(run, Page(stream))
    return stream.getvalue().encode()


def _write(out: str | None, parts: Iterable[bytes]) -> None:
    """Write bytes to a file, completely or not at all, or to standard output."""
    if out is None:
        _to_stdout(parts)
        return
    path = Path(out)
    try:
        if path.exists() and not path.is_file():  # such as /dev/null, which must stay what it is
            path.write_bytes(b"".join(parts))
            return
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(b"".join(parts))
        os.replace(part, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("--out", f"{out} cannot be written ({reason})", "name a file you may write") from None


def _to_stdout(parts: Iterable[bytes]) -> None:
    try:
        for content in parts:
            sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has closed its end, such as `head`. Without this, Python fails again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
