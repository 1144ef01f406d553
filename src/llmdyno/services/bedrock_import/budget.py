"""What a load may cost at most, before it is sent. PURE.

In: how long it lasts, how many users send it, what a window costs. Out: dollars, and what they rest on in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from llmdyno.services.bedrock_import.billing import WINDOW_S

DEFAULT_COPIES = 3
"""The most copies of an account that did not have its quota raised."""
_TOKEN_S, _FIRST_S = 0.03, 5.0


@dataclass(frozen=True, slots=True)
class Most:
    """The most that a load may cost: windows of how many copies, dollars (None: no price is known), in words."""

    windows: int
    copies: int
    dollars: Decimal | None
    words: str


def request_s(most_tokens: float, timeout_s: float) -> float:
    """How long a request is taken to last at most: thirty milliseconds a token and five seconds, three times what the
    published deployment takes, and no longer than its timeout."""
    return min(timeout_s, _FIRST_S + _TOKEN_S * most_tokens)


def most(
    length_s: float,
    users: int,
    window: Decimal | None,
    *,
    rounds: int = 1,
    guess: str = "",
    copies: int = DEFAULT_COPIES,
) -> Most:
    """The most that a load of so long costs.

    Args:
        length_s: from its first send to its last end.
        users: the most requests at once: no more copies than that are ever of use.
        window: dollars of one copy's window.
        rounds: how often it is repeated from cold.
        guess: what the length rests on, where it is a guess.
        copies: the most copies of the account.
    """
    count = min(copies, users)
    windows = rounds * count * (math.floor(length_s / WINDOW_S) + 1)
    dollars = None if window is None else window * windows
    words = f"{windows} window{'s' * (windows != 1)} of five minutes on up to {count} cop{'y' if count == 1 else 'ies'}"
    return Most(windows, count, dollars, f"{words}{', if ' + guess if guess else ''}")
