"""The names of a traffic table's columns. PURE.

In: the name of a column. Out: what the column says, or the rate that it gives. It reads no cell.
"""

from __future__ import annotations

import re

TIMES = {"time", "timestamp", "datetime", "date_time", "when", "start", "start_time", "time_of_day", "hour_starting"}
SECONDS = {"seconds", "second", "s", "time_s", "offset_s", "start_s"}
HOURS = {"hour", "hours", "hour_of_day", "h"}
WHEN = TIMES | SECONDS | HOURS
ENDS = {"end", "end_time", "until", "stop", "stop_time", "to"}
DATES = {"date", "day"}
TOTALS = {"requests", "request_count", "count", "calls", "invocations", "total", "total_requests", "hits", "queries"}
_RATE = re.compile(r"(?:(?:requests?|reqs?|calls|invocations|queries|hits)_)?per_(\w+)|[rqc]p([hms])")
_PER_S = {
    **dict.fromkeys(("h", "hr", "hour"), 1 / 3600),
    **dict.fromkeys(("m", "min", "minute"), 1 / 60),
    **dict.fromkeys(("s", "sec", "second"), 1.0),
}


def plain(name: str) -> str:
    """A column's name in lower case, with one underscore between its words: "Requests / hour" is requests_per_hour."""
    return "_".join(re.findall(r"[a-z0-9]+", name.lower().replace("/", " per ")))


def per_s(name: str) -> float | None:
    """How many requests a second a rate of 1 is, in a column of this plain name; None: it is no rate."""
    found = _RATE.fullmatch(name)
    return None if found is None else _PER_S.get(found[1] or found[2])


def is_count(name: str) -> bool:
    """Whether a column of this plain name says how many requests come."""
    return name in TOTALS or per_s(name) is not None
