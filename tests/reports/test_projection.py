"""What ``reports/projection.py`` shows: a day with a known capacity, one without, one of an earlier version."""

from __future__ import annotations

from typing import Any

from tests.reports.made import COST, drawn

from llmdyno.reports import projection

KNOWN: dict[str, Any] = COST["projection"]
UNKNOWN: dict[str, Any] = {
    **KNOWN,
    **dict.fromkeys(("cold_starts", "most_copies", "waited_for_a_cold_start", "lost", "thousand_requests")),
    "capacity": {
        "known": False,
        "calls": None,
        "low": 4,
        "high": None,
        "origin": "the most that this run asked of one; it was refused nothing",
        "copies_then": 1,
        "find_with": "llmdyno capacity runs/x/spec.toml --users 4,8,16,32 --slo ttft_s=1",
    },
    "hours": [
        {
            "hour": 9,
            "requests": 1010,
            **dict.fromkeys(("copies", "windows", "dollars", "throttled", "waited", "lost")),
            "windows_low": 12,
            "windows_high": 36,
            "dollars_low": "6.8616",
            "dollars_high": "20.5848",
        },
    ],
    "windows": {"billed": None, "low": 12, "high": 37},
    "day": {"dollars": None, "low": "6.8616", "high": "21.1566"},
    "month": {"dollars": None, "low": "209.748", "high": "638.598"},
    "cold_starts_range": [1, 2],
    "copies_range": [1, 3],
}
SHOWN = """\

A day: 1000 requests an hour, flat; arrivals within an hour are Poisson
1,000 requests a day (1,010 in this draw); the busiest hour is 09:00 to 10:00,
with 1,000
columns left out: region
What a copy carries is unknown, because this run was refused nothing. At least 4
calls at once, if the run had 1 copy: at most $21.16 a day, and at least $6.862
if it carries any number (on up to 3 copies). This finds it, and
--calls-per-copy sets it:
  llmdyno capacity runs/x/spec.toml --users 4,8,16,32 --slo ttft_s=1

hour  requests   windows           dollars
   9     1,010  12 to 36  $6.862 to $20.58
from a copy that carries any number of calls to one that carries no more than
this run showed

A day                 $6.862 to $21.16: 12 to 37 windows, without storage
A month               $209.75 to $638.60: 30 such days and $3.90 for storing the
                      model
Copies                1 to 3 at the busiest time; 1 to 2 cold starts
Assumed               a copy carries 4 calls
                      a cold start takes 62.7 s
"""


def test_without_a_known_capacity_there_are_bounds_and_the_way_to_find_it() -> None:
    assert drawn(lambda page: projection.show(UNKNOWN, page, 21)) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80
    for word in ("throttled", "lost", "waited"):
        assert word not in SHOWN


def test_the_same_without_a_price() -> None:
    bare = dict.fromkeys(("dollars", "low", "high"))
    hours = [{**UNKNOWN["hours"][0], "dollars_low": None, "dollars_high": None}]
    found = {**UNKNOWN, "day": bare, "month": bare, "month_storage": None, "hours": hours}
    shown = " ".join(drawn(lambda page: projection.show(found, page, 21)).split())
    assert "at most 37 windows a day, and at least 12 if it carries any number" in shown
    assert "9 1,010 12 to 36 –" in shown
    assert projection.facts(found)[:2] == [
        ("A day", "price unknown: 12 to 37 windows"),
        ("A month", "price unknown: 30 such days"),
    ]


def test_bounds_that_are_the_same() -> None:
    hours = [{**UNKNOWN["hours"][0], "windows_high": 12, "dollars_high": "6.8616"}]
    found = {**UNKNOWN, "hours": hours, "copies_range": [1, 1], "cold_starts_range": [1, 1]}
    shown = drawn(lambda page: projection.show(found, page, 21))
    assert "   9     1,010       12   $6.862\n" in shown
    assert projection.facts(found)[-1] == ("Copies", "1 at most; 1 cold start")


def test_a_day_of_few_requests_and_one_without_any() -> None:
    small = {**KNOWN, "expected_requests": 6.5, "peak": {"when": "00:00 to 01:00", "requests": 0.25}, "requests": 7}
    shown = drawn(lambda page: projection.show(small, page, 21)).splitlines()
    assert shown[2:4] == ["6.50 requests a day (7 in this draw); the busiest hour is 00:00 to 01:00, with", "0.25"]
    none = {**KNOWN, "expected_requests": 0.0, "peak": None, "requests": 0, "drawn": False}
    assert drawn(lambda page: projection.show(none, page, 21)).splitlines()[2] == "0 requests a day"


def test_a_report_of_an_earlier_version() -> None:
    new = ("expected_requests", "drawn", "draws", "peak", "traffic_notes", "capacity", "model", "month_storage")
    old = {name: value for name, value in KNOWN.items() if name not in new}
    lines = drawn(lambda page: projection.show(old, page, 21)).splitlines()
    assert lines[1:4] == [
        "A day: 1000 requests an hour, flat; arrivals within an hour are Poisson",
        "",
        "hour  requests  copies  windows  dollars  throttled  waited  lost",
    ]
    assert projection.facts(old)[1] == ("A month", "$209.75 ($209.75 to $244.06): 30 such days")


def test_a_projected_thousand_is_of_those_served() -> None:
    lossy = {**KNOWN, "lost": 10}
    assert dict(projection.facts(lossy))["A thousand requests"] == "$6.862 ($6.862 to $7.926), of those served"
    earlier = {name: value for name, value in lossy.items() if name != "thousand_requests_range"}
    assert dict(projection.facts(earlier))["A thousand requests"] == "$6.862, of those served"
