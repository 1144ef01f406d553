"""The worked example of docs/cost.md: from the code, by hand from literal decimals, and as it is written there."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.services.runs import ARN, FACTS, NOT_READY
from tests.support import make_record, make_timeline

from llmdyno.protocols.events import TEXT
from llmdyno.runs.environment import ClockFacts, EndpointFacts, Environment, PhaseFacts
from llmdyno.runs.run import COMPLETE, conclude_run
from llmdyno.services.bedrock_import.account import Account, account_of
from llmdyno.services.service import Overrides, ScalingOverrides, TokenPrices
from llmdyno.services.traffic import Traffic
from llmdyno.spec.spec import Spec

DOCS = Path(__file__).parents[3] / "docs" / "cost.md"
SCALING = ScalingOverrides(calls_per_copy=4)
THREE = Traffic(np.array([0.0, 1000.0, 2000.0]), 30, "three.jsonl")
CENT = Decimal("0.01")


def record(number: int, sent_s: float, end_s: float, phase: str = "measured") -> Any:
    """An answer of a hundred tokens, one each tenth of a second."""
    chunks = [(sent_s + (end_s - sent_s) * (tick + 1) / 100, TEXT, 4) for tick in range(100)]
    return make_record(number, sent_s, chunks, phase=phase, server_output_tokens=100, server_input_tokens=500)


@cache
def account() -> Account:
    refused: dict[str, Any] = {"state": "error", "http_status": 429, "error_type": NOT_READY, "headers_ns": None}
    cold = make_record(0, 0.0, [], phase="warm", end_ns=10**8, **refused)
    users = [100.0 + 10 * turn for turn in range(40) for _ in range(4)]
    load = [record(2 + number, sent_s, sent_s + 10) for number, sent_s in enumerate(users)]
    environment = Environment(
        clock=ClockFacts("kernel", 0, 1_800_000_000 * 10**9),
        endpoint=EndpointFacts(imported_model=FACTS),
        phases=(PhaseFacts("measured", 100.0, 500.0),),
    )
    spec = Spec(api="bedrock", model=ARN, requests=160, concurrency=4)
    timeline = make_timeline(cold, record(1, 60.0, 62.0, "warm"), *load)
    run = conclude_run(Path("runs/x"), spec, environment, timeline, COMPLETE)
    return account_of(run, FACTS, Overrides(copies=1, scaling=SCALING), None)


@cache
def report() -> dict[str, Any]:
    return account().report(TokenPrices(Decimal(2), Decimal(10)))


@cache
def dear() -> dict[str, Any]:
    """The comparison at the dearer price."""
    found: dict[str, Any] = account().report(TokenPrices(Decimal(10), Decimal(50)))["comparison"]
    return found


@cache
def projection() -> dict[str, Any]:
    return account().project(SCALING, THREE)


MINUTE = Decimal("0.05718") * 2
WINDOW = MINUTE * 5
HOUR = MINUTE * 60
PER_HOUR = Decimal(160) / 400 * 3600
REQUEST = (500 * Decimal(2) + 100 * Decimal(10)) / 1_000_000
STORAGE = 2 * Decimal("1.95")

FIGURES = {
    "a window": ("$0.5718", WINDOW, lambda: report()["price"]["window"]),
    "an hour": ("$6.8616", HOUR, lambda: report()["price"]["copy_hour"]),
    "the bill": ("$1.1436", 2 * WINDOW, lambda: report()["cost"]["run"]),
    "the tail": ("$0.308772", WINDOW * (662 - 500) / 300, lambda: report()["cost"]["tail"]),
    "a thousand": ("$4.765", HOUR / (PER_HOUR / 1000), lambda: report()["cost"]["thousand_requests"]),
    "a million out": ("$47.65", HOUR / (PER_HOUR * 100 / 10**6), lambda: report()["cost"]["million_output_tokens"]),
    "a million in": ("$9.53", HOUR / (PER_HOUR * 500 / 10**6), lambda: report()["cost"]["million_input_tokens"]),
    "storage": ("$3.90", STORAGE, lambda: report()["cost"]["storage_month"]),
    "warm": ("$4,940.352", HOUR * 24 * 30, lambda: report()["cost"]["warm_month"]),
    "warm, stored": ("$4,944.252", HOUR * 24 * 30 + STORAGE, lambda: report()["cost"]["warm_month_with_storage"]),
    "wake-ups": ("232", Decimal(86_400) // (300 + 62 + 10), lambda: report()["cost"]["most_wakes_a_day"]),
    "a request": (
        "$0.002",
        REQUEST,
        lambda: Decimal(report()["comparison"]["thousand_requests"]) / 1000,
    ),
    "by the token": ("$2.88", REQUEST * PER_HOUR, lambda: report()["comparison"]["hour_by_token"]),
    "needed": ("3,430.8", HOUR / REQUEST, lambda: report()["comparison"]["needed_requests_per_hour"]),
    "carried": ("1,800", Decimal(5) * 3600 / 10, lambda: report()["comparison"]["full_copy_requests_per_hour"][1]),
    "worth": ("$3.60", 1800 * REQUEST, lambda: report()["comparison"]["full_copy_by_token"][1]),
    "break-even": ("686.16", HOUR / (5 * REQUEST), lambda: dear()["break_even_requests_per_hour"]),
    "a day": ("$1.7154", 3 * WINDOW, lambda: projection()["day"]["dollars"]),
    "a thousand of them": ("$571.80", 3 * WINDOW / 3 * 1000, lambda: projection()["thousand_requests"]),
    "a month": ("$55.362", 30 * 3 * WINDOW + STORAGE, lambda: projection()["month"]["dollars"]),
    "a day at most": ("$3.4308", 6 * WINDOW, lambda: projection()["day"]["high"]),
    "a month at most": ("$106.824", 30 * 6 * WINDOW + STORAGE, lambda: projection()["month"]["high"]),
}
"""As it is written, by hand, from the code."""


@cache
def written() -> str:
    """The section of the example."""
    return DOCS.read_text(encoding="utf-8").partition("## A worked example\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_the_same_by_hand_from_the_code_and_in_the_docs(name: str) -> None:
    text, by_hand, from_code = FIGURES[name]
    assert Decimal(str(from_code())) == pytest.approx(by_hand, abs=Decimal("0.000001"))
    assert Decimal(re.sub(r"[$,]", "", text)) == by_hand
    assert f"**{text}**" in written()


def test_every_figure_in_bold_is_one_of_these() -> None:
    assert set(re.findall(r"\*\*(.+?)\*\*", written())) == {text for text, _, _ in FIGURES.values()}


def test_a_rate_times_what_was_delivered_is_the_hour_to_the_cent() -> None:
    delivered, cost = report()["delivered"], report()["cost"]
    assert delivered["window"] == {"from_s": 100.0, "length_s": 400.0, "steady": True, "short": False}
    assert delivered["requests_per_hour"] == pytest.approx(1440)
    for rate, unit, per_hour in (
        ("thousand_requests", 1_000, "requests_per_hour"),
        ("million_input_tokens", 1_000_000, "input_tokens_per_hour"),
        ("million_output_tokens", 1_000_000, "output_tokens_per_hour"),
    ):
        dollars = Decimal(cost[rate]) * Decimal(str(delivered[per_hour])) / unit
        assert dollars.quantize(CENT) == HOUR.quantize(CENT) == Decimal("6.86")


def test_what_the_example_says_of_break_even_and_of_the_day() -> None:
    cheap, found = report()["comparison"], projection()
    assert (cheap["break_even"], cheap["cheaper_here"]) == ("not reachable", False)
    assert (dear()["break_even"], dear()["cheaper_here"], dear()["always_from_copies"]) == ("reached", True, 1)
    assert report()["cost"]["wakes_a_day"] is None
    assert (found["cold_starts"], found["windows"]) == (3, {"low": 3, "billed": 3, "high": 6})
