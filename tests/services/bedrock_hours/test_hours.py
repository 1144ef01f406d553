"""Provisioned throughput: what it costs whether it is used or not, and against tokens."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from tests.reports.made import EMULATED, drawn, run_of
from tests.services.tokens import answered, failed
from tests.support import ScriptedServer

from llmdyno.errors import InputError
from llmdyno.reports.files import module_of
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_hours.cost import COMMITMENTS, Cost, cost_of
from llmdyno.services.bedrock_hours.service import SERVICE
from llmdyno.services.service import NO_OVERRIDES, CostBound, Inquiry, Overrides, ScalingOverrides, TokenPrices
from llmdyno.services.traffic import POISSON, Peak, Traffic

ARN = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"
GIVEN = Overrides(dollars_per_hour=Decimal("39.60"), model_units=2)
PRICES = TokenPrices(Decimal(3), Decimal(15))


def hours_run(count: int = 900, **keys: Any) -> Run:
    """Requests of two seconds one after the other: 1,800 an hour."""
    return run_of(*map(answered, range(count)), **{"api": "litellm", "base_url": None, "model": ARN, **keys})


def report(run: Run, overrides: Overrides = GIVEN, prices: TokenPrices | None = None) -> dict[str, Any]:
    return {"billing": SERVICE.billing, **SERVICE.account(run, overrides, Inquiry(ask=False)).report(prices)}


def shown(found: dict[str, Any]) -> str:
    return drawn(lambda page: module_of("cost", found).show(found, page, hours_run(1).path))


def test_an_hour_is_paid_whole_and_a_term_too() -> None:
    price = Decimal("39.60")
    half = cost_of(1, price, "none", 1800.0)
    assert half == Cost(price, 24 * price, 720 * price, price / 2, price, price)
    assert cost_of(2, price, "none", 3601.0).run_alone == 4 * price
    assert cost_of(1, price, "none", 0.0).run_alone == price
    assert cost_of(1, price, "1-month", 60.0).least == 720 * price
    assert cost_of(2, price, "6-months", 60.0).least == 2 * 6 * 720 * price
    assert list(COMMITMENTS) == ["none", "1-month", "6-months"]


def test_what_the_load_used_and_what_it_cost() -> None:
    """Half an hour of 1,800 requests an hour, each with 500 tokens in and 200 out, on two units."""
    found = report(hours_run())
    assert found["price"] == {
        "dollars_per_unit_hour": "39.60",
        "model_units": 2,
        "commitment": "none",
        "source": "the price given",
    }
    assert found["cost"]["run_share"] == "39.6"
    assert found["cost"]["hour"] == "79.2"
    assert found["cost"]["thousand_requests"] == "44"
    assert found["cost"]["million_output_tokens"] == "220"
    assert found["delivered"]["input_tokens_per_hour"] == pytest.approx(900_000)
    assert found["notes"] == []


def test_against_tokens() -> None:
    """$79.20 an hour ÷ $0.0045 a request."""
    found = report(hours_run(), prices=PRICES)["comparison"]
    assert found["thousand_requests"]["dollars"] == "4.5"
    assert found["break_even_requests_per_hour"] == {"low": "17600", "high": "17600"}
    assert found["beyond"] is False
    cheap = report(hours_run(), Overrides(dollars_per_hour=Decimal(1), model_units=1), PRICES)["comparison"]
    assert cheap["beyond"] is True


def test_an_emulated_half_hour_counts_at_real_speed() -> None:
    found = report(hours_run(90, emulated=EMULATED))
    assert found["cost"]["run_share"] == "39.6"
    assert "EMULATED: nothing was billed" in shown(found)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (NO_OVERRIDES, "the price of a model unit and hour is not known"),
        (Overrides(model_units=2), "the price of a model unit and hour is not known"),
        (Overrides(dollars_per_hour=Decimal(1)), "the number of model units is not known"),
    ],
)
def test_what_is_missing_is_said(overrides: Overrides, problem: str) -> None:
    found = report(hours_run(2), overrides, PRICES)
    assert (found["cost"], found["comparison"]) == (None, None)
    assert found["notes"][0].startswith(problem)
    assert "This run" not in shown(found)
    with pytest.raises(InputError, match=problem):
        SERVICE.account(hours_run(2), overrides, Inquiry(ask=False)).project(
            ScalingOverrides(), Traffic(np.array([1.0]), 30, "a day")
        )


def test_a_day_costs_the_same_whatever_the_traffic() -> None:
    account = SERVICE.account(hours_run(), GIVEN)
    few = account.project(ScalingOverrides(), Traffic(np.array([1.0, 2.0]), 22, "a day", peak=Peak("", 2.0)))
    many = account.project(ScalingOverrides(), Traffic(np.arange(2000) / 10, 22, "a day", peak=Peak("", 2000.0)))
    assert few["day"] == many["day"] == "1900.8"
    assert few["month"] == many["month"] == "57024"
    assert (few["busiest_hour"], few["carried"], few["thousand_requests"]) == (2, True, "950400")
    assert (many["busiest_hour"], many["carried"], many["thousand_requests"]) == (2000, False, "950.4")
    text = shown({**report(hours_run()), "projection": many})
    assert "the busiest has 2,000 requests, and this run drove only 1,800 an hour" in " ".join(text.split())
    traffic = Traffic(np.array([1.0, 2.0]), 30, "d", POISSON, 3.0, Peak("09:00 to 10:00", 2.5), ("read as rates",))
    expected = account.project(ScalingOverrides(), traffic)
    assert (expected["requests"], expected["busiest_hour"], expected["traffic_notes"]) == (3, 2, ["read as rates"])
    text = shown({**report(hours_run()), "projection": expected})
    assert "\n3 requests a day; the busiest hour is 09:00 to 10:00, with 2.50\nread as rates\n" in text
    none = account.project(ScalingOverrides(), Traffic(np.empty(0), 22, "nothing"))
    assert (none["requests"], none["thousand_requests"]) == (0, None)


@pytest.mark.parametrize(
    ("answer", "units", "term"),
    [
        ({"modelUnits": 3}, 3, "none"),
        ({"modelUnits": 1, "commitmentDuration": "SixMonths"}, 1, "6-months"),
        (None, None, "none"),
    ],
)
def test_aws_is_asked_for_the_units_of_a_price(
    answer: dict[str, object] | None, units: int | None, term: str, control_plane: Callable[..., ScriptedServer]
) -> None:
    server = control_plane(model=answer)
    run, inquiry = hours_run(2), Inquiry(endpoint_url=server.url.removesuffix("/v1"))
    account = SERVICE.account(run, Overrides(dollars_per_hour=Decimal("39.60")), inquiry)
    found = account.report()
    assert (found["price"]["model_units"], found["price"]["commitment"]) == (units, term)
    assert server.asked == [b"GET /provisioned-model-throughput/" + quote(ARN, safe="").encode() + b" HTTP/1.1"]
    if answer is None:
        assert found["notes"][0].startswith("the number of model units is not known (GetProvisionedModelThroughput was")
    SERVICE.account(run, GIVEN, inquiry).report()
    SERVICE.account(run, NO_OVERRIDES, inquiry).report()
    assert len(server.asked) == 1


def test_it_prices_any_run_and_one_that_failed() -> None:
    other = report(hours_run(2, api="openai", base_url="http://h/v1", model="m"))
    assert other["notes"] == ["the price is the one given: llmdyno does not know what this endpoint bills"]
    broken = report(run_of(failed(0, "timeout"), model=ARN, api="litellm", base_url=None), prices=PRICES)
    assert (broken["delivered"], broken["cost"]["thousand_requests"], broken["comparison"]) == (None, None, None)
    assert "Used or not           $79.20 an hour" in shown(broken)


def test_the_service_itself() -> None:
    assert (SERVICE.name, SERVICE.billing, SERVICE.by_hand) == ("bedrock_hours", "hours", "dollars_per_hour")
    run = hours_run(1)
    facts = SERVICE.facts(run)
    assert facts is not None
    assert (facts.arn, facts.region) == (ARN, "us-east-1")
    assert SERVICE.bound(run.spec) == CostBound(
        0, 0, Decimal(0), "its model units are paid by the hour, whether they are used or not"
    )
    SERVICE.after(run)
    with SERVICE.watch(run.spec, print) as nothing:
        assert nothing is None
