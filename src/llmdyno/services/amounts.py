"""Dollars as the reports have them: what prices are of, and exact texts. PURE; decimals throughout.

In: decimals. Out: texts. It knows no service.
"""

from __future__ import annotations

from decimal import Decimal

MILLION, THOUSAND = Decimal(1_000_000), Decimal(1_000)
"""Prices are of a million tokens, and of a thousand requests."""


def exact_text(value: Decimal | None) -> str | None:
    """A decimal as text with up to twelve places, which cut a quotient's endless digits; None stays None."""
    return None if value is None else f"{value:.12f}".rstrip("0").rstrip(".")
