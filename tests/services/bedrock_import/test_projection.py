"""From a run to a day and a month: what is fitted, what is assumed, and the report to the digit."""

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
from llmdyno.services.bedrock_import.simulation import CopiesModel
from llmdyno.services.copies import Copies, CopyLifetime
from llmdyno.services.service import NO_OVERRIDES, ScalingOverrides
from llmdyno.services.traffic import Traffic

THREE_CALLS = Traffic(np.array([0.0, 1000.0, 2000.0]), 20, "three calls")
NOTHING_BETTER = ScalingOverrides()


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Of one user for whom an answer takes ten seconds, after a cold start of a minute, at twice real speed."""
    return account_of(make_run(tmp_path, [*COLD_START, *ONE_USER], speed=2.0), FACTS, NO_OVERRIDES, None)


def test_the_model_is_what_the_run_showed(account: Account) -> None:
    found = fit(account, NOTHING_BETTER)
    assert found.service_s == pytest.approx(10.0)
    assert found.model == CopiesModel(1, 3, 60.0, 30.0, 60.0, 300.0)
    assert found.carries == (1, 10**9)
    assert found.assumptions == (
        "an answer takes 10.00 s, the mean of this run, however many calls a copy carries",
        "a copy carries 1 call at a time, the most that this run asked of one; it refused none, so the limit may be "
        "far higher (llmdyno capacity measures it; --calls-per-copy sets it)",
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
    assert found.carries == (6, 10)
    assert found.assumptions[1:6] == (
        "a copy carries 8 calls at a time, as given",
        "a cold start takes 45.0 s, as given; calls that meet a cold model wait for it",
        "another copy comes 30.0 s after the first refusal, as given",
        "copies go after 600 s without need, as given",
        "5 copies at most",
    )


def test_a_scale_up_that_the_run_showed(account: Account) -> None:
    lives = (CopyLifetime(60.0), CopyLifetime(280.0))
    refused = replace(account.calls, throttled=account.calls.sent_s == 160.0)
    scaled = replace(account, copies=Copies(lives, "test", 4), calls=refused)
    found = fit(scaled, NOTHING_BETTER)
    assert (found.model.scale_up_after_s, found.model.scale_up_delay_s) == (30.0, 90.0)
    assert found.model.calls_per_copy == 4
    assert found.carries == (3, 5)
    assert found.assumptions[3] == "another copy comes 120.0 s after the first refusal, as in this run"


def test_a_run_without_an_answer_cannot_be_projected(tmp_path: Path) -> None:
    account = account_of(make_run(tmp_path, [Sent(0.0, 0.1, NOT_READY)]), FACTS, NO_OVERRIDES, None)
    with pytest.raises(InputError, match="no request succeeded, so the run does not show how long one takes"):
        account.project(NOTHING_BETTER, THREE_CALLS)


def test_three_calls_a_day_that_each_find_the_model_cold(account: Account) -> None:
    """Each one is a window; the copy stays up for five minutes, into a second window without a call."""
    found = projection_report(account, fit(account, NOTHING_BETTER), THREE_CALLS)
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
        "traffic": "three calls",
        "requests": 3,
        "days_a_month": 20,
        "model": {
            "calls_per_copy": 1,
            "max_copies": 3,
            "service_s": pytest.approx(10.0),
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
        "month": {"low": "34.308", "dollars": "34.308", "high": "68.616"},
        "thousand_requests": "571.8",
    }
    assert account.project(NOTHING_BETTER, THREE_CALLS)["windows"] == found["windows"]


def test_without_a_price_there_are_windows_and_no_dollars(tmp_path: Path) -> None:
    run = make_run(tmp_path, [*COLD_START, *ONE_USER, Sent(505.0, 505.1, THROTTLED)])
    found = account_of(run, ModelFacts(FACTS.arn), NO_OVERRIDES, None).project(NOTHING_BETTER, THREE_CALLS)
    assert found["windows"]["billed"] == 3
    assert found["day"] == {"low": None, "dollars": None, "high": None}
    assert found["month"] == {"low": None, "dollars": None, "high": None}
    assert found["thousand_requests"] is None
    assert found["hours"][0]["dollars"] is None
