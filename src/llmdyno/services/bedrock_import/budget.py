"""What a load may cost at most, before it is sent. PURE.

In: a load and what a window costs. Out: a :class:`~llmdyno.services.service.CostBound`: dollars, and what they rest on.
It asks nobody: the price and the length of a trace are handed in.
"""

from __future__ import annotations

import math
from decimal import Decimal

from llmdyno.services.bedrock_import.billing import WINDOW_S
from llmdyno.services.copies import DEFAULT_COPIES
from llmdyno.services.service import CostBound
from llmdyno.spec.spec import Spec

_TOKEN_S, _FIRST_S = 0.03, 5.0
_LONG_ANSWER = 1.5
"""How much longer than the mean an answer is assumed to be."""
_WINDOWS_A_ROUND = 2


def request_s(most_tokens: float, timeout_s: float) -> float:
    """How long a request of `most_tokens` output tokens takes at most, seconds: five seconds and thirty milliseconds a
    token, three times what the published deployment takes, and no longer than its timeout."""
    return min(timeout_s, _FIRST_S + _TOKEN_S * most_tokens)


def load_s(spec: Spec, trace_s: float | None) -> tuple[float, str]:
    """How long a load lasts at most, in seconds, and the guess that this rests on (empty: none).

    Args:
        spec: the load.
        trace_s: the length of the trace that it replays, with the spec's time scale applied; None: it replays none.
    """
    each_s = request_s(spec.output_tokens.mean * _LONG_ANSWER, spec.timeout_s)
    known_s = spec.load.sends_for_s
    if trace_s is not None:
        known_s = trace_s if known_s is None else min(known_s, trace_s)
    if known_s is not None:
        return known_s + each_s, ""
    guess = f"a request takes no longer than {each_s:.0f} s"
    count = (spec.requests or 0) + spec.warmup
    if spec.rate is not None:
        return count / spec.rate + each_s, guess
    return math.ceil(count / spec.users) * each_s, guess


def load_bound(
    spec: Spec, window: Decimal | None, *, trace_s: float | None = None, copies: int = DEFAULT_COPIES
) -> CostBound:
    """The most that a load costs; `window` is dollars of one copy's window, None if unknown. `copies` is the most
    copies of the account."""
    duration_s, guess = load_s(spec, trace_s)
    users = spec.max_concurrency or (copies if spec.open_loop else spec.users)
    return bound(duration_s, users, window, guess=guess, copies=copies)


def rounds_bound(rounds: int, window: Decimal | None) -> CostBound:
    """The most that a series of cold starts costs: one copy and one answer a round, which may fall into two windows."""
    guess = "an answer falls into two windows each time"
    return bound(0.0, 1, window, rounds=_WINDOWS_A_ROUND * rounds, guess=guess)


def bound(
    duration_s: float,
    users: int,
    window: Decimal | None,
    *,
    rounds: int = 1,
    guess: str = "",
    copies: int = DEFAULT_COPIES,
) -> CostBound:
    """The most that a load costs.

    Args:
        duration_s: from its first send to its last end.
        users: the most requests at once; more copies than that are never used.
        window: dollars of one copy's window; None: unknown.
        rounds: how many times the load is repeated from cold.
        guess: what the duration rests on, if it is a guess.
        copies: the most copies of the account.
    """
    count = min(copies, users)
    windows = rounds * count * (math.floor(duration_s / WINDOW_S) + 1)
    dollars = None if window is None else window * windows
    basis = f"{windows} window{'s' * (windows != 1)} of five minutes on up to {count} cop{'y' if count == 1 else 'ies'}"
    return CostBound(windows, count, dollars, f"{basis}{', if ' + guess if guess else ''}")
