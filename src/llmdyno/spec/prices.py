"""Reads prices by the token. PURE.

In: a raw value. Out: two to four exact prices, or a ValueError that says what fits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llmdyno.spec.readers import dollars

_FITS = "dollars for a million input and output tokens, and cached ones: 0.22,0.88 or 0.22,0.88,0.02"


def token_prices(value: Any) -> tuple[Decimal, ...]:
    """Reads prices in dollars for a million tokens: input, output, cached input, input that is written to a cache.

    The last two may be left out.
    """
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not 2 <= len(parts) <= 4:
        raise ValueError(_FITS)
    return tuple(map(dollars(_FITS), parts))
