"""Dollars by the token, to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.services.tokens import answered, failed, token_run

from llmdyno.services.delivered import usage_in
from llmdyno.services.per_token import Bill, BreakEven, Range, bill_of, break_even, dollars, traffic_dollars
from llmdyno.services.service import TokenPrices
from llmdyno.timeline.record import RequestRecord

PRICES = TokenPrices(Decimal("3.00"), Decimal("15.00"), Decimal("0.30"), Decimal("3.75"))
PLAIN = TokenPrices(Decimal(3), Decimal(15))


def exactly(text: str) -> Range:
    return Range(*[Decimal(text)] * 3)


def bill(*records: RequestRecord, prices: TokenPrices = PRICES, writes: bool = False) -> Bill:
    return bill_of(usage_in(token_run(*records)), prices, writes=writes)


def test_input_cached_input_and_output_have_their_own_price() -> None:
    """400 × $3 + 100 × $0.30 + 200 × $15 a million."""
    found = bill(answered(0, cached_input_tokens=100))
    assert found.run == exactly("0.00423")
    assert found.request == exactly("0.00423")
    assert found.million_output_tokens == exactly("21.15")
    assert (found.spread, found.answered) == (None, 1)


def test_without_a_price_of_cached_input_it_is_between_free_and_full() -> None:
    found = bill(answered(0, cached_input_tokens=100), prices=PLAIN)
    assert found.run == Range(Decimal("0.0042"), Decimal("0.0045"), Decimal("0.0045"))


def test_a_request_that_writes_to_a_cache_may_cost_more() -> None:
    usage = usage_in(token_run(answered(0, cached_input_tokens=100)))
    assert dollars(usage, PRICES, writes=True) == Range(Decimal("0.00423"), Decimal("0.00423"), Decimal("0.00453"))
    assert dollars(usage, PLAIN, writes=True).high == Decimal("0.0057")  # 400 × $6 + 100 × $3 + 200 × $15


def test_warm_up_is_billed_and_does_not_make_the_rates() -> None:
    found = bill(answered(0, 500, 100, phase="warmup"), answered(1, cached_input_tokens=0))
    assert found.run == exactly("0.0075")
    assert found.request == exactly("0.0045")


def test_failed_requests_make_a_range_and_refused_ones_do_not() -> None:
    found = bill(
        answered(0, cached_input_tokens=100),
        failed(1, "stream_error", 120, server_input_tokens=500),
        failed(2, "http_status", 0, 429),
    )
    assert found.run == Range(Decimal("0.00423"), Decimal("0.00423"), Decimal("0.00753"))
    assert found.request == found.run
    assert found.million_output_tokens == Range(Decimal("21.15"), Decimal("21.15"), Decimal("37.65"))


def test_estimated_tokens_bound_a_million_of_them_too() -> None:
    """The most output makes a token cheapest: (384 × $3 + 400 × $15) ÷ 400, and (714 × $3 + 2 × $15) ÷ 2."""
    found = bill(answered(0, None, None), prices=PLAIN).million_output_tokens
    assert found is not None
    assert (found.low, found.high) == (Decimal("17.88"), Decimal(1086))


def test_nothing_answered_has_a_bill_and_no_rates() -> None:
    assert bill(failed(0, "timeout", 5, server_input_tokens=500)) == Bill(
        Range(Decimal(0), Decimal(0), Decimal("0.0075")), None, None, None, 0
    )
    assert bill(answered(0, 500, 0)).million_output_tokens is None


def test_traffic_has_the_spread_of_its_requests() -> None:
    """Two answers of 1 and 3 dollars: a mean of 2, a deviation of √2; of 100 requests 1.96 × √2 × √(100²/2 + 100)."""
    million = TokenPrices(Decimal(1_000_000), Decimal(0))
    found = traffic_dollars(bill(answered(0, 1, 0), answered(1, 3, 0), prices=million), 100)
    assert found is not None
    margin = 1.96 * 2**0.5 * (100**2 / 2 + 100) ** 0.5
    assert found.dollars == 200
    assert float(found.low) == pytest.approx(max(0, 200 - margin))
    assert float(found.high) == pytest.approx(200 + margin)


def test_a_number_of_requests_that_is_poisson_adds_to_the_spread() -> None:
    """One kind of request at $0.0045: 1.96 × $0.0045 × √10,000 on each side of $45."""
    found = traffic_dollars(bill(answered(0), answered(1)), 10_000, poisson=True)
    assert found is not None
    assert found.dollars == 45
    assert (float(found.low), float(found.high)) == pytest.approx((45 - 0.882, 45 + 0.882))
    assert traffic_dollars(bill(answered(0)), 12.5) == exactly("0.05625")


def test_one_answer_has_no_spread_and_none_no_traffic() -> None:
    assert traffic_dollars(bill(answered(0, cached_input_tokens=100)), 1000, 30) == exactly("126.9")
    assert traffic_dollars(bill(failed(0, "timeout")), 1000) is None


def test_a_break_even_is_as_sure_as_the_price_of_a_request() -> None:
    hour = Decimal("39.60")
    exact = break_even(hour, exactly("0.0045"))
    assert exact == BreakEven(Decimal(8800), Decimal(8800))
    assert [exact.beyond(load) for load in (8799, 8801)] == [False, True]
    between = break_even(hour, Range(Decimal("0.0044"), Decimal("0.0045"), Decimal("0.0045")))
    assert between == BreakEven(Decimal(8800), Decimal(9000))
    assert between.beyond(8900) is None
    free = break_even(hour, Range(Decimal(0), Decimal(0), Decimal("0.0045")))
    assert (free.low, free.high, free.beyond(9000)) == (8800, None, None)
    assert break_even(hour, exactly("0")) == BreakEven(None, None)
    assert BreakEven(None, None).beyond(1e9) is False
