"""Cells of a table of traffic: when a line begins, and how many requests it has. PURE.

In: the text of a cell. Out: a :class:`Moment`, or a number. What does not fit, or may be read in two ways, raises a
ValueError: what is wrong, a semicolon, and what fits. It knows neither files nor columns.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from typing import NamedTuple

DAY_S, HOUR_S = 86_400.0, 3_600.0
TIME_OF_DAY, DATE_TIME, SECONDS, HOUR = "a time of day", "a date and time", "seconds", "an hour"
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?")
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TIME_FITS = "a time of day such as 09:00, an ISO date and time such as 2026-03-02T09:00, or seconds of the day"
_COUNT_FITS = "a number such as 1200, from 0 up"
_SHOWN = 40
_LATEST_S = date(9000, 1, 1).toordinal() * DAY_S
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009 '’_", ""))
"""Separators of thousands that mean nothing else."""


class Moment(NamedTuple):
    """When a line begins.

    `kind`: how it was written. `at_s`: seconds of the day, or, with a date, seconds since the day before 0001-01-01.
    `dated`: it has a date. `zone`: its offset from UTC, such as +02:00 (empty: none is written). `hour`: the hour as it
    was written, if `kind` is an hour.
    """

    kind: str
    at_s: float
    dated: bool = False
    zone: str = ""
    hour: int = -1


def moment_of(text: str, day: str | None = None, *, hour: bool = False) -> Moment:
    """Reads when a line begins.

    Args:
        text: the cell.
        day: the cell of a date beside it; None: there is no such column.
        hour: a whole number is an hour of the day, and not seconds.

    Raises:
        ValueError: it does not fit.
    """
    found = _read(text, hour=hour)
    if found.at_s >= _LATEST_S:
        raise ValueError(f"{shown(text)} is too late; what fits: a date before the year 9000")
    if day is None:
        return found
    if found.dated:
        raise ValueError(f"{shown(text)} has a date, and the column of dates has another; keep one of them")
    try:
        midnight_s = date.fromisoformat(day).toordinal() * DAY_S
    except ValueError:
        raise ValueError(f"{shown(day)} is no date; what fits: a date such as 2026-03-02") from None
    if midnight_s >= _LATEST_S:
        raise ValueError(f"{shown(day)} is too late; what fits: a date before the year 9000")
    return found._replace(at_s=midnight_s + found.at_s, dated=True)


def end_of(text: str, begin: Moment, day: str | None = None) -> float:
    """Reads when a line ends that has an end of its own, in the seconds of its beginning. Midnight ends the day.

    Args:
        text: the cell.
        begin: the line's beginning.
        day: the cell of a date beside it; None: there is no such column.

    Raises:
        ValueError: it does not fit, or is not after the beginning.
    """
    found = moment_of(text, day)
    if (found.kind, found.zone) != (begin.kind, begin.zone):
        ways = f"{found.kind} {found.zone}".rstrip(), f"{begin.kind} {begin.zone}".rstrip()
        raise ValueError(f"its end is {ways[0]}, and its beginning is {ways[1]}; write both in one way")
    midnight = found.kind == TIME_OF_DAY and found.at_s % DAY_S == 0 and found.at_s <= begin.at_s
    end_s = found.at_s + (DAY_S if midnight else 0.0)
    if end_s <= begin.at_s:
        raise ValueError(f"its end {shown(text)} is not after its beginning; a day ends at 24:00")
    return end_s


def _read(text: str, *, hour: bool) -> Moment:
    problem = f"{shown(text)} is no time; what fits: {_TIME_FITS}"
    if when := _CLOCK.fullmatch(text):
        hours, minutes, seconds = int(when[1]), int(when[2]), int(when[3] or 0)
        at_s = 3600 * hours + 60 * minutes + seconds + float(f"0{when[4] or ''}")
        if minutes > 59 or seconds > 59 or at_s > DAY_S:
            raise ValueError(problem)
        return Moment(TIME_OF_DAY, at_s)
    if hour and re.fullmatch(r"\d{1,2}", text):
        if int(text) > 24:
            raise ValueError(f"{shown(text)} is no hour; what fits: an hour from 0 to 23, or from 1 to 24")
        return Moment(HOUR, int(text) * HOUR_S, hour=int(text))
    if _NUMBER.fullmatch(text):
        at_s = float(text)
        if not 0 <= at_s <= DAY_S:
            unix = " (a unix time has to be written as a date and time)" if at_s > DAY_S else ""
            raise ValueError(f"{shown(text)} is not within 0 to 86400 seconds of a day{unix}; what fits: {_TIME_FITS}")
        return Moment(SECONDS, at_s)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(problem) from None
    offset = found.utcoffset()
    of_day_s = 3600 * found.hour + 60 * found.minute + found.second + found.microsecond / 1e6
    return Moment(DATE_TIME, found.toordinal() * DAY_S + of_day_s, True, "" if offset is None else _zone(offset))


def _zone(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def count_of(text: str, delimiter: str) -> float:
    """Reads a number of requests, with or without separators of thousands.

    Args:
        text: the cell.
        delimiter: what separates the cells of the file. Where it is no comma, a comma may be a decimal one.

    Raises:
        ValueError: it is no number from 0 up, or its separator may be a decimal point or one of thousands.
    """
    plain = text.translate(_SPACES)
    marks = [mark for mark in plain if mark in ".,"]
    if marks and delimiter != "," and re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", plain):
        both = plain.replace(",", ".")
        fits = "what fits: numbers without separators of thousands"
        raise ValueError(f"{shown(text)} may be {both} or {both.replace('.', '')}; {fits}")
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    elif re.fullmatch(r"[1-9]\d{0,2}(\.\d{3}){2,}(,\d+)?|[1-9]\d{0,2}\.\d{3},\d+", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif delimiter != "," and re.fullmatch(r"\d+,\d+", plain):
        plain = plain.replace(",", ".")
    count = float(plain) if _NUMBER.fullmatch(plain) else math.nan
    if not (math.isfinite(count) and count >= 0):
        raise ValueError(f"{shown(text)} is no number of requests; what fits: {_COUNT_FITS}")
    return count


def shown(text: str) -> str:
    """A cell as an error shows it: in quotes, and not all of a long one."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def clock_text(second_s: float) -> str:
    """A second of the day as a time of day: 09:00, or 09:00:30 where there are seconds."""
    minutes, seconds = divmod(round(second_s), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def date_text(at_s: float) -> str:
    """The date of a moment, seconds since the day before 0001-01-01: 2026-03-02."""
    return date.fromordinal(int(at_s // DAY_S)).isoformat()
