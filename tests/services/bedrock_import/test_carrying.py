"""What a copy carries: known from a refusal or from the user, else a lower bound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.services.runs import COLD_START, FACTS, NOT_READY, ONE_USER, THROTTLED, Sent, make_run

from llmdyno.services.bedrock_import.account import Account, account_of
from llmdyno.services.bedrock_import.carrying import Carried, carried, finding_command, refused
from llmdyno.services.copies import Copies, CopyLifetime
from llmdyno.services.service import NO_OVERRIDES, Overrides, ScalingOverrides

THREE_USERS = [*ONE_USER, *ONE_USER, *ONE_USER]
SEEN = Copies((CopyLifetime(60.0),), "test", 4)


def of(path: Path, calls: list[Sent], **spec: object) -> Account:
    return account_of(make_run(path, [*COLD_START, *calls], **spec), FACTS, NO_OVERRIDES, None)  # type: ignore[arg-type]


def test_a_run_without_a_refusal_shows_a_lower_bound(tmp_path: Path) -> None:
    found = carried(of(tmp_path, THREE_USERS))
    assert found is not None
    assert (found.calls, found.low, found.high) == (None, 3, None)
    assert found.origin == "the most that this run asked of one; it was refused nothing"
    assert found.answer_s == pytest.approx(10.0)
    assert found.per_hour() == (pytest.approx(360.0), None)


def test_a_run_that_was_refused_does_not_say_that_it_was_not(tmp_path: Path) -> None:
    """Its refusals show nothing if the user gave the copies, or if a single call was refused."""
    full = [Sent(105.0, 105.1, THROTTLED)]
    given = account_of(make_run(tmp_path, [*COLD_START, *ONE_USER, *full]), FACTS, Overrides(copies=2), None)
    lonely = of(tmp_path, [*ONE_USER, Sent(550.0, 550.1, THROTTLED)])
    assert "no call was throttled while others were at work, so the run does not show" in lonely.notes[-1]
    for account, words in (
        (given, "was refused calls, but the number of copies was given by hand"),
        (lonely, "was refused calls only while nothing else was at work"),
    ):
        found = carried(account)
        assert found is not None
        assert (found.calls, found.origin) == (None, f"the most that this run asked of one; it {words}")
        assert refused(account) == words


def test_an_answer_whose_end_is_on_its_way_is_no_further_call(tmp_path: Path) -> None:
    """Each answer of one user overlaps the next request by a tenth of a second."""
    overlapping = [call._replace(end_s=call.end_s + 0.1) for call in ONE_USER]
    found = carried(of(tmp_path, overlapping))
    assert found is not None
    assert found.low == 1


def test_a_refusal_shows_the_number_and_the_user_knows_better(tmp_path: Path) -> None:
    account = replace(of(tmp_path, THREE_USERS), copies=SEEN)
    seen = carried(account)
    assert seen is not None
    assert (seen.calls, seen.low, seen.high, seen.origin) == (4, 3, 5, "as in this run when it refused more")
    given = carried(replace(account, better=ScalingOverrides(calls_per_copy=16)))
    assert given is not None
    assert (given.calls, given.low, given.high, given.origin) == (16, 13, 20, "as given")


def test_a_full_copy_delivers_no_less_than_this_run_and_no_more_than_without_slowing() -> None:
    """Five calls at once took 10 s; a copy carries 20. It delivers 1,800 requests an hour, or up to 20 × 360."""
    found = Carried(20, 16, 20, "test", 10.0, 5.0)
    assert found.slowest_s == 40.0
    assert found.per_hour() == (1800.0, 7200.0)
    assert replace_calls(found, 4).slowest_s == 10.0  # the run had more at once than that
    assert replace_calls(found, 4, high=4).per_hour() == (1440.0, 1440.0)


def replace_calls(found: Carried, calls: int, high: int = 20) -> Carried:
    return found._replace(calls=calls, high=high)


def test_a_run_with_a_call_now_and_then_shows_one_call_after_another(tmp_path: Path) -> None:
    """A call of ten seconds every hundred: any copy carries 360 of them an hour."""
    rare = [Sent(100.0 * number, 100.0 * number + 10) for number in range(1, 11)]
    account = of(tmp_path, rare)
    account.run.summary["throughput"]["whole_run"]["request_per_s"] = 0.01
    found = carried(account_of(account.run, FACTS, NO_OVERRIDES, None))
    assert found is not None
    assert (found.at_once, found.low, found.per_hour()[0]) == (1.0, 1, pytest.approx(360.0))


def test_a_run_that_was_answered_nothing_shows_nothing(tmp_path: Path) -> None:
    assert carried(account_of(make_run(tmp_path, [Sent(0.0, 0.1, NOT_READY)]), FACTS, NO_OVERRIDES, None)) is None


def test_the_command_that_finds_it_can_be_copied(tmp_path: Path) -> None:
    path = tmp_path / "my run"
    account = of(path, ONE_USER)
    assert finding_command(account, 4) == f"llmdyno capacity '{path}/spec.toml' --users 4,8,16,32 --slo ttft_s=1"
    bounded = of(path, ONE_USER, slo={"ttft_s": 0.5})
    assert finding_command(bounded, 1) == f"llmdyno capacity '{path}/spec.toml' --users 1,2,4,8"
