"""How long a client waits before it sends a refused request again. PURE.

In: how many times the request was sent again already. Out: seconds. The pauses double from one second up to a limit.
It knows nothing of why a request was refused.
"""

from __future__ import annotations

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 20.0
_LAST_DOUBLING = 16


def backoff_s(attempt: int) -> float:
    """The pause in seconds after attempt number `attempt`, counted from 0: 1, 2, 4, 8, 16, then 20."""
    return min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt, _LAST_DOUBLING))
