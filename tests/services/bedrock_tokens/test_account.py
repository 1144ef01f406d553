"""A run's cost by the token, as cost.json holds it; and the worked example of the documents, to the cent."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.reports.made import EMULATED, drawn
from tests.services.tokens import SONNET, answered, failed, token_run

from llmdyno.errors import InputError
from llmdyno.reports.files import module_of
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_tokens.service import SERVICE
from llmdyno.services.service import NO_OVERRIDES, Overrides, ScalingOverrides, TokenPrices
from llmdyno.services.traffic import POISSON, Peak, Traffic
from llmdyno.timeline.record import RequestRecord

DOCUMENT = Path(__file__).parents[3] / "docs" / "cost.md"
DAY = Traffic(np.array([9 * 3600.0] * 3000 + [10 * 3600.0] * 1000), 22, "a day")


def report(run: Run, overrides: Overrides = NO_OVERRIDES, prices: TokenPrices | None = None) -> dict[str, Any]:
    return {"billing": SERVICE.billing, **SERVICE.account(run, overrides).report(prices)}


def example_text() -> str:
    """The section of the document with the worked example."""
    return (
        DOCUMENT.read_text(encoding="utf-8").partition("### A worked example by the token\n")[2].partition("\n## ")[0]
    )


def example() -> Run:
    """The run of the worked example in docs/cost.md."""
    records = [answered(number, 500, 200, cached_input_tokens=100) for number in range(1000)]
    for number in range(1000, 1010):
        records.append(
            failed(number, "timeout", 50, server_input_tokens=500, sent_ns=2_000 * 10**9, end_ns=2_000 * 10**9)
        )
    for number in range(1010, 1015):
        told = {"server_input_tokens": 500, "sent_ns": 2_000 * 10**9, "end_ns": 2_000 * 10**9}
        records.append(failed(number, "stream_error", 120, **told))
    for number in range(1015, 1035):
        records.append(failed(number, "http_status", 0, 429, sent_ns=2_000 * 10**9, end_ns=2_000 * 10**9))
    return token_run(*records)


def test_the_worked_example_of_the_documents() -> None:
    run = example()
    found = report(run, Overrides(compare_hour=Decimal("39.60")))
    assert found["cost"]["run"] == {"low": "4.23", "dollars": "4.23", "high": "4.3215"}
    assert found["cost"]["thousand_requests"] == {"low": "4.23", "dollars": "4.23", "high": "4.3215"}
    assert found["cost"]["million_output_tokens"] == {"low": "21.15", "dollars": "21.15", "high": "21.6075"}
    shown = example_text().partition("```text\n")[2].partition("```")[0]
    printed = drawn(lambda page: module_of("cost", found).show(found, page, run.path))
    lines = [line for line in printed.splitlines() if not line.startswith("Cost by the token")]
    assert "\n".join(lines).strip() == shown.strip()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("sum_", "millionths"),
    [
        ("400,000 × $3.00 + 100,000 × $0.30 + 200,000 × $15.00 = $4.23", 400_000 * 3 + 30_000 + 200_000 * 15),
        ("10 × (500 × $3.00 + 400 × $15.00) = $0.075", 10 * (500 * 3 + 400 * 15)),
        ("5 × (500 × $3.00 + 120 × $15.00) = $0.0165", 5 * (500 * 3 + 120 * 15)),
        ("$39.60 ÷ $0.0043215 = 9,163", round(39.60 / 0.0043215 * 1e6)),
        ("$39.60 ÷ $0.00423 = 9,362", round(39.60 / 0.00423 * 1e6)),
    ],
)
def test_the_sums_of_the_worked_example_are_right(sum_: str, millionths: int) -> None:
    assert sum_ in re.sub(r"\s+", " ", example_text())
    result = sum_.rpartition("= ")[2].replace("$", "").replace(",", "")
    assert Decimal(millionths) / 1_000_000 == pytest.approx(Decimal(result), abs=Decimal("0.5") if "÷" in sum_ else 0)


def test_a_run_without_a_price_has_its_tokens_and_says_why() -> None:
    found = report(token_run(answered(0), model="bedrock/us-east-1/new.model-v1:0"))
    assert (found["price"], found["cost"]) == (None, None)
    assert found["tokens"] == {"fresh": [500] * 3, "cached": [0] * 3, "output": [200] * 3}
    assert found["notes"] == ["the table has no price of new.model-v1:0; give --price IN,OUT"]


def test_the_users_price_wins_and_prices_any_endpoint() -> None:
    given = Overrides(prices=TokenPrices(Decimal("0.5"), Decimal("1.5")))
    bedrock = report(token_run(answered(0)), given)
    assert bedrock["price"]["source"] == "the price given"
    assert bedrock["cost"]["run"]["dollars"] == "0.00055"
    assert bedrock["notes"] == []
    other = report(token_run(answered(0), api="openai", base_url="http://h/v1", model="gpt-4.1"), given)
    assert other["cost"] == bedrock["cost"]
    assert other["model"] == {"name": "gpt-4.1", "base": None, "region": None}
    assert other["notes"] == ["the price is the one given: llmdyno does not know what this endpoint bills"]


def test_the_users_region_and_the_tier_of_the_answers() -> None:
    run = token_run(answered(0), model="bedrock/us-east-1/amazon.nova-pro-v1:0")
    assert report(run, Overrides(region="eu-west-1"))["cost"] is None
    told = token_run(answered(0), answered(1), model="bedrock/us-east-1/amazon.nova-pro-v1:0")
    tiers = told.timeline.requests["response_id"].copy()
    told.timeline.requests["service_tier"] = tiers
    tiers[:] = "flex"
    assert report(told)["cost"]["run"]["dollars"] == "0.00104"  # 2 × (500 × $0.40 + 200 × $1.60)
    assert report(told)["tier"] == "flex"
    tiers[0] = "default"
    mixed = report(told)
    assert mixed["cost"] is None
    assert mixed["notes"] == ["the answers came from several service tiers (default, flex); give --price IN,OUT"]


def test_what_the_notes_say_of_requests_that_are_not_exact() -> None:
    records = (answered(0, None, None), failed(1, "timeout", 5), failed(2, "http_status", 0, 429))
    notes = report(token_run(*records, extra_body={"cachePoint": {}}))["notes"]
    assert [note.partition(":")[0] for note in notes] == [
        "the server did not count the tokens of 1 request",
        "1 request failed, and what is billed for it is unknown",
        "1 request was refused with a status from 400 to 499",
        "the requests' own fields speak of a cache, and how many tokens are written to it is not recorded",
    ]
    cached = report(
        token_run(answered(0, cached_input_tokens=9)), Overrides(prices=TokenPrices(Decimal(1), Decimal(2)))
    )
    assert cached["notes"][-1].endswith("give --price IN,OUT,CACHED")


def test_rates_of_an_emulated_run_are_at_real_speed() -> None:
    plain = report(token_run(*(answered(number) for number in range(9))))["delivered"]
    fast = report(token_run(*(answered(number) for number in range(9)), emulated=EMULATED))
    assert plain["requests_per_hour"] == pytest.approx(1800)
    assert fast["emulated"]["speed"] == 10.0
    assert fast["delivered"]["requests_per_hour"] == pytest.approx(180)
    assert fast["delivered"]["window_s"] == pytest.approx(10 * plain["window_s"])


def test_comparisons_with_other_prices_and_with_an_hour() -> None:
    run = token_run(*(answered(number) for number in range(4)))
    found = report(run, Overrides(compare_hour=Decimal("9.00")), TokenPrices(Decimal("0.22"), Decimal("0.88")))
    assert found["comparison"]["thousand_requests"]["dollars"] == "0.286"  # 0.5 × $0.22 + 0.2 × $0.88
    assert found["hourly"] == {
        "hour": "9.00",
        "break_even_requests_per_hour": {"low": "2000", "high": "2000"},
        "beyond": False,
    }
    dear = report(run, Overrides(compare_hour=Decimal("8.00")))
    assert dear["hourly"]["beyond"] is True
    assert (dear["comparison"], report(run)["hourly"]) == (None, None)


def test_a_day_of_traffic() -> None:
    account = SERVICE.account(token_run(*(answered(number) for number in range(4))))
    found = account.project(ScalingOverrides(), DAY)
    assert found["day"] == {"low": "18", "dollars": "18", "high": "18"}  # 4,000 × $0.0045, without any spread
    assert found["month"]["dollars"] == "396"
    assert found["tokens"] == {"input": 2_000_000.0, "output": 800_000.0}
    assert [hour["requests"] for hour in found["hours"]][8:12] == [0, 3000, 1000, 0]
    assert found["hours"][9]["cost"]["dollars"] == "13.5"
    assert len(found["hours"]) == 24
    assert "which are too few to show it well" in found["assumptions"][0]


def test_a_day_whose_arrivals_are_a_draw_has_the_expected_number() -> None:
    traffic = Traffic(
        np.array([1.0, 2.0]), 30, "d", POISSON, 10_000.0, Peak("15:00 to 16:00", 900.0), ("read as rates",)
    )
    found = SERVICE.account(token_run(answered(0), answered(1))).project(ScalingOverrides(), traffic)
    assert (found["requests"], found["day"]["dollars"], found["hours"][0]["requests"]) == (10_000, "45", 2)
    assert float(found["day"]["high"]) == pytest.approx(45.882)
    assert "their number is Poisson" in found["assumptions"][1]
    whole = {**report(token_run(answered(0))), "projection": found}
    text = drawn(lambda page: module_of("cost", whole).show(whole, page, Path("r")))
    told = "10,000 requests a day (2 in this draw); the busiest hour is 15:00 to 16:00, with 900 read as rates hour"
    assert told in " ".join(text.split())
    assert (found["traffic_notes"], found["drawn"]) == (["read as rates"], True)


def test_no_day_without_a_price_or_an_answer() -> None:
    unpriced = SERVICE.account(token_run(answered(0), model="bedrock/us-east-1/new.model-v1:0"))
    with pytest.raises(InputError, match="there is no price of a token; give --price IN,OUT"):
        unpriced.project(ScalingOverrides(), DAY)
    with pytest.raises(InputError, match="no request succeeded"):
        SERVICE.account(token_run(failed(0, "timeout"))).project(ScalingOverrides(), DAY)


@pytest.mark.parametrize("records", [(), (failed(0, "timeout", 3),)])
def test_nothing_sent_or_nothing_answered_is_shown_too(records: tuple[RequestRecord, ...]) -> None:
    run = token_run(*records)
    found = report(run, Overrides(compare_hour=Decimal(1)), TokenPrices(Decimal(1), Decimal(1)))
    assert found["cost"]["request"] is None
    assert (found["delivered"], found["comparison"], found["hourly"]) == (None, None, None)
    shown = drawn(lambda page: module_of("cost", found).show(found, page, run.path))
    assert f"Requests              {len(records)} sent, 0 answered" in shown


def test_the_service_itself() -> None:
    assert (SERVICE.name, SERVICE.billing, SERVICE.by_hand, SERVICE.scales_to_zero) == (
        "bedrock_tokens",
        "tokens",
        "prices",
        False,
    )
    account = SERVICE.account(token_run(answered(0)))
    assert (account.copies.lives, account.notes, len(account.calls), account.clock.speed) == ((), (), 1, 1.0)
    facts = SERVICE.facts(account.run)
    assert facts is not None
    assert (facts.arn, facts.region, facts.base_model) == (SONNET, "us-east-1", SONNET)
    SERVICE.after(account.run)
    with SERVICE.watch(account.run.spec, print) as nothing:
        assert nothing is None
