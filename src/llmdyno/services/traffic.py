"""A day of traffic to come: when its requests arrive.

In: a file, or a number of requests an hour and a shape. Out: :class:`Traffic`, the arrivals of one day in seconds, with
the day's total, its busiest hour, and how the file was read.

A file is a CSV that says how many requests come when (see :mod:`llmdyno.services.daytable`), or a trace of single
requests in a format that a replay reads. A trace's own times are used as they are. All other arrivals are a Poisson
process: within a span of the day their number is drawn from the Poisson distribution, and their times are uniform.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.errors import InputError
from llmdyno.host.files import read_text
from llmdyno.services.daytable import DAY_FLAG, FITS, FLAG, Span, parse_day
from llmdyno.services.moments import DAY_S, HOUR_S, clock_text
from llmdyno.spec.limits import MOST_REQUESTS
from llmdyno.workload.sources.traces import parse_trace

POISSON = "arrivals within an hour are Poisson"
OWN_TIMES = "arrivals at the trace's own times"
_EVERY_DAY = 30
_TRACE_COLUMNS = ({"TIMESTAMP", "ContextTokens", "GeneratedTokens"}, {"Timestamp", "Request tokens", "Response tokens"})
_MOST_OTHERS, _CALLS_OF_OTHERS = 9, 200_000
"""Further draws of the same day: at most so many, with at most so many requests in all. A small day needs them most."""

Floats = NDArray[np.float64]


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
class Peak:
    """The busiest hour of a day: when it begins, as text, and how many requests are expected in it."""

    when: str
    requests: float


@dataclass(frozen=True)
class Traffic:
    """One day.

    `arrivals_s`: of its requests, seconds, ascending, shape (requests,). `days_a_month`: how many days of a month are
    like it. `description`: what it is. `arrivals`: where the times of its requests come from. `total`: the expected
    number of requests (None: as many as there are arrivals). `peak`: its busiest hour (None: it has no request).
    `notes`: how the file was read. `others`: further draws of the same day; a trace has none.
    """

    arrivals_s: Floats
    days_a_month: int
    description: str
    arrivals: str = OWN_TIMES
    total: float | None = None
    peak: Peak | None = None
    notes: tuple[str, ...] = ()
    others: tuple[Floats, ...] = ()

    @property
    def expected(self) -> float:
        """The expected number of requests of the day."""
        return float(len(self.arrivals_s)) if self.total is None else self.total


def day_report(traffic: Traffic) -> dict[str, Any]:
    """What every projection says of its day, as JSON's own types: the total, the busiest hour, how it was read."""
    peak = traffic.peak
    return {
        "expected_requests": round(traffic.expected, 6),
        "drawn": traffic.arrivals == POISSON,
        "draws": 1 + len(traffic.others),
        "peak": None if peak is None else {"when": peak.when, "requests": round(peak.requests, 6)},
        "traffic_notes": list(traffic.notes),
    }


def by_shape(requests_per_hour: float, shape: str, seed: int) -> Traffic:
    """Traffic of a shape, with `requests_per_hour` expected in its busiest hour.

    Raises:
        InputError: there is no such shape.
    """
    found = SHAPES.get(shape)
    if found is None:
        raise InputError("--shape", f"{shape!r} does not fit", f"one of {', '.join(SHAPES)}")
    spans = [
        Span(hour * HOUR_S, (hour + 1) * HOUR_S, share * requests_per_hour) for hour, share in enumerate(found.hours)
    ]
    return _drawn(spans, seed, found.days_a_month, f"{requests_per_hour:g} requests an hour, {found.description}")


def read_traffic(path: str, seed: int, day: str | None = None) -> Traffic:
    """A file's traffic.

    Args:
        path: the file.
        seed: draws the arrivals of a CSV.
        day: which day of a CSV with dates, such as 2026-03-02; None: it has one.

    Raises:
        InputError: the file cannot be read, one of its lines does not fit, or it holds several days.
    """
    text = read_text(path, FLAG, f"what fits: {FITS}")
    if not _is_trace(text):
        table = parse_day(text, path, day)
        return _drawn(table.spans, seed, _EVERY_DAY, f"{path}, every day", table.notes)
    if day is not None:
        raise InputError(
            DAY_FLAG, f"{path} is a trace of single requests", f"leave out {DAY_FLAG}; give a trace of one day"
        )
    entries = parse_trace(text, path, 1.0, FLAG, FITS)
    arrivals_s = np.array([entry.offset_ns for entry in entries]) / 1e9
    if arrivals_s[-1] >= DAY_S:
        raise InputError(FLAG, f"{path} is {arrivals_s[-1] / HOUR_S:.1f} hours long", "give one day of it")
    counts = np.bincount((arrivals_s // HOUR_S).astype(int))
    busiest = int(counts.argmax())
    peak = Peak(f"hour {busiest} after the first request", float(counts[busiest]))
    notes = ("hours count from the trace's first request",)
    return Traffic(arrivals_s, _EVERY_DAY, f"{path}, a trace, every day", OWN_TIMES, None, peak, notes)


def _is_trace(text: str) -> bool:
    """Whether a text holds single requests: JSON lines, or a CSV with the columns of a known trace."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lstrip().startswith("{"):
        return True
    try:
        heading = set(next(csv.reader([first]), []))
    except csv.Error:  # such as a cell of a megabyte
        return False
    return any(columns <= heading for columns in _TRACE_COLUMNS)


def _drawn(spans: Sequence[Span], seed: int, days: int, description: str, notes: tuple[str, ...] = ()) -> Traffic:
    """Traffic whose arrivals are drawn.

    Raises:
        InputError: the day has too many requests.
    """
    total = math.fsum(span.requests for span in spans)
    if total > MOST_REQUESTS:
        fits = f"a day of at most {MOST_REQUESTS:,} requests"
        raise InputError(f"{FLAG}, --requests-per-hour", f"the day has {total:,.0f} requests", fits)
    others = min(_MOST_OTHERS, int(_CALLS_OF_OTHERS // max(1.0, total)))
    draws = [_draw(spans, np.random.SeedSequence([seed, number])) for number in range(1 + others)]
    return Traffic(draws[0], days, description, POISSON, total, _peak(spans), notes, tuple(draws[1:]))


def _draw(spans: Sequence[Span], seed: np.random.SeedSequence) -> Floats:
    """One draw of a day, ascending: a Poisson number of arrivals in each span, at uniform times."""
    generator = np.random.Generator(np.random.PCG64(seed))
    parts = [np.empty(0)]
    for span in spans:
        count = int(generator.poisson(span.requests))
        parts.append(np.sort(generator.uniform(span.start_s, span.end_s, count)))
    return np.concatenate(parts)


def _peak(spans: Sequence[Span]) -> Peak | None:
    """The hour of the clock in which the most requests are expected; of equal ones, the first."""
    hours = [0.0] * 24
    for span in spans:
        for hour in range(int(span.start_s // HOUR_S), math.ceil(span.end_s / HOUR_S)):
            inside_s = min(span.end_s, (hour + 1) * HOUR_S) - max(span.start_s, hour * HOUR_S)
            hours[hour] += span.requests * inside_s / (span.end_s - span.start_s)
    most = max(hours)
    if not most:
        return None
    busiest = next(hour for hour, requests in enumerate(hours) if requests >= most * (1 - 1e-9))
    return Peak(f"{clock_text(busiest * HOUR_S)} to {clock_text((busiest + 1) * HOUR_S)}", most)
