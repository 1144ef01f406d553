"""The cold start, from the attempts to wake a model.

It takes the attempts and their figures. It gives how long the model took from the first attempt to the first answer,
how the attempts before it were refused, and the TTFT of the first two answers. It does not know which service it was.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import OK


def cold_starts(warm: Timeline, figures: RequestMetrics) -> list[dict[str, Any]]:
    """The cold start of every round, in order. Each round has its own user number.

    Args:
        warm: the requests of the phase `warm`.
        figures: of the same requests.
    """
    users = warm.requests["user"]
    rounds = [users == number for number in sorted(set(users.tolist()))]
    return [_cold_start(warm.only(mask), figures.only(mask)) for mask in rounds]


def _cold_start(warm: Timeline, figures: RequestMetrics) -> dict[str, Any]:
    """The cold start in the attempts of one round. The round has at least one attempt.

    Returns:
        `attempts`: how many there were; `refused`: how many failed, by the server's name for it; `cold`: whether the
        first attempt failed; `cold_start_s`: from the first send to the end of the first answer, and `ready_s`: to its
        first byte, both None when the model answered at once or never; `first_ttft_s` and `warmed_ttft_s`: of the
        first and the second answer.
    """
    requests = warm.requests
    order = np.argsort(np.where(requests["sent_ns"] == MISSING, requests["end_ns"], requests["sent_ns"]), kind="stable")
    ok = requests["state"][order] == OK
    answered, failed = order[ok], order[~ok]
    refused = Counter(_name_of_failure(warm, index) for index in failed)
    began_ns = int(requests["sent_ns"][order[0]])
    cold = bool(not ok[0])
    known = cold and len(answered) > 0 and began_ns != MISSING
    return {
        "attempts": len(warm),
        "refused": dict(refused.most_common()),
        "cold": cold,
        "cold_start_s": (int(requests["end_ns"][answered[0]]) - began_ns) / 1e9 if known else None,
        "ready_s": (int(requests["headers_ns"][answered[0]]) - began_ns) / 1e9 if known else None,
        "first_ttft_s": _ttft_s(figures, answered, 0),
        "warmed_ttft_s": _ttft_s(figures, answered, 1),
    }


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
