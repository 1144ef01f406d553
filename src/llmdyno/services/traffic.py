"""A day of traffic to come: when its requests arrive.

In: a file, or a number of requests an hour and a shape. Out: :class:`Traffic`, the arrivals of one day in seconds.

A file is a CSV of ``time,requests``, or a trace of single requests in a format that a replay reads. In the CSV, a time
is a time of day such as 09:00, or seconds, and each line counts until the next one. Arrivals within a span are random,
from a seed.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmdyno.errors import InputError
from llmdyno.host.files import read_text
from llmdyno.spec.limits import MOST_REQUESTS
from llmdyno.workload.sources.traces import parse_trace

DAY_S, HOUR_S = 86_400.0, 3_600.0
FITS = (
    "a CSV of time,requests with a time of day (09:00) or seconds in each line, or a trace as --arrivals replay reads"
)
_FLAG = "--traffic"
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_EVERY_DAY = 30


@dataclass(frozen=True)
class Shape:
    """The course of a day: each of 24 hours as a share of the busiest one, how many of thirty days are like it, and
    the shape as text."""

    hours: tuple[float, ...]
    days_a_month: int
    description: str


SHAPES = {
    "flat": Shape((1.0,) * 24, _EVERY_DAY, "the same in every hour of every day"),
    "business-hours": Shape(
        tuple(1.0 if 9 <= hour < 18 else 0.0 for hour in range(24)), 22, "from 9 to 18, on 22 days of a month"
    ),
    "daytime": Shape(
        tuple(round(0.55 - 0.45 * math.cos(2 * math.pi * (hour - 3) / 24), 3) for hour in range(24)),
        _EVERY_DAY,
        "lowest at 3, highest at 15, every day",
    ),
}


@dataclass(frozen=True)
class Traffic:
    """One day: `arrivals_s` of its requests, seconds, ascending, shape (requests,); how many days of a month are like
    it; and what it is, as text."""

    arrivals_s: NDArray[np.float64]
    days_a_month: int
    description: str


class Span(NamedTuple):
    """A part of the day, in seconds, and how many requests arrive in it."""

    start_s: float
    end_s: float
    requests: float


def by_shape(requests_per_hour: float, shape: str, seed: int) -> Traffic:
    """Traffic of a shape, with `requests_per_hour` in its busiest hour.

    Raises:
        InputError: there is no such shape.
    """
    found = SHAPES.get(shape)
    if found is None:
        raise InputError("--shape", f"{shape!r} does not fit", f"one of {', '.join(SHAPES)}")
    spans = [
        Span(hour * HOUR_S, (hour + 1) * HOUR_S, share * requests_per_hour) for hour, share in enumerate(found.hours)
    ]
    description = f"{requests_per_hour:g} requests an hour, {found.description}"
    return Traffic(_spread(spans, seed), found.days_a_month, description)


def read_traffic(path: str, seed: int) -> Traffic:
    """A file's traffic.

    Raises:
        InputError: the file cannot be read, or one of its lines does not fit.
    """
    text = read_text(path, _FLAG, f"what fits: {FITS}")
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error:  # such as a cell of a megabyte; a trace tells the line
        rows = []
    if rows and [cell.strip().lower() for cell in rows[0]] == ["time", "requests"]:
        arrivals_s = _spread(_table(path, rows), seed)
        return Traffic(arrivals_s, _EVERY_DAY, f"{path}: {len(arrivals_s):,} requests a day, every day")
    entries = parse_trace(text, path, 1.0, _FLAG, FITS)
    arrivals_s = np.array([entry.offset_ns for entry in entries]) / 1e9
    if arrivals_s[-1] >= DAY_S:
        raise InputError(_FLAG, f"{path} is {arrivals_s[-1] / HOUR_S:.1f} hours long", "give one day of it")
    return Traffic(arrivals_s, _EVERY_DAY, f"{path}: {len(arrivals_s):,} requests of a trace, every day")


def _table(path: str, rows: list[list[str]]) -> list[Span]:
    """The spans of a CSV, whose first row is its heading."""
    starts: list[tuple[float, float]] = []
    for number, row in enumerate(rows[1:], 2):
        if "".join(row).strip():
            starts.append(_line(path, number, row, starts[-1][0] if starts else -1.0))
    if not starts:
        raise InputError(_FLAG, f"{path} has no line of traffic", f"what fits: {FITS}")
    ends = [start_s for start_s, _ in starts[1:]] + [_last_end(starts)]
    return [Span(start_s, end_s, count) for (start_s, count), end_s in zip(starts, ends, strict=True)]


def _line(path: str, number: int, row: list[str], before_s: float) -> tuple[float, float]:
    """(start in seconds, requests) of a line, which must start after `before_s`."""
    problem, fits = f"{path}, line {number}: ", f"what fits: {FITS}"
    if len(row) != 2:
        raise InputError(_FLAG, f"{problem}it has {len(row)} cells", fits)
    when = _TIME.fullmatch(row[0].strip())
    try:
        start_s = 3600 * int(when[1]) + 60 * int(when[2]) + int(when[3] or 0) if when else float(row[0])
        count = float(row[1])
    except ValueError:
        raise InputError(_FLAG, f"{problem}{','.join(row)!r} does not fit", fits) from None
    if not (math.isfinite(count) and count >= 0 and 0 <= start_s < DAY_S):
        raise InputError(_FLAG, f"{problem}{','.join(row)!r} does not fit", fits)
    if start_s <= before_s:
        raise InputError(_FLAG, f"{problem}its time is not after the one before", "sort the lines by time")
    return start_s, count


def _last_end(starts: list[tuple[float, float]]) -> float:
    """The last line is as long as the one before it, but ends with the day."""
    if len(starts) == 1:
        return DAY_S
    return min(DAY_S, 2 * starts[-1][0] - starts[-2][0])


def _spread(spans: list[Span], seed: int) -> NDArray[np.float64]:
    """Random arrivals within each span, ascending; a fraction of a request is carried over to the next span."""
    total = sum(span.requests for span in spans)
    if total > MOST_REQUESTS:
        fits = f"a day of at most {MOST_REQUESTS:,} requests"
        raise InputError(f"{_FLAG}, --requests-per-hour", f"the day has {total:,.0f} requests", fits)
    generator = np.random.Generator(np.random.PCG64(seed))
    parts, left = [np.empty(0)], 0.0
    for span in spans:
        left += span.requests
        count = math.floor(left + 1e-9)
        left -= count
        parts.append(np.sort(generator.uniform(span.start_s, span.end_s, count)))
    return np.concatenate(parts)
