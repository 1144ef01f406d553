"""From a run to a day and a month: what is fitted, what is assumed, what is not known, the report to the digit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.services.runs import COLD_START, FACTS, NOT_READY, ONE_USER, THROTTLED, Sent, make_run

from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.services.bedrock_import.account import Account, account_of
from llmdyno.services.bedrock_import.projection import fit, projection_report
from llmdyno.services.bedrock_import.simulation import CopiesModel, project
from llmdyno.services.copies import Copies, CopyLifetime
from llmdyno.services.service import NO_OVERRIDES, ScalingOverrides
from llmdyno.services.traffic import Peak, Traffic, by_shape

THREE_CALLS = Traffic(
    np.array([0.0, 1000.0, 2000.0]), 20, "three calls", peak=Peak("hour 0 after the first request", 3.0)
)
NOTHING_BETTER = ScalingOverrides()
ONE_A_COPY = ScalingOverrides(calls_per_copy=1, scale_up_s=90.0)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Of one user for whom an answer takes ten seconds, after a cold start of a minute, at twice real speed."""
    return account_of(make_run(tmp_path, [*COLD_START, *ONE_USER], speed=2.0), FACTS, NO_OVERRIDES, None)


def test_the_model_is_what_the_run_showed(account: Account) -> None:
    found = fit(account, NOTHING_BETTER)
    assert found.model == CopiesModel(1, 3, 60.0, 30.0, 60.0, 300.0)
    assert found.quick_and_slow == (
        CopiesModel(1, 3, 60.0, 0.0, 45.0, 300.0),
        CopiesModel(1, 3, 60.0, 30.0, 150.0, 300.0),
    )
    assert (found.carries.calls, found.carries.low, found.carries.high) == (None, 1, None)
    assert found.carries.answer_s == pytest.approx(10.0)
    assert found.assumptions == (
        "an answer takes 10.00 s, the mean of this run, in which a copy had 1.0 call at once",
        "a copy carries at least 1 call at a time, the most that this run asked of one; it was refused nothing",
        "a cold start takes 60.0 s, as in this run; calls that meet a cold model wait for it",
        "another copy comes 90.0 s after the first refusal, a guess: this run did not show it",
        "copies go after 300 s without need, as documented",
        "3 copies at most, the default quota of an account",
        "a refused call is sent again up to 5 times, after longer and longer pauses, and then lost",
        "windows without a call are not billed, and the model is cold when the day begins",
    )


def test_the_user_knows_better(account: Account) -> None:
    found = fit(account, ScalingOverrides(8, 5, 45.0, 30.0, 600.0))
    assert found.model == CopiesModel(8, 5, 45.0, 10.0, 20.0, 600.0)
    assert found.quick_and_slow == (CopiesModel(8, 5, 45.0, 0.0, 30.0, 600.0), found.model)
    assert (found.carries.calls, found.carries.low, found.carries.high) == (8, 6, 10)
    assert found.assumptions[:6] == (
        "an answer takes 10.00 s, the mean of this run, in which a copy had 1.0 call at once; on a full copy it may "
        "take up to 80.0 s, which the range includes",
        "a copy carries 8 calls at a time, as given",
        "a cold start takes 45.0 s, as given; calls that meet a cold model wait for it",
        "another copy comes 30.0 s after the first refusal, as given",
        "copies go after 600 s without need, as given",
        "5 copies at most",
    )


def test_a_cold_start_that_the_run_did_not_show_is_a_guess_with_bounds(tmp_path: Path) -> None:
    warm = account_of(make_run(tmp_path, ONE_USER), FACTS, NO_OVERRIDES, None)
    found = fit(warm, NOTHING_BETTER)
    assert [model.cold_start_s for model in (found.model, *found.quick_and_slow)] == [60.0, 30.0, 120.0]
    assert found.assumptions[2].startswith("a cold start takes 60.0 s, a guess: this run did not show it;")


@pytest.mark.parametrize(
    ("span", "bounds", "said"),
    [
        (None, (120.0, 120.0), "as in this run"),
        ((220.0, 340.0), (60.0, 180.0), "as in this run (60 to 180 s)"),
        ((100.0, float("inf")), (0.0, 340.0), "as in this run (0 to 340 s)"),  # the run ends 340 s after the refusal
    ],
)
def test_a_scale_up_that_the_run_showed(
    account: Account, span: tuple[float, float] | None, bounds: tuple[float, float], said: str
) -> None:
    lives = (CopyLifetime(60.0), CopyLifetime(280.0, None, span))
    refused = replace(account.calls, throttled=account.calls.sent_s == 160.0)
    scaled = replace(account, copies=Copies(lives, "test", 4), calls=refused)
    found = fit(scaled, NOTHING_BETTER)
    assert (found.model.scale_up_after_s, found.model.scale_up_delay_s) == (30.0, 90.0)
    assert [model.scale_up_after_s + model.scale_up_delay_s for model in found.quick_and_slow] == list(bounds)
    assert found.model.calls_per_copy == 4
    assert (found.carries.low, found.carries.high) == (3, 5)
    assert found.assumptions[3] == f"another copy comes 120.0 s after the first refusal, {said}"


def test_a_run_without_an_answer_cannot_be_projected(tmp_path: Path) -> None:
    account = account_of(make_run(tmp_path, [Sent(0.0, 0.1, NOT_READY)]), FACTS, NO_OVERRIDES, None)
    with pytest.raises(InputError, match="no request succeeded, so the run does not show how long one takes"):
        account.project(NOTHING_BETTER, THREE_CALLS)


def test_three_calls_a_day_that_each_find_the_model_cold(account: Account) -> None:
    """Each one is a window; the copy stays up for five minutes, into a second window without a call. A month has
    storage."""
    found = projection_report(account, fit(account, ONE_A_COPY), THREE_CALLS)
    assert found["hours"] == [
        {
            "hour": 0,
            "requests": 3,
            "copies": round(3 * 310 / 3600, 3),
            "windows": 3,
            "dollars": "1.7154",
            "throttled": 0,
            "lost": 0,
            "waited": 3,
        }
    ]
    del found["hours"], found["assumptions"]
    assert found == {
        "traffic": "three calls; arrivals at the trace's own times",
        "requests": 3,
        "expected_requests": 3,
        "drawn": False,
        "draws": 1,
        "peak": {"when": "hour 0 after the first request", "requests": 3.0},
        "traffic_notes": [],
        "days_a_month": 20,
        "capacity": {
            "known": True,
            "calls": 1,
            "low": 1,
            "high": 1,
            "origin": "as given",
            "unknown_because": None,
            "copies_then": 1,
            "find_with": None,
        },
        "model": {
            "calls_per_copy": 1,
            "max_copies": 3,
            "service_s": pytest.approx(10.0),
            "slowest_service_s": pytest.approx(10.0),
            "cold_start_s": 60.0,
            "scale_up_s": 90.0,
            "idle_s": 300.0,
        },
        "cold_starts": 3,
        "most_copies": 1,
        "served": 3,
        "waited_for_a_cold_start": 3,
        "throttled_attempts": 0,
        "lost": 0,
        "windows": {"low": 3, "billed": 3, "high": 6},
        "day": {"low": "1.7154", "dollars": "1.7154", "high": "3.4308"},
        "month": {"low": "38.208", "dollars": "38.208", "high": "72.516"},
        "month_storage": "3.9",
        "thousand_requests": "571.8",
        "thousand_requests_range": ["571.8", "1143.6"],
    }
    assert account.project(ONE_A_COPY, THREE_CALLS)["windows"] == found["windows"]


def test_what_a_copy_carries_is_unknown_where_nothing_was_refused(account: Account) -> None:
    """Two calls at a time all day long: one copy that carries any number, or two that carry one call each."""
    arrivals_s = np.repeat(np.arange(0.0, 7200.0, 15.0), 2)
    pairs = Traffic(arrivals_s, 20, "pairs", peak=Peak("all day", 480.0))
    found = account.project(NOTHING_BETTER, pairs)
    assert found["capacity"] == {
        "known": False,
        "calls": None,
        "low": 1,
        "high": None,
        "origin": "the most that this run asked of one; it was refused nothing",
        "unknown_because": "this run was refused nothing",
        "copies_then": 1,
        "find_with": f"llmdyno capacity {account.run.path}/spec.toml --users 1,2,4,8 --slo ttft_s=1",
    }
    quick = CopiesModel(1, scale_up_after_s=0.0, scale_up_delay_s=45.0)
    alone, any_number = (
        project(arrivals_s.tolist(), 10.0, model) for model in (quick, replace(quick, calls_per_copy=10**9))
    )
    assert any_number.windows == 24  # of two hours
    assert alone.windows > 40
    assert alone.total("throttled") > 0
    assert found["windows"]["low"] == 24
    assert found["windows"]["billed"] is None
    assert found["windows"]["high"] >= alone.windows + alone.idle_windows
    assert found["day"]["low"] == "13.7232"  # 24 × 0.5718
    assert found["day"]["dollars"] is None
    assert (found["month"]["low"], found["month"]["dollars"]) == ("278.364", None)
    for name in ("throttled_attempts", "lost", "served", "waited_for_a_cold_start", "most_copies", "cold_starts"):
        assert found[name] is None
    assert (found["cold_starts_range"], found["copies_range"][0]) == ([1, 1], 1)
    assert (found["thousand_requests"], found["thousand_requests_range"]) == (None, None)
    assert found["model"]["calls_per_copy"] is None
    hour = found["hours"][1]
    assert (hour["windows_low"], hour["dollars_low"]) == (12, "6.8616")
    assert hour["windows_high"] > 12
    assert [hour[name] for name in ("copies", "windows", "dollars", "throttled", "lost", "waited")] == [None] * 6


def test_more_draws_of_a_small_day_are_in_its_range(account: Account) -> None:
    """Six calls a day come in nine draws as often as they happen to; the range holds all of them."""
    traffic = by_shape(0.25, "flat", 1)
    found = account.project(ONE_A_COPY, traffic)
    counts = [project(draw.tolist(), 10.0, CopiesModel(1)).windows for draw in (traffic.arrivals_s, *traffic.others)]
    assert (found["draws"], found["drawn"], found["expected_requests"]) == (10, True, 6)
    assert min(counts) < found["windows"]["billed"] < max(counts)
    assert found["windows"]["low"] == 1  # min(counts) less four times the range, divided by ten draws; one at least
    assert min(counts) - (max(counts) - min(counts)) * 4 / 10 < 1
    assert found["windows"]["high"] > max(counts)
    assert found["traffic"].endswith("; arrivals within an hour are Poisson")


def test_a_run_at_little_load_leaves_open_how_long_a_full_copy_takes(account: Account) -> None:
    """Eight calls at once may take ten seconds each, or as long as eight of them one after the other."""
    busy = Traffic(np.arange(0.0, 7200.0, 2.0), 20, "busy", peak=Peak("all day", 1800.0))
    found = account.project(ScalingOverrides(calls_per_copy=8, scale_up_s=90.0), busy)
    assert found["model"]["slowest_service_s"] == pytest.approx(80.0)
    assert found["windows"]["billed"] == 24
    assert found["windows"]["high"] >= 60  # three copies


def test_draws_that_agree_leave_a_window_for_each_further_copy_to_chance(account: Account) -> None:
    """A trace is as it is. Draws may all bring a further copy at the same time, and the next one a window later."""
    arrivals_s = np.arange(0.0, 7200.0, 2.0)
    trace = Traffic(arrivals_s, 20, "busy", peak=Peak("all day", 1800.0))
    better = ScalingOverrides(calls_per_copy=3, scale_up_s=90.0, max_copies=3)
    exact, drawn = (account.project(better, one) for one in (trace, replace(trace, others=(arrivals_s,))))
    further = exact["most_copies"] - 1
    assert further >= 1
    assert drawn["windows"]["low"] == exact["windows"]["low"] - further
    assert drawn["windows"]["billed"] == exact["windows"]["billed"]
    assert drawn["windows"]["high"] == exact["windows"]["high"] + further


def test_without_a_price_there_are_windows_and_no_dollars(tmp_path: Path) -> None:
    run = make_run(tmp_path, [*COLD_START, *ONE_USER, Sent(505.0, 505.1, THROTTLED)])
    found = account_of(run, ModelFacts(FACTS.arn), NO_OVERRIDES, None).project(ONE_A_COPY, THREE_CALLS)
    assert found["windows"]["billed"] == 3
    assert found["day"] == {"low": None, "dollars": None, "high": None}
    assert found["month"] == {"low": None, "dollars": None, "high": None}
    assert found["month_storage"] is None
    assert (found["thousand_requests"], found["thousand_requests_range"]) == (None, None)
    assert found["hours"][0]["dollars"] is None
    unknown = account_of(run, ModelFacts(FACTS.arn), NO_OVERRIDES, None).project(NOTHING_BETTER, THREE_CALLS)
    assert unknown["hours"][0]["dollars_low"] is None


def test_a_model_of_another_version_of_units_has_its_own_price(tmp_path: Path) -> None:
    account = account_of(make_run(tmp_path, ONE_USER), replace_version("v2.0"), NO_OVERRIDES, None)
    found = account.project(ONE_A_COPY, THREE_CALLS)
    assert found["day"]["dollars"] == "4.299"  # 3 windows × 2 units × 5 minutes × $0.1433
    assert found["month"]["dollars"] == "89.88"  # 20 days and $3.90


def replace_version(version: str) -> ModelFacts:
    return ModelFacts(FACTS.arn, FACTS.region, FACTS.units, version)
