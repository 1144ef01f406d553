"""The table of prices: what is in it, and what is not."""

from __future__ import annotations

from decimal import Decimal

from llmdyno.services.bedrock_import.prices import known, rate_of, storage_rate


def test_each_rate_has_its_day_and_its_source() -> None:
    for region, version in (("us-east-1", "v1.0"), ("us-west-2", "v1.0"), ("us-east-1", "v2.0")):
        rate = rate_of(region, version)
        assert rate is not None
        assert rate.dollars_per_cmu_minute > 0
        assert rate.noted.year == 2026
        assert rate.source
    assert storage_rate().dollars_per_cmu_minute == Decimal("1.95")


def test_no_rate_is_none() -> None:
    assert rate_of("eu-central-1", "v1.0") is None
    assert rate_of("us-east-1", "v9.0") is None
    assert "eu-central-1" not in known()
