"""The cost report of a run that is billed by the token, from a report made by hand. docs/cost.md has a whole one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.reports.made import drawn

from llmdyno.reports import cost_tokens


def bounds(low: str | None, high: str | None = None) -> dict[str, str | None]:
    return {"low": low, "dollars": low, "high": high or low}


REPORT: dict[str, Any] = {
    "billing": "tokens",
    "emulated": None,
    "model": {"name": "m", "base": None, "region": None},
    "tier": None,
    "price": {"input": "3.00", "output": "15.00", "cached": None, "written": None, "source": "the price given"},
    "requests": {"sent": 3, "answered": 3, "estimated": 0, "failed": 0, "refused": 0, "warmup": 0},
    "tokens": {"fresh": [1500] * 3, "cached": [0] * 3, "output": [600] * 3},
    "delivered": {
        "requests_per_hour": 1800.0, "input_tokens_per_hour": 9e5, "output_tokens_per_hour": 3.6e5, "window_s": 6.0,
        "steady": True,
    },
    "cost": {
        "run": bounds("0.0135"),
        "request": bounds("0.0045"),
        "thousand_requests": bounds("4.5"),
        "million_output_tokens": bounds("22.5"),
        "hour": bounds("8.1"),
    },
    "comparison": None,
    "hourly": None,
    "notes": [],
}  # fmt: skip


def test_a_report_without_doubts_has_points() -> None:
    assert cost_tokens.facts(REPORT) == [
        ("Requests", "3 sent, 3 answered"),
        ("Tokens", "1,500 in, 600 out"),
        ("This run", "$0.014"),
        ("A request", "$0.0045"),
        ("A thousand requests", "$4.50"),
        ("A million tokens out", "$22.50, with their input"),
        (
            "An hour of this load",
            "$8.10 for 1,800 requests with 900,000 tokens in and 360,000 out, from a steady window of 6.0 s",
        ),
    ]


def test_bounds_that_differ_are_both_shown() -> None:
    cost = {**REPORT["cost"], "run": bounds("1", "2"), "request": None, "million_output_tokens": None, "hour": None}
    requests = {**REPORT["requests"], "failed": 1, "refused": 2, "warmup": 1}
    tokens = {"fresh": [10, 20, 30], "cached": [5, 5, 5], "output": [1, 2, 3]}
    found = cost_tokens.facts({**REPORT, "cost": cost, "requests": requests, "tokens": tokens})
    assert found == [
        ("Requests", "3 sent, 3 answered, 1 failed, 2 refused; 1 of them warm-up"),
        ("Tokens", "15 to 35 in (5 of them cached), 1 to 3 out"),
        ("This run", "$1.00 to $2.00"),
    ]
    delivered = {**REPORT["delivered"], "steady": False}
    assert cost_tokens.facts({**REPORT, "delivered": delivered})[-1][1].endswith(
        "from the whole run of 6.0 s, which has no steady window"
    )


def test_no_price() -> None:
    shown = drawn(lambda page: cost_tokens.show({**REPORT, "price": None, "cost": None}, page, Path("runs/x")))
    assert shown.splitlines()[1:3] == ["Cost by the token: runs/x", "m"]
    assert "$" not in shown


@pytest.mark.parametrize(
    ("even", "beyond", "text"),
    [
        (("8000", "8000"), False, "$39.60 an hour costs the same at 8,000 requests an hour, if it carries them; this "
         "load is below that"),
        (("8000", "9000"), None, "$39.60 an hour costs the same at 8,000 to 9,000 requests an hour, if it carries "
         "them; this load is between these bounds"),
        (("8000", None), None, "$39.60 an hour costs the same at 8,000 or more requests an hour, if it carries them; "
         "this load is between these bounds"),
        (("1", "1"), True, "$39.60 an hour costs the same at 1 requests an hour, if it carries them; this load is "
         "above that"),
        ((None, None), False, "$39.60 an hour never costs less, because these requests cost nothing"),
    ],
)  # fmt: skip
def test_a_price_an_hour(even: tuple[str | None, str | None], beyond: bool | None, text: str) -> None:
    low, high = even
    hourly = {"hour": "39.60", "break_even_requests_per_hour": {"low": low, "high": high}, "beyond": beyond}
    assert cost_tokens.facts({**REPORT, "hourly": hourly})[-1] == ("By the hour", text)


def test_a_projected_day_in_short_and_in_full() -> None:
    hours = [{"hour": hour, "requests": 9 * (hour == 9), "cost": bounds("0.0405", "0.05")} for hour in range(24)]
    projection = {
        "traffic": "a day", "requests": 9, "days_a_month": 22, "assumptions": ["one", "two"],
        "tokens": {"input": 4500.0, "output": 1800.0}, "hours": hours,
        "day": bounds("0.0405", "0.05"), "month": bounds("0.891", "1.1"),
    }  # fmt: skip
    report = {**REPORT, "projection": projection}
    assert cost_tokens.facts(report)[-2:] == [
        ("Projected day", "a day: $0.040 to $0.05: 9 requests, 4,500 tokens in, 1,800 out"),
        ("Projected month", "$0.891 to $1.10: 22 such days"),
    ]
    shown = drawn(lambda page: cost_tokens.show(report, page, Path("runs/x")))
    assert "hour  requests          dollars\n   9         9  $0.040 to $0.05\n" in shown
    assert "Assumed               one\n                      two\n" in shown


def test_an_emulated_run_and_a_tier_are_named() -> None:
    report = {
        **REPORT,
        "emulated": {"profile": "p"},
        "tier": "flex",
        "model": {"name": "m", "base": "b", "region": "us-east-1"},
    }
    shown = drawn(lambda page: cost_tokens.show(report, page, Path("runs/x")))
    assert "EMULATED: nothing was billed." in shown
    assert "m · b · us-east-1 · service tier flex" in shown
