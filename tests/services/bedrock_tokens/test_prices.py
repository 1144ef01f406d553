"""The table of prices: what it holds, for whom a price counts, and what is said where there is none."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from llmdyno.aws.identity import FOUNDATION, PROFILE, kind_of
from llmdyno.services.bedrock_tokens import prices
from llmdyno.services.bedrock_tokens.prices import quote
from llmdyno.services.service import TokenPrices

TABLE = tomllib.loads((Path(prices.__file__).parent / "prices.toml").read_text(encoding="utf-8"))["price"]
LITE, PRO, HAIKU = "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"
EAST = "us-east-1"


def test_every_row_is_a_dated_price_of_something_that_can_be_called() -> None:
    assert len({(row["model"], *row["regions"]) for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert kind_of(row["model"]) in (FOUNDATION, PROFILE), row
        assert isinstance(row["noted"], date)
        assert row["source"]
        assert row["regions"]
        for entry in (row, *(row[tier] for tier in ("flex", "priority") if tier in row)):
            assert 0 < Decimal(entry["input"]) <= Decimal(entry["output"]), row
            assert Decimal(entry.get("cache_read", "0")) < Decimal(entry["input"])
        assert Decimal(row.get("cache_write", row["input"])) >= Decimal(row["input"])
        if "flex" in row:
            assert Decimal(row["flex"]["input"]) * 2 == Decimal(row["input"])
        if "priority" in row:
            assert Decimal(row["priority"]["output"]) == Decimal(row["output"]) * Decimal("1.75")


def test_a_price_by_id_and_by_arn() -> None:
    found = quote(LITE, LITE, EAST, None)
    assert found.prices == TokenPrices(Decimal("0.06"), Decimal("0.24"), Decimal("0.015"))
    assert found.source == "noted 2026-11-25: a copy of AWS's price page of 2025-07-20, and LiteLLM's price map"
    assert (found.problem, found.note) == (None, None)
    assert quote(f"arn:aws:bedrock:us-east-1::foundation-model/{LITE}", LITE, EAST, "default") == found


def test_a_profile_costs_what_its_model_costs_in_the_source_region() -> None:
    found = quote(f"us.{LITE}", LITE, EAST, None)
    assert found.prices == quote(LITE, LITE, EAST, None).prices
    assert found.note is not None
    assert found.note.startswith(f"us.{LITE} has the price of {LITE} in the source region")


def test_a_profile_with_a_price_of_its_own() -> None:
    geographic, everywhere = quote(f"us.{HAIKU}", HAIKU, EAST, None), quote(f"global.{HAIKU}", HAIKU, EAST, None)
    assert geographic.prices == TokenPrices(Decimal("1.10"), Decimal("5.50"), Decimal("0.11"), Decimal("2.20"))
    assert everywhere.prices == TokenPrices(Decimal("1.00"), Decimal("5.00"), Decimal("0.10"), Decimal("2.00"))
    assert quote(f"jp.{HAIKU}", HAIKU, "ap-northeast-1", None).problem == (
        f"the table has no price of jp.{HAIKU}; give --price IN,OUT"
    )
    assert quote(HAIKU, HAIKU, EAST, None).prices is None


def test_the_model_behind_an_application_inference_profile() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    assert quote(arn, LITE, EAST, None).prices == quote(LITE, LITE, EAST, None).prices
    assert quote(arn, None, EAST, None).problem == (
        f"the model behind {arn} is not known, so there is no price; give --price IN,OUT"
    )


@pytest.mark.parametrize(("kind", "words"), [("custom-model-deployment", "custom model deployment")])
def test_what_a_deployment_bills_is_not_known(kind: str, words: str) -> None:
    found = quote(f"arn:aws:bedrock:us-east-1:123456789012:{kind}/abc123", LITE, EAST, None)
    assert found.problem == f"what a {words} bills a token is not known; give --price IN,OUT"


def test_a_tier_has_its_price_or_none() -> None:
    flex, priority = quote(PRO, PRO, EAST, "flex").prices, quote(PRO, PRO, EAST, "priority").prices
    assert flex == TokenPrices(Decimal("0.40"), Decimal("1.60"), Decimal("0.10"))
    assert priority == TokenPrices(Decimal("1.40"), Decimal("5.60"), Decimal("0.35"))
    for tier in ("reserved", "noted", "source"):
        assert quote(PRO, PRO, EAST, tier).problem == (
            f"the table has no price of {PRO} in the service tier {tier}; give --price IN,OUT"
        )


def test_another_region_has_no_price() -> None:
    assert quote(LITE, LITE, "eu-west-1", None).problem == (
        f"the table has no price of {LITE} in eu-west-1 (it has us-east-1); give --price IN,OUT, or --region"
    )
    assert "in an unknown region" in str(quote(LITE, LITE, None, None).problem)
    assert quote("new.model-v1:0", "new.model-v1:0", EAST, None).problem == (
        "the table has no price of new.model-v1:0; give --price IN,OUT"
    )
