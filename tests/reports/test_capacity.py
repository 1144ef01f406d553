"""What ``reports/capacity.py`` shows of a report made by hand."""

from __future__ import annotations

from pathlib import Path

from tests.reports.made import CAPACITY, drawn

from llmdyno.reports import capacity

SHOWN = """\

Capacity: p95 of time to first token ≤ 500.0 ms

users  copies  requests  throttled      TTFT
    2    1.00     1,234       0.0%  200.0 ms  within
    4    1.50        12       2.5%    1.20 s  beyond: TTFT, throttling (few)
(few): too few requests to be sure

Capacity      2 users within bounds on one copy (94% of resamples agree; 95% of
              them lie between 2 and 4 users)
Limit         4 users are beyond it, by time to first token; the bound is
              crossed at about 2.6 users
"""


def test_the_whole_report_at_eighty_columns() -> None:
    assert drawn(lambda page: capacity.show(CAPACITY, page, Path("runs/x"))) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80


def test_several_copies_and_no_limit() -> None:
    report = {**CAPACITY, "beyond": None, "copies_then": 1.5, "per_copy": 4 / 3}
    assert capacity.facts(report) == [
        (
            "Capacity",
            "2 users within bounds on 1.50 copies: 1.3 per copy "
            "(94% of resamples agree; 95% of them lie between 2 and 4 users)",
        ),
        ("Limit", "not reached; try more users"),
    ]


def test_copies_within_bounds_give_a_capacity_within_bounds() -> None:
    levels = [{**CAPACITY["levels"][0], "copies_span": [1.0, 2.0]}, *CAPACITY["levels"][1:]]
    report = {**CAPACITY, "levels": levels, "copies_span": [1.0, 2.0], "per_copy_span": [1.0, 2.0]}
    assert capacity.facts(report)[0][1].startswith(
        "2 users within bounds on 1.00 to 2.00 copies: 1.0 to 2.0 per copy ("
    )
    shown = drawn(lambda page: capacity.show(report, page, Path("runs/x"))).splitlines()
    assert shown[4].startswith("    2  1.0 to 2.0     1,234       0.0%")
    assert max(map(len, shown)) <= 80


def test_copies_that_may_have_been_more_give_a_capacity_that_may_be_less() -> None:
    report = {**CAPACITY, "copies_at_least": True}
    assert capacity.facts(report)[0][1].startswith("2 users within bounds on one copy or more (94%")
    several = {**report, "copies_then": 1.5, "per_copy": 4 / 3}
    assert "on 1.50 copies or more: 1.3 per copy or fewer (" in capacity.facts(several)[0][1]
    shown = drawn(lambda page: capacity.show(report, page, Path("runs/x"))).splitlines()
    assert shown[4].startswith("    2  ≥ 1.00     1,234       0.0%")
    assert max(map(len, shown)) <= 80


def test_unknown_copies_give_no_capacity_per_copy() -> None:
    report = {**CAPACITY, "copies_source": "unknown: the endpoint is no imported model"}
    assert capacity.facts(report)[0][1].startswith("2 users within bounds in all (94%")


def test_no_level_within_bounds() -> None:
    ((label, value),) = capacity.facts({**CAPACITY, "users": None})
    assert (label, value[:37]) == ("Capacity", "not even 2 users are within bounds (9")
