"""A day of traffic to come: when its requests arrive.

In: a file, or a number of requests an hour and a shape. Out: :class:`Traffic`, moments of one day in seconds. A file is
a CSV of ``time,requests`` (a time of day such as 09:00, or seconds; each line counts until the next one), or a trace of
single requests in one of the formats that a replay reads. Arrivals within a span are spread by chance, from a seed.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llmdyno.errors import InputError
from llmdyno.runs.traces import read_trace

DAY_S, HOUR_S = 86_400.0, 3_600.0
FITS = (
    "a CSV of time,requests with a time of day (09:00) or seconds in each line, or a trace as --arrivals replay reads"
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True)
class Shape:
    """How a day's traffic goes: the share of the busiest hour's in each of 24 hours; days a month that are like this,
    of thirty; in words."""

    hours: tuple[float, ...]
    days_a_month: int
    words: str


SHAPES = {
    "flat": Shape((1.0,) * 24, 30, "the same in every hour of every day"),
    "business-hours": Shape(
        tuple(1.0 if 9 <= hour < 18 else 0.0 for hour in range(24)), 22, "from 9 to 18, on 22 days of a month"
    ),
    "daytime": Shape(
        tuple(round(0.55 - 0.45 * math.cos(2 * math.pi * (hour - 3) / 24), 3) for hour in range(24)),
        30,
        "least at 3, most at 15, every day",
    ),
}


@dataclass(frozen=True)
class Traffic:
    """One day: `arrivals_s` of its requests, ascending, shape (requests,); how many days of a month are like it; in
    words."""

    arrivals_s: NDArray[np.float64]
    days_a_month: int
    words: str


def by_shape(requests_per_hour: float, shape: str, seed: int) -> Traffic:
    """So many requests in the busiest hour, the others as the shape has it."""
    found = SHAPES[shape]
    bins = [(hour * HOUR_S, (hour + 1) * HOUR_S, share * requests_per_hour) for hour, share in enumerate(found.hours)]
    words = f"{requests_per_hour:g} requests an hour, {found.words}"
    return Traffic(_spread(bins, seed), found.days_a_month, words)


def read_traffic(path: str, seed: int) -> Traffic:
    """A file's traffic.

    Raises:
        InputError: it cannot be read, or a line of it does not fit.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError("--traffic", f"{path} cannot be read ({error.strerror})", f"what fits: {FITS}") from None
    except UnicodeDecodeError:
        raise InputError("--traffic", f"{path} is not UTF-8 text", f"what fits: {FITS}") from None
    rows = list(csv.reader(text.splitlines()))
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["time", "requests"]:
        entries = read_trace(path, 1.0, "--traffic", FITS)
        moments = np.array([entry.offset_ns for entry in entries]) / 1e9
        if moments[-1] >= DAY_S:
            raise InputError("--traffic", f"{path} is {moments[-1] / HOUR_S:.1f} hours long", "give one day of it")
        return Traffic(moments, 30, f"{path}: {len(moments):,} requests of a trace, every day")
    starts: list[tuple[float, float]] = []
    for number, row in enumerate(rows[1:], 2):
        if not row or not "".join(row).strip():
            continue
        starts.append(_line(path, number, row, starts[-1][0] if starts else -1.0))
    if not starts:
        raise InputError("--traffic", f"{path} holds no line of traffic", f"what fits: {FITS}")
    ends = [start for start, _ in starts[1:]] + [_last_end(starts)]
    bins = [(start, end, count) for (start, count), end in zip(starts, ends, strict=True)]
    arrivals = _spread(bins, seed)
    return Traffic(arrivals, 30, f"{path}: {len(arrivals):,} requests a day, every day")


def _line(path: str, number: int, row: list[str], before_s: float) -> tuple[float, float]:
    problem, fits = f"{path}, line {number}: ", f"what fits: {FITS}"
    if len(row) != 2:
        raise InputError("--traffic", f"{problem}it has {len(row)} cells", fits)
    when = _TIME.fullmatch(row[0].strip())
    try:
        start_s = 3600 * int(when[1]) + 60 * int(when[2]) + int(when[3] or 0) if when else float(row[0])
        count = float(row[1])
    except ValueError:
        raise InputError("--traffic", f"{problem}{','.join(row)!r} does not fit", fits) from None
    if not (math.isfinite(count) and count >= 0 and 0 <= start_s < DAY_S):
        raise InputError("--traffic", f"{problem}{','.join(row)!r} does not fit", fits)
    if start_s <= before_s:
        raise InputError("--traffic", f"{problem}its time is not after the one before", "sort the lines by time")
    return start_s, count


def _last_end(starts: list[tuple[float, float]]) -> float:
    """The last line lasts as long as the one before it, and no longer than the day."""
    if len(starts) == 1:
        return DAY_S
    return min(DAY_S, 2 * starts[-1][0] - starts[-2][0])


def _spread(bins: list[tuple[float, float, float]], seed: int) -> NDArray[np.float64]:
    """Arrivals by chance within each span (start, end, requests); what is left of a request goes on to the next
    span."""
    generator = np.random.Generator(np.random.PCG64(seed))
    parts, left = [np.empty(0)], 0.0
    for start_s, end_s, expected in bins:
        left += expected
        count = math.floor(left + 1e-9)
        left -= count
        parts.append(np.sort(generator.uniform(start_s, end_s, count)))
    return np.concatenate(parts)
