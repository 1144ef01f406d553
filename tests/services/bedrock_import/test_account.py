"""A run's copies, windows and cost, and the content of cost.json, to the digit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.services.runs import ARN, COLD_START, FACTS, NOT_READY, ONE_USER, ORIGIN_S, THROTTLED, Sent, make_run

from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import RECOVERED
from llmdyno.services.bedrock_import.account import account_of
from llmdyno.services.bedrock_import.cloudwatch import COPIES, Readings
from llmdyno.services.service import NO_OVERRIDES, Overrides, ScalingOverrides, TokenPrices

RUN = [*COLD_START, *ONE_USER]
"""One copy from 60 s on. Its first success is at 62 s, its last call ends at 500 s: two windows. docs/cost.md
works this run and its bill out by hand."""
INFERRED_NOTES = (
    "copies are inferred from the load, because CloudWatch has no count",
    "no call was throttled, so the run does not show whether there was more than one copy",
)


@pytest.mark.parametrize("speed", [None, 1.0, 4.0])
def test_copies_windows_and_dollars(tmp_path: Path, speed: float | None) -> None:
    """The same at real speed, however fast the emulator was."""
    found = account_of(make_run(tmp_path, RUN, speed=speed), FACTS, NO_OVERRIDES, None)
    assert [(life.from_s, life.to_s) for life in found.copies.lives] == [(60.0, None)]
    assert (found.bill.windows, found.bill.low, found.bill.high, found.bill.awake) == (2, 2, 2, False)
    assert found.cold_starts_s() == ([60.0])
    assert found.price_source is not None
    assert found.price_source.startswith("noted 2026-07-21: ")
    assert found.cost is not None
    assert found.cost.run == Decimal("1.14360")
    assert found.cost.tail_s == pytest.approx(162.0)
    assert found.cost.hour == Decimal("6.86160")
    assert found.cost.thousand_requests == pytest.approx(Decimal("19.06"))
    assert found.cost.million_output_tokens == pytest.approx(Decimal("190.6"))
    assert found.notes == INFERRED_NOTES


def test_the_report_has_all_of_it(tmp_path: Path) -> None:
    account = account_of(make_run(tmp_path, RUN), FACTS, NO_OVERRIDES, None)
    report = account.report(TokenPrices(Decimal(1), Decimal(2)))
    hour_low = report["cost"]["hour_low"]
    assert float(hour_low) == pytest.approx(6.8616 * 0.99972)
    assert report == {
        "emulated": None,
        "model": {"arn": ARN, "region": "us-east-1", "units": 2, "units_version": "v1.0"},
        "copies": {
            "source": "inferred from the load",
            "calls_per_copy": None,
            "carries": None,
            "round_trip_s": pytest.approx([0.088, 0.112]),
            "at_least": True,
            "most": 1,
            "over_time": [[60.0, 1]],
            "each": [
                {
                    "from_s": 60.0,
                    "from_span_s": [0.0, 61.0],
                    "to_s": None,
                    "to_span_s": [pytest.approx(499.888), None],
                    "first_success_s": 62.0,
                    "last_s": 500.0,
                    "calls": 41,
                    "windows": [0, 1],
                    "windows_low": 2,
                    "windows_high": 2,
                }
            ],
            "possible": [],
        },
        "windows": {"billed": 2, "low": 2, "high": 2, "idle": 1, "length_s": 300.0},
        "delivered": {
            "copies": 1.0,
            "copies_low": pytest.approx(0.99972),  # it was surely there until a round trip before the last byte
            "copies_high": None,
            "window": {"from_s": 100.0, "length_s": 400.0, "steady": True, "short": False},
            "requests_per_hour": 360.0,
            "input_tokens_per_hour": 180_000.0,
            "output_tokens_per_hour": 36_000.0,
        },
        "cold_start_s": 60.0,
        "cold_start_between_s": None,
        "price": {
            "dollars_per_cmu_minute": "0.05718",
            "source": account.price_source,
            "units": 2,
            "window": "0.57180",
            "copy_hour": "6.86160",
        },
        "cost": {
            "run": "1.1436",
            "run_low": "1.1436",
            "run_high": "1.1436",
            "tail": "0.308772",
            "tail_low": "0.308772",
            "tail_high": "0.308772",
            "idle": "0.5718",
            "hour": "6.8616",
            "hour_low": hour_low,
            "hour_high": None,
            "million_input_tokens": "38.12",
            "million_output_tokens": "190.6",
            "thousand_requests": "19.06",
            "warm_hour": "6.8616",
            "storage_month": "3.9",
            "tail_s": 162.0,
            "warm_day": "164.67840",
            "warm_month": "4940.35200",
            "warm_month_with_storage": "4944.252",
            "wake": "0.57180",
            "wakes_a_day": None,
            "even_wakes_a_day": "288",
            "most_wakes_a_day": 233,  # a cold start of 60 s, an answer of 10 s, 300 s without a call
        },
        "comparison": {
            "input_dollars_per_million": "1",
            "output_dollars_per_million": "2",
            "thousand_requests": "0.7",
            "hour_by_token": "0.252",
            "hour_on_copies": "6.8616",
            "cheaper_here": False,
            "break_even": "not shown",
            "break_even_requests_per_hour": None,
            "needed_requests_per_hour": "9802.285714285714",
            "copy_hour": "6.8616",
            "full_copy_requests_per_hour": ["360", None],
            "full_copy_by_token": ["0.252", None],
            "always_from_copies": None,
            "always_from_requests_per_hour": None,
            "find_with": f"llmdyno capacity {tmp_path}/spec.toml --users 1,2,4,8 --slo ttft_s=1",
        },
        "notes": list(INFERRED_NOTES),
    }


def test_a_run_without_a_price_or_a_comparison(tmp_path: Path) -> None:
    account = account_of(make_run(tmp_path, RUN), ModelFacts(ARN, "eu-central-1", 2, "v1.0"), NO_OVERRIDES, None)
    report = account.report(TokenPrices(Decimal(1), Decimal(2)))
    assert (report["price"], report["cost"], report["comparison"]) == (None, None, None)
    assert report["notes"][-1].startswith("the table has no price of units of version v1.0 in eu-central-1")
    priced = account_of(make_run(tmp_path, RUN), FACTS, NO_OVERRIDES, None).report()
    assert priced["comparison"] is None


def test_the_user_knows_better(tmp_path: Path) -> None:
    better = Overrides(2, 8, "v2.0", "us-east-1", None)
    found = account_of(make_run(tmp_path, RUN), FACTS, better, None)
    assert found.copies.source == "given"
    assert found.bill.windows == 4
    assert found.model == ModelFacts(ARN, "us-east-1", 8, "v2.0")
    assert found.cost is not None
    assert found.cost.run == 4 * 8 * 5 * Decimal("0.1433")


def test_what_the_user_knows_of_scaling_is_in_the_report_too(tmp_path: Path) -> None:
    """32 calls at once, 10 s each, are 11,520 requests an hour at most (or 25% more of them): beyond the 9,802 that a
    copy needs. The run shows 360. With 8 calls, they are 3,600 at most, and a copy never pays."""
    prices = TokenPrices(Decimal(1), Decimal(2))
    reports = [
        account_of(
            make_run(tmp_path, RUN), FACTS, Overrides(scaling=ScalingOverrides(calls, idle_s=30.0)), None
        ).report(prices)
        for calls in (32, 8)
    ]
    assert [report["comparison"]["break_even"] for report in reports] == ["not shown", "not reachable"]
    assert [report["comparison"]["full_copy_requests_per_hour"][1] for report in reports] == ["14400", "3600"]
    assert reports[1]["comparison"]["full_copy_by_token"][1] == "2.52"
    assert reports[1]["comparison"]["find_with"] is None
    assert (reports[0]["cost"]["most_wakes_a_day"], reports[0]["cost"]["wakes_a_day"]) == (864, "288")


def test_an_endpoint_that_is_not_known_to_have_copies(tmp_path: Path) -> None:
    run = make_run(tmp_path, RUN, facts=None)
    found = account_of(run, ModelFacts(), NO_OVERRIDES, None)
    assert (found.copies.lives, found.bill.windows) == ((), 0)
    by_hand = account_of(run, ModelFacts(), Overrides(1, 2, None, None, Decimal("0.1")), None)
    assert by_hand.cost is not None
    assert by_hand.cost.run == Decimal("2.0")


def readings(**series: dict[str, list[list[float]]]) -> Readings:
    return Readings(ORIGIN_S, ORIGIN_S + 600, {}, dict(series))


def minutes(*counts: float) -> list[list[float]]:
    return [[ORIGIN_S + 60 * number, count] for number, count in enumerate(counts)]


def test_cloudwatch_goes_before_the_load(tmp_path: Path) -> None:
    gauge = {COPIES: {"Minimum": minutes(0, 0, 1, 1, 1, 1, 1, 1, 1), "Maximum": minutes(0, 1, 1, 1, 1, 1, 1, 1, 1)}}
    found = account_of(make_run(tmp_path, RUN), FACTS, NO_OVERRIDES, readings(**gauge))
    assert found.copies.source == "ModelCopy from CloudWatch"
    assert [(life.from_s, life.to_s) for life in found.copies.lives] == [(60.0, None)]
    assert (found.bill.windows, found.notes) == (2, ())


@pytest.mark.parametrize(("counted", "said"), [(41, False), (43, False), (44, True)])
def test_other_callers_are_noticed(tmp_path: Path, counted: int, said: bool) -> None:
    gauge = {COPIES: {"Maximum": minutes(0, 1, 1, 1, 1, 1, 1, 1, 1)}, "Invocations": {"Sum": minutes(0, counted)}}
    notes = account_of(make_run(tmp_path, RUN), FACTS, NO_OVERRIDES, readings(**gauge)).notes
    expected = f"CloudWatch counts {counted} invocations in this span and this run made 41"
    assert [note.startswith(expected) for note in notes] == [True] * said


def test_a_model_that_was_up_makes_the_bill_a_range(tmp_path: Path) -> None:
    found = account_of(make_run(tmp_path, ONE_USER), FACTS, NO_OVERRIDES, None)
    assert (found.bill.awake, found.bill.low, found.bill.windows, found.bill.high) == (True, 2, 2, 3)
    assert found.notes[0].startswith("nothing shows a cold model, so it may have been up before this run")


def test_a_model_that_held_its_first_call_was_not_up_if_cloudwatch_saw_it_come(tmp_path: Path) -> None:
    """The first byte of a call of 30 s comes at 130 s, and the gauge shows a copy from 120 s on. None is refused."""
    held = [Sent(30.0, 230.0), *(Sent(240.0 + 10 * number, 250.0 + 10 * number) for number in range(33))]
    run = make_run(tmp_path, held)
    counts = minutes(0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)
    seen = account_of(run, FACTS, NO_OVERRIDES, readings(**{COPIES: {"Minimum": counts, "Maximum": counts}}))
    assert (seen.bill.awake, seen.bill.low, seen.bill.high, seen.notes) == (False, 2, 2, ())
    assert account_of(run, FACTS, NO_OVERRIDES, None).bill.awake


def test_calls_that_a_killed_run_lost_are_not_passed_over(tmp_path: Path) -> None:
    run = make_run(tmp_path, RUN)
    assert not any("under way" in note for note in account_of(run, FACTS, NO_OVERRIDES, None).notes)
    run.summary["status"] = RECOVERED
    assert account_of(run, FACTS, NO_OVERRIDES, None).notes[0] == (
        "this run was stopped without its end (read back from its journal): calls under way then are not in the bill"
    )


def test_a_run_in_which_nothing_succeeded(tmp_path: Path) -> None:
    refused: list[Any] = [Sent(float(number), number + 0.1, NOT_READY) for number in range(5)]
    found = account_of(make_run(tmp_path, refused), FACTS, NO_OVERRIDES, None)
    assert found.delivered is None
    assert found.cost is not None
    assert (found.cost.run, found.cost.hour, found.cost.warm_hour) == (0, None, Decimal("6.86160"))


def test_refusals_show_what_a_copy_carries(tmp_path: Path) -> None:
    """They leave room for two more copies, so the bill is a range, and so is the part that pays for the tail."""
    more = [Sent(105.0 + number, 105.1 + number, THROTTLED) for number in range(3)]
    found = account_of(make_run(tmp_path, [*RUN, *more]), FACTS, NO_OVERRIDES, None)
    assert (found.copies.calls_per_copy, found.copies.carries) == (1, (1, 1))
    report = found.report()
    assert report["copies"]["at_least"] is False
    assert (report["windows"]["low"], report["windows"]["billed"], report["windows"]["high"]) == (2, 2, 4)
    assert report["copies"]["possible"] == [
        {"from_span_s": [107.0, None], "to_span_s": [107.0, None], "windows_high": 2}
    ]
    assert (report["cost"]["run_low"], report["cost"]["run_high"]) == ("1.1436", "2.2872")
    assert (report["cost"]["tail_low"], report["cost"]["tail_high"]) == ("0", "1.1436")
