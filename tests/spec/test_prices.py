"""Prices by the token as a user writes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from llmdyno.spec.prices import token_prices


@pytest.mark.parametrize(
    ("value", "prices"),
    [
        ("0.22,0.88", ("0.22", "0.88")),
        ("$0.50, $1.50, 0.0500", ("0.50", "1.50", "0.0500")),
        ("3,15,0.3,3.75", ("3", "15", "0.3", "3.75")),
        ([1, 2], ("1", "2")),
    ],
)
def test_two_to_four_prices(value: Any, prices: tuple[str, ...]) -> None:
    found = token_prices(value)
    assert found == tuple(map(Decimal, prices))
    assert tuple(map(str, found)) == prices  # exactly as written


@pytest.mark.parametrize("value", ["", "1", "1,2,3,4,5", "1,", "a,b", "-1,2", "1,nan", "1,1e99", None, 5, [1, True]])
def test_what_does_not_fit(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^dollars for a million input and output tokens, and cached ones: "):
        token_prices(value)
