"""Every request as CSV, for a spreadsheet or a data frame.

Takes a run. Gives ``requests.csv``: RFC 4180, UTF-8, one row for each request of every phase, in the order of their
numbers. Columns are those of requests.parquet: facts, then figures. Numbers have full precision; a missing value is an
empty cell; truth is ``true`` or ``false``. The chunks are in chunks.parquet alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llmdyno.errors import InputError
from llmdyno.runs.parquet import FIGURES
from llmdyno.runs.run import Run
from llmdyno.timeline.columns import BOOLEAN_COLUMNS, INTEGER_COLUMNS, MISSING

_BLOCK = 10_000
"""So many rows are texts at a time."""


def export(run: Run) -> Iterator[tuple[str, bytes]]:
    """The one file.

    Raises:
        InputError: the requests or their chunks cannot be read.
    """
    if not run.whole:
        problem = f"has no requests to list ({'; '.join(run.damages)})"
        raise InputError(str(run.path), problem, "its summary can be read: choose --format json, md or text")
    figures = run.all_figures
    columns = {name: (column, _reader(name)) for name, column in run.timeline.requests.items()}
    for name in FIGURES:
        columns[name] = (getattr(figures, name), _number if name.endswith("_s") else str)
    columns["output_tokens_source"] = (figures.output_tokens_source, _text)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)  # its default is RFC 4180: commas, double quotes, CR LF
    writer.writerow(columns)
    for start in range(0, len(run.timeline), _BLOCK):
        rows = slice(start, start + _BLOCK)
        cells = [map(read, column[rows].tolist()) for column, read in columns.values()]
        writer.writerows(zip(*cells, strict=True))
    yield "requests.csv", stream.getvalue().encode("utf-8", "replace")


EXPORT = export


def _reader(name: str) -> Callable[[Any], str]:
    if name in INTEGER_COLUMNS:
        return _integer
    return _truth if name in BOOLEAN_COLUMNS else _text


def _integer(value: int) -> str:
    return "" if value == MISSING else str(value)


def _number(value: float) -> str:
    return "" if np.isnan(value) else repr(value)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _text(value: str | None) -> str:
    return "" if value is None else value
