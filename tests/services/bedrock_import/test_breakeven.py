"""Copies against a price per token: from how many requests on a copy pays, and whether it carries as many."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.services.bedrock_import.virtual import drive

from llmdyno.emulator.copies import Scaling
from llmdyno.services.bedrock_import.billing import bill
from llmdyno.services.bedrock_import.breakeven import NOT_REACHABLE, NOT_SHOWN, REACHED, Comparison, compare
from llmdyno.services.bedrock_import.carrying import Carried
from llmdyno.services.bedrock_import.cost import Cost, Delivered, Price, cost_of
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.copies import inferred
from llmdyno.services.service import TokenPrices

PRICE = Price(2, Decimal("0.1570") / 2, Decimal("1.95"))
LOAD = Delivered(copies=2.0, requests_per_hour=4000, input_tokens_per_hour=2_000_000, output_tokens_per_hour=4_000_000)
"""500 tokens in and 1,000 out a request. Two copies cost $18.84 an hour, one costs $9.42."""


def carries(shown: float, calls: int | None, high: int | None, answer_s: float = 7.2) -> Carried:
    """Of a run in which a copy delivered `shown` requests an hour."""
    return Carried(calls, calls or 4, high, "test", answer_s, shown * answer_s / 3600)


@pytest.fixture(scope="module")
def cost() -> Cost:
    seen = drive(Scaling(), [(0.0, 100.0, 1)])
    return cost_of(bill(inferred(seen.calls, IDLE_S), seen.calls), PRICE, LOAD)


def compared(cost: Cost, shown: float, calls: int | None, high: int | None, *prices: str) -> Comparison:
    return compare(cost, LOAD, carries(shown, calls, high), TokenPrices(*map(Decimal, prices)))


def test_a_full_copy_that_is_worth_less_than_it_costs_never_pays(cost: Cost) -> None:
    """At $1 and $2 a million, a request is worth $0.0025, and a copy needs 3,768 of them an hour. It carries 5 at once,
    7.2 s each: 2,500 an hour, worth $6.25. Twice as many copies carry twice as much and cost twice as much."""
    found = compared(cost, 2000.0, 4, 5, "1", "2")
    assert found.thousand_requests == Decimal("2.5")
    assert found.hour_by_token == Decimal(10)
    assert found.needed_per_hour == Decimal(3768)
    assert found.carries_per_hour == (2000, 2500)
    assert found.worth(Decimal(2500)) == Decimal("6.25")
    assert (found.reach, found.break_even_per_hour, found.always_from) == (NOT_REACHABLE, None, None)
    assert found.cheaper_here is False


def test_a_copy_pays_from_the_requests_on_that_cost_as_much_by_the_token(cost: Cost) -> None:
    found = compared(cost, 2000.0, 4, 5, "10", "20")
    assert found.thousand_requests == Decimal(25)
    assert (found.reach, found.break_even_per_hour) == (REACHED, Decimal("376.8"))
    assert found.always_from == (1, Decimal("376.8"))  # one copy carries 2,000, and two need 753.6
    assert found.cheaper_here is True


def test_with_more_copies_there_are_gaps_until_there_are_enough_of_them(cost: Cost) -> None:
    """A copy needs 1,570 requests and carries 2,000. Two need 3,140, three 4,710, four 6,280: the gaps close where n
    copies carry what n + 1 need, 4 × 2,000 ≥ 5 × 1,570."""
    found = compared(cost, 2000.0, 4, 5, "2.4", "4.8")
    assert found.needed_per_hour == Decimal(1570)
    assert found.always_from == (4, Decimal(6280))
    assert 3 * 2000 < 4 * 1570
    assert 4 * 2000 >= 5 * 1570


def test_a_copy_that_carries_exactly_what_it_needs_pays_when_it_is_full(cost: Cost) -> None:
    found = compared(cost, 1570.0, 4, 5, "2.4", "4.8")
    assert (found.reach, found.always_from) == (REACHED, None)


def test_what_the_run_does_not_show_is_not_claimed(cost: Cost) -> None:
    unknown = compared(cost, 1000.0, None, None, "2.4", "4.8")
    assert (unknown.reach, unknown.needed_per_hour, unknown.break_even_per_hour) == (NOT_SHOWN, Decimal(1570), None)
    assert unknown.carries_per_hour == (1000, None)
    between = compared(cost, 1000.0, 4, 5, "2.4", "4.8")
    assert (between.reach, between.carries_per_hour) == (NOT_SHOWN, (1000, 2500))
    nothing = compare(cost, LOAD, None, TokenPrices(Decimal(1), Decimal(2)))
    assert (nothing.reach, nothing.carries_per_hour) == (NOT_SHOWN, (0, None))


def test_tokens_that_cost_nothing_are_always_cheaper(cost: Cost) -> None:
    found = compared(cost, 2000.0, 4, 5, "0", "0")
    assert (found.needed_per_hour, found.reach, found.cheaper_here) == (None, NOT_REACHABLE, False)
    idle = compare(cost, Delivered(1.0, 0.0, 0.0, 0.0), carries(0.0, 4, 5), TokenPrices(Decimal(1), Decimal(2)))
    assert (idle.thousand_requests, idle.needed_per_hour) == (0, None)


def test_between_the_bounds_of_the_hour_nobody_is_cheaper(cost: Cost) -> None:
    """This load is worth $10 by the token."""
    prices, carried = TokenPrices(Decimal(1), Decimal(2)), carries(2000.0, 4, 5)
    for low, high, cheaper in (("9", "11", None), ("11", "12", False), ("8", "9", True)):
        ranged = replace(cost, hour_low=Decimal(low), hour_high=Decimal(high))
        assert compare(ranged, LOAD, carried, prices).cheaper_here is cheaper
    assert compare(replace(cost, hour_low=Decimal(9), hour_high=None), LOAD, carried, prices).cheaper_here is None
