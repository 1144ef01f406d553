"""The table of prices: what is in it, what is not, and what a copy costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llmdyno.services.bedrock_import.cost import Price
from llmdyno.services.bedrock_import.prices import Quote, known_rates, quote, rate_of, storage_rate


@pytest.mark.parametrize(
    ("region", "version", "dollars"),
    [
        ("us-east-1", "v1.0", "0.05718"),
        ("us-east-2", "v1.0", "0.05718"),
        ("us-west-2", "v1.0", "0.05718"),
        ("us-east-1", "v2.0", "0.1433"),
    ],
)
def test_each_rate_has_its_day_and_its_source(region: str, version: str, dollars: str) -> None:
    rate = rate_of(region, version)
    assert rate is not None
    assert rate.dollars_per_cmu_minute == Decimal(dollars)
    assert rate.noted.isoformat() == "2026-07-21"
    assert "note" in rate.source


def test_storage_is_by_the_month() -> None:
    assert storage_rate().dollars_per_cmu_month == Decimal("1.95")


def test_no_rate_is_none() -> None:
    assert rate_of("eu-central-1", "v1.0") is None
    assert rate_of("us-east-1", "v9.0") is None
    assert known_rates() == "v1.0 in us-east-1; v2.0 in us-east-1; v1.0 in us-east-2, us-west-2"


def test_a_quote_from_the_table() -> None:
    found = quote("us-east-1", "v2.0", 4, None)
    assert found == Quote(Price(4, Decimal("0.1433"), Decimal("1.95")), "noted 2026-07-21: one note", None)


def test_the_users_own_rate_goes_first() -> None:
    found = quote("eu-central-1", None, 8, Decimal("0.1"))
    assert found == Quote(Price(8, Decimal("0.1"), Decimal("1.95")), "the rate given", None)


def test_a_quote_says_what_is_missing() -> None:
    unitless = quote("us-east-1", "v1.0", None, Decimal("0.1"))
    assert unitless.price is None
    assert unitless.problem is not None
    assert unitless.problem.startswith("the units of a copy are unknown")
    unpriced = quote(None, None, 2, None)
    assert unpriced.price is None
    assert unpriced.problem is not None
    assert unpriced.problem.startswith(
        "the table has no price of units of version unknown in an unknown region (it has"
    )
