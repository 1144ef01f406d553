"""The cold start, from the attempts to wake a model.

It takes the attempts and their figures. It gives how long the model took from the first attempt to the first answer,
how the attempts before it were refused, and the TTFT of the first two answers. It does not know which service it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import OK


def cold_starts(
    warm: Timeline, figures: RequestMetrics, not_ready: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """The cold start of every round, in order. Each round has its own user number.

    Args:
        warm: the requests of the phase `warm`.
        figures: of the same requests.
        not_ready: the service's names for "the model is not ready"; None: every failure means it.
    """
    users = warm.requests["user"]
    rounds = [users == number for number in sorted(set(users.tolist()))]
    return [_cold_start(warm.only(mask), figures.only(mask), not_ready) for mask in rounds]


def _cold_start(warm: Timeline, figures: RequestMetrics, not_ready: Collection[str] | None) -> dict[str, Any]:
    """The cold start in the attempts of one round. The round has at least one attempt.

    Returns:
        `attempts`: how many there were; `refused`: how many failed, by the server's name for it; `cold`: whether the
        first attempt failed; `cold_start_s`: from the first send to the end of the first answer, and `ready_s`: to its
        first byte, both None when the model answered at once or never; `ready_low_s` and `ready_high_s`: see
        :func:`_ready_between`; `first_ttft_s` and `warmed_ttft_s`: of the first and the second answer.
    """
    requests = warm.requests
    order = np.argsort(np.where(requests["sent_ns"] == MISSING, requests["end_ns"], requests["sent_ns"]), kind="stable")
    ok = requests["state"][order] == OK
    answered, failed = order[ok], order[~ok]
    refused = Counter(_name_of_failure(warm, index) for index in failed)
    began_ns = int(requests["sent_ns"][order[0]])
    cold = bool(not ok[0])
    known = cold and len(answered) > 0 and began_ns != MISSING
    low_s, high_s = _ready_between(warm, order, answered, not_ready) if known else (None, None)
    return {
        "attempts": len(warm),
        "refused": dict(refused.most_common()),
        "cold": cold,
        "cold_start_s": (int(requests["end_ns"][answered[0]]) - began_ns) / 1e9 if known else None,
        "ready_s": (int(requests["headers_ns"][answered[0]]) - began_ns) / 1e9 if known else None,
        "ready_low_s": low_s,
        "ready_high_s": high_s,
        "first_ttft_s": _ttft_s(figures, answered, 0),
        "warmed_ttft_s": _ttft_s(figures, answered, 1),
    }


def _ready_between(
    warm: Timeline, order: NDArray[np.int64], answered: NDArray[np.int64], not_ready: Collection[str] | None
) -> tuple[float, float]:
    """The bounds of the time that the service took to make the model ready, in seconds.

    The service began when the first attempt arrived: after its send, and before the answer to the first refusal. The
    model was not ready when the last refused attempt was sent, and it was ready when the first byte of the first
    answer came. So the bounds are as wide as the wait between two attempts, and two round trips more.
    """
    requests = warm.requests
    answer = answered[0]
    before = order[: int(np.flatnonzero(order == answer)[0])]
    said = [one for one in before if not_ready is None or requests["error_type"][one] in not_ready]
    low_ns = 0
    if said:
        low_ns = _first_known(warm, said[-1], "sent_ns") - _first_known(warm, said[0], "headers_ns")
    high_ns = _first_known(warm, answer, "headers_ns") - int(requests["sent_ns"][order[0]])
    return max(0, low_ns) / 1e9, high_ns / 1e9


def _first_known(warm: Timeline, index: int, name: str) -> int:
    """A time of an attempt, in ns; the attempt's end if it is missing."""
    time_ns = int(warm.requests[name][index])
    return int(warm.requests["end_ns"][index]) if time_ns == MISSING else time_ns


def _name_of_failure(warm: Timeline, index: int) -> str:
    """The best name there is: the server's, or else the kind of failure, or else the state (for a cancelled one)."""
    requests = warm.requests
    return str(requests["error_type"][index] or requests["error_kind"][index] or requests["state"][index])


def _ttft_s(figures: RequestMetrics, answered: NDArray[np.int64], number: int) -> float | None:
    """The TTFT of the nth answer; None if there is no such answer, or it holds no output."""
    if len(answered) <= number:
        return None
    ttft_s = float(figures.ttft_s[answered[number]])
    return None if np.isnan(ttft_s) else ttft_s
