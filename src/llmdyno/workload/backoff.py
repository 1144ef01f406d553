"""How long a client waits before it sends a throttled request again. PURE."""

from __future__ import annotations

LONGEST_BACKOFF_S = 20.0


def backoff_s(attempt: int) -> float:
    """Seconds to wait after a throttled attempt, counted from 0: 1, 2, 4 and so on, up to 20."""
    return min(LONGEST_BACKOFF_S, 2.0**attempt)
