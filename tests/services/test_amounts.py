"""Amounts of dollars as text."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llmdyno.services.amounts import exact_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (Decimal("0.57180"), "0.5718"),
        (Decimal(3), "3"),
        (Decimal(0), "0"),
        (Decimal(1) / 3, "0.333333333333"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_dollars_as_text(value: Decimal | None, text: str | None) -> None:
    assert exact_text(value) == text
