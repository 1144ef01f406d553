"""A CSV that says how many requests come when, read as one day. PURE.

In: the text of the CSV, and which day of it. Out: a :class:`DayTable`, the spans of the day and how the file was read.
It opens no file. An error names the file and the line.

Columns are known by their names, whatever the case:

- when: ``time`` (a time of day such as 09:00, an ISO date and time, or seconds of the day), ``timestamp`` and the like;
  ``seconds``; ``hour`` (0 to 23, or 1 to 24); ``date`` alone or beside one of them.
- how many: ``requests``, ``count`` and the like are a total, from this line until the next. ``requests_per_hour``,
  ``rpm``, ``requests_per_s`` and the like are a rate.

A line counts until its ``end``, ``until`` or the like, or else until the next line. The last one is then as long as the
one before it, and ends with its day. A line of an hour counts for that hour. What can be read in two ways is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, NoReturn, TypeVar

from llmdyno.errors import InputError
from llmdyno.services import daycolumns
from llmdyno.services.moments import (
    DAY_S,
    HOUR,
    HOUR_S,
    SECONDS,
    Moment,
    clock_text,
    count_of,
    date_text,
    end_of,
    moment_of,
    shown,
)

FLAG, DAY_FLAG = "--traffic", "--day"
FITS = (
    "a CSV of time,requests (a time of day such as 09:00, an ISO date and time, or seconds), of hour,requests or of "
    "time,requests_per_hour; or a trace as --arrivals replay reads"
)
_UNCLEAR_BELOW_S = 2400.0
"""Plain numbers up to this may be hours, minutes of the day or times such as 0900, as well as seconds."""
_SHOWN_DAYS = 4

T = TypeVar("T")


class Span(NamedTuple):
    """A part of the day, in seconds, and how many requests are expected in it."""

    start_s: float
    end_s: float
    requests: float


class DayTable(NamedTuple):
    """The spans of a day, ascending, and how the file was read."""

    spans: tuple[Span, ...]
    notes: tuple[str, ...]


class _Columns(NamedTuple):
    """Which columns count: the indices of the time, of a date beside it (None: none), of an end (None: none) and of the
    number; how many requests a second a rate of 1 is (None: it is a total); the heading."""

    when: int
    date: int | None
    end: int | None
    many: int
    per_s: float | None
    heading: tuple[str, ...]

    @property
    def width(self) -> int:
        """The least number of cells of a line."""
        return 1 + max(self.when, self.many, self.date or 0, self.end or 0)

    @property
    def when_name(self) -> str:
        """The plain name of the time's column."""
        return daycolumns.plain(self.heading[self.when])


class _Line(NamedTuple):
    """A line: its number in the file, its beginning, its total or rate, its end in the beginning's seconds, or None."""

    number: int
    moment: Moment
    many: float
    end_s: float | None = None


def parse_day(text: str, path: str, day: str | None) -> DayTable:
    """The day that a CSV holds.

    Args:
        text: the whole CSV.
        path: its path, for errors.
        day: which of its days, such as 2026-03-02; None: it holds one.

    Raises:
        InputError: a line does not fit, the file can be read in two ways, or it holds several days.
    """
    rows, delimiter = _rows(text, path)
    if not rows:
        _refuse(f"{path} has no line of traffic")
    columns = _columns(rows[0][1], path)
    lines = [_line(path, number, row, columns, delimiter) for number, row in rows[1:]]
    if not lines:
        _refuse(f"{path} has no line of traffic")
    _check_alike(lines, columns, path)
    hourly = lines[0].moment.kind == HOUR
    if hourly:
        lines = _hours(lines, path)
    _check_order(lines, path)
    spans = _spans(lines, columns.per_s, hourly=hourly)
    chosen, date = _choose(lines, spans, day, path)
    notes = [_how_read(columns, lines[0].moment, date, hourly=hourly)]
    left_out = [name or "(unnamed)" for index, name in enumerate(columns.heading) if index not in columns[:4]]
    if left_out:
        notes.append(f"columns left out: {', '.join(left_out)}"[:200])
    return DayTable(tuple(chosen), (*notes, *_carried(spans, chosen, date), *_unevenness(chosen)))


def _refuse(problem: str, fits: str | None = None, where: str = FLAG) -> NoReturn:
    raise InputError(where, problem, fits or f"what fits: {FITS}")


def _named(path: str, number: int, read: Callable[[], T]) -> T:
    """What `read` returns.

    Raises:
        InputError: it raises a ValueError, whose text then follows the file and the line.
    """
    try:
        return read()
    except ValueError as error:
        problem, _, fits = str(error).rpartition("; ")
        _refuse(f"{path}, line {number}: {problem}", fits)


def _rows(text: str, path: str) -> tuple[list[tuple[int, list[str]]], str]:
    """The rows that hold something, each with the number of its line; and the delimiter, the heading's most frequent
    one."""
    lines = text.splitlines()
    start, delimiter = 0, ""
    if lines and re.fullmatch(r"(?i)sep=.", lines[0]):  # a spreadsheet's own line
        start, delimiter = 1, lines[0][-1]
    heading = next((line for line in lines[start:] if line.strip()), "")
    reader = csv.reader(lines[start:], delimiter=delimiter or max(",;\t|", key=heading.count))
    try:
        rows = [(start + reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:  # such as a cell of a megabyte
        _refuse(f"{path}, line {start + reader.line_num}: {error}")
    return [(number, row) for number, row in rows if any(row)], reader.dialect.delimiter


def _columns(heading: Sequence[str], path: str) -> _Columns:
    names = [daycolumns.plain(name) for name in heading]
    times = [index for index, name in enumerate(names) if name in daycolumns.WHEN]
    dates = [index for index, name in enumerate(names) if name in daycolumns.DATES]
    counts = [index for index, name in enumerate(names) if daycolumns.is_count(name)]
    if not times:
        times, dates = dates[:1], dates[1:]
    hours = any(names[index] in daycolumns.HOURS for index in times)  # lines of an hour end with it
    ends = [index for index, name in enumerate(names) if name in daycolumns.ENDS and not hours]
    for found, what in ((times, "when"), (dates, "which day"), (ends, "until when"), (counts, "how many")):
        if len(found) > 1:
            said = " and ".join(heading[index] for index in found[:2])
            _refuse(f"{path}, line 1: the columns {said} all say {what}", "keep one of them")
    if not times or not counts:
        names_shown = ", ".join(heading[:6])[:200]
        _refuse(f"{path}, line 1: its columns are {names_shown}; none says {'how many' if times else 'when'}")
    date, end = (found[0] if found else None for found in (dates, ends))
    return _Columns(times[0], date, end, counts[0], daycolumns.per_s(names[counts[0]]), tuple(heading))


def _line(path: str, number: int, row: list[str], columns: _Columns, delimiter: str) -> _Line:
    cells, named = len(row), len(columns.heading)
    if cells > named and any(row[named:]):
        fits = 'as many cells as the heading has; a number with a separator needs quotes: "1,234"'
        _refuse(f"{path}, line {number}: it has {cells} cells, and the heading has {named}", fits)
    if cells < columns.width:
        _refuse(f"{path}, line {number}: it has {cells} cells, and the heading has {named}")
    date = None if columns.date is None else row[columns.date]
    hour = columns.when_name in daycolumns.HOURS
    moment = _named(path, number, lambda: moment_of(row[columns.when], date, hour=hour))
    many = _named(path, number, lambda: count_of(row[columns.many], delimiter))
    ended = "" if columns.end is None else row[columns.end]
    return _Line(number, moment, many, _named(path, number, lambda: end_of(ended, moment, date)) if ended else None)


def _check_alike(lines: Sequence[_Line], columns: _Columns, path: str) -> None:
    """See that all times are written in one way, and that it can be read in one way only."""
    first = lines[0].moment
    for number, moment, *_ in lines:
        if (moment.kind, moment.dated) != (first.kind, first.dated):
            _refuse(f"{path}, line {number}: its time is {moment.kind}, and the first one is {first.kind}")
        if moment.zone != first.zone:
            problem = f"its offset from UTC is {moment.zone or 'not given'}, and the first one is {first.zone or 'not'}"
            fits = "one offset for the whole day; a day on which the clock changes, in UTC"
            _refuse(f"{path}, line {number}: {problem}", fits)
    named = columns.when_name in daycolumns.SECONDS
    if first.kind == SECONDS and not named and max(line.moment.at_s % DAY_S for line in lines) <= _UNCLEAR_BELOW_S:
        problem = f"its times are numbers up to {max(line.moment.at_s % DAY_S for line in lines):g}"
        fits = "name the column hour or seconds, or write times of day such as 09:00"
        _refuse(f"{path}: {problem}, which may be hours, minutes or seconds", fits)


def _hours(lines: Sequence[_Line], path: str) -> list[_Line]:
    """The lines of hours, sorted. The hours count from 0 if there is a 0, and from 1 if there is a 24."""
    hours = [line.moment.hour for line in lines]
    if 0 in hours and 24 in hours:
        _refuse(f"{path}: its hours have a 0 and a 24", "hours from 0 to 23, or from 1 to 24")
    if 0 not in hours and 24 not in hours:
        before, at, after = (clock_text((hours[0] + step) * HOUR_S) for step in (-1, 0, 1))
        problem = f"its hours have neither a 0 nor a 24, so {hours[0]} may be {at} to {after} or {before} to {at}"
        fits = "add an hour 0 (hours from 0 to 23) or 24 (from 1 to 24) with 0 requests, or write times such as 09:00"
        _refuse(f"{path}: {problem}", fits)
    shift_s = HOUR_S if 24 in hours else 0.0
    moved = [line._replace(moment=line.moment._replace(at_s=line.moment.at_s - shift_s)) for line in lines]
    return sorted(moved, key=lambda line: line.moment.at_s)


def _check_order(lines: Sequence[_Line], path: str) -> None:
    for before, line in pairwise(lines):
        if line.moment.at_s > before.moment.at_s:
            if before.end_s is not None and before.end_s > line.moment.at_s:
                _refuse(
                    f"{path}, line {line.number}: it begins before line {before.number} ends", "one line for each time"
                )
            continue
        problem = f"{path}, line {line.number}: its time is not after the one before"
        if line.moment.at_s == before.moment.at_s:
            fits = "one line for each time; a day on which the clock changes, in UTC"
            _refuse(f"{problem} but the same as in line {before.number}", fits)
        _refuse(problem, "sort the lines by time, from 00:00 to 24:00; several days need dates")


def _spans(lines: Sequence[_Line], per_s: float | None, *, hourly: bool) -> list[Span]:
    """The span of each line, in the seconds of its moment."""
    starts = [line.moment.at_s for line in lines]
    length_s = starts[-1] - starts[-2] if len(starts) > 1 else DAY_S
    last_end_s = min(starts[-1] + length_s, (starts[-1] // DAY_S + 1) * DAY_S)
    ends = [start_s + HOUR_S for start_s in starts] if hourly else [*starts[1:], last_end_s]
    ends = [_own_end(line, end_s) for line, end_s in zip(lines, ends, strict=True)]
    return [
        Span(start_s, end_s, line.many * (1.0 if per_s is None else per_s * (end_s - start_s)))
        for start_s, end_s, line in zip(starts, ends, lines, strict=True)
    ]


def _own_end(line: _Line, next_s: float) -> float:
    """When a line ends that says so; `next_s` if it does not, or means its last minute or second, such as 09:59."""
    if line.end_s is None:
        return next_s
    left_s = next_s - line.end_s
    return next_s if 0 < left_s <= 60 and 10 * left_s <= line.end_s - line.moment.at_s else line.end_s


def _choose(lines: Sequence[_Line], spans: Sequence[Span], day: str | None, path: str) -> tuple[list[Span], str | None]:
    """The spans of one day, in the seconds of that day, and its date (None: the file has no dates)."""
    if not lines[0].moment.dated:
        if day is not None:
            _refuse(f"{path} has no dates", f"leave out {DAY_FLAG}", DAY_FLAG)
        if spans[-1].start_s >= DAY_S and (spans[-1].requests or len(spans) == 1):
            _refuse(f"{path}, line {lines[-1].number}: the day ends at 24:00, and nothing comes after it")
        return [span for span in spans if span.start_s < DAY_S], None
    days: dict[float, list[Span]] = {line.moment.at_s // DAY_S * DAY_S: [] for line in lines}
    for span in spans:
        midnight_s = span.start_s // DAY_S * DAY_S
        while midnight_s < span.end_s:
            if midnight_s in days:
                days[midnight_s].append(_clipped(span, midnight_s))
            midnight_s += DAY_S
    by_date = {date_text(midnight_s): parts for midnight_s, parts in days.items()}
    busy = {date: parts for date, parts in by_date.items() if any(part.requests for part in parts)} or by_date
    if day is not None and day not in by_date:
        _refuse(f"{path} has no day {shown(day)}", f"one of {_listed(busy)}", DAY_FLAG)
    if day is None and len(busy) > 1:
        _refuse(f"{path} holds {len(busy)} days", f"choose one with {DAY_FLAG} DATE: {_listed(busy)}")
    chosen = day or next(iter(busy))
    return by_date[chosen], chosen


def _clipped(span: Span, midnight_s: float) -> Span:
    """The part of a span within the day that begins at a midnight, in the seconds of that day."""
    start_s, end_s = max(span.start_s, midnight_s), min(span.end_s, midnight_s + DAY_S)
    share = (end_s - start_s) / (span.end_s - span.start_s)
    return Span(start_s - midnight_s, end_s - midnight_s, span.requests * share)


def _listed(days: Mapping[str, Sequence[Span]]) -> str:
    """Days with their totals; the middle of a long list is left out."""
    said = [f"{date} ({sum(part.requests for part in parts):,.0f} requests)" for date, parts in days.items()]
    return ", ".join(said if len(said) <= _SHOWN_DAYS else [*said[: _SHOWN_DAYS - 1], "…", said[-1]])


def _how_read(columns: _Columns, first: Moment, date: str | None, *, hourly: bool) -> str:
    """Which columns were read, and as what."""
    kind = {HOUR: "an hour of the day"}.get(first.kind, first.kind)
    zone = f" at {first.zone} from UTC" if first.zone.strip("+-0:") else " in UTC" if first.zone else ""
    day = f" of {date}" if date is not None else ""
    unit = next((name for name, per_s in (("hour", 1 / 3600), ("minute", 1 / 60)) if per_s == columns.per_s), "second")
    how = "a total" if columns.per_s is None else f"a rate per {unit}"
    until = "until the next line" if columns.end is None else f"until its {columns.heading[columns.end]}"
    until = "of that hour" if hourly else until
    return (
        f"read {columns.heading[columns.when]} as {kind}{zone}{day}, {columns.heading[columns.many]} as {how} {until}"
    )


def _carried(spans: Sequence[Span], chosen: Sequence[Span], date: str | None) -> list[str]:
    """That a line of the day before counts for the first hours of this one, and that its last line goes beyond it."""
    own = [span for span in spans if date is not None and date_text(span.start_s) == date]
    notes = []
    if own and own[0].start_s % DAY_S > chosen[0].start_s:
        until = clock_text(chosen[0].end_s)
        notes.append(f"until {until}, a line of the day before counts, with {chosen[0].requests:,.0f} requests")
    if own and (after := own[-1].requests - chosen[-1].requests) > 0:
        notes.append(f"the last line ends after midnight: {after:,.0f} of its requests are not of this day")
    return notes


def _unevenness(spans: Sequence[Span]) -> list[str]:
    """What a reader may not expect: a time without a line, a line that is longer than the others."""
    notes = []
    for begin_s, end_s in _gaps(spans)[:_SHOWN_DAYS]:
        notes.append(f"no line covers {clock_text(begin_s)} to {clock_text(end_s)}: no request comes then")
    lengths = sorted(span.end_s - span.start_s for span in spans[:-1])
    longest = max(spans[:-1], key=lambda span: span.end_s - span.start_s, default=None)
    if longest is not None and lengths[-1] > lengths[len(lengths) // 2] + 1:
        notes.append(
            f"lines do not come evenly: the one of {clock_text(longest.start_s)} counts until "
            f"{clock_text(longest.end_s)}, with {longest.requests:,.0f} requests"
        )
    return notes


def _gaps(spans: Sequence[Span]) -> list[tuple[float, float]]:
    """The parts of the day without a span, in seconds."""
    ends = [0.0, *(span.end_s for span in spans)]
    starts = [*(span.start_s for span in spans), DAY_S]
    return [(end_s, start_s) for end_s, start_s in zip(ends, starts, strict=True) if start_s - end_s > 1]
