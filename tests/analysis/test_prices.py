"""Prices: the table's own arithmetic, against the public worked figures."""

from __future__ import annotations

from decimal import Decimal

from llmdyno.analysis.prices import Rate, rate_of


def test_a_window_of_two_units() -> None:
    rate = rate_of("us-east-1", "v1.0")
    assert rate is not None
    assert rate.window(2) == Decimal("0.57180")
    assert rate.window(8) == Decimal("2.28720")
    assert rate.noted.year == 2026


def test_the_published_example_to_the_cent() -> None:
    """Two units at $0.1570 a minute, one window: $0.785."""
    published = Rate(Decimal("0.1570") / 2, rate_of("us-east-1", "v1.0").noted, "")  # type: ignore[union-attr]
    assert published.window(2) == Decimal("0.785")


def test_no_rate_is_none() -> None:
    assert rate_of("eu-central-1", "v1.0") is None
    assert rate_of("us-east-1", "v9.0") is None
