"""The cold start, from the attempts to warm a model up. PURE.

In: a timeline. Out: how long from the first attempt's send to the first answer, what was refused meanwhile,
and how much slower the first inference was than the next.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from llmdyno.metrics.request import request_metrics
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import OK


def cold_starts(warm: Timeline) -> list[dict[str, Any]]:
    """The cold start of every round, in order; rounds are told apart by their user number."""
    rounds = [warm.only(warm.requests["user"] == number) for number in sorted(set(warm.requests["user"].tolist()))]
    return [found for found in map(cold_start, rounds) if found is not None]


def cold_start(warm: Timeline) -> dict[str, Any] | None:
    """The cold start in the attempts of one round of the phase `warm`; None where there were none.

    Returns:
        `attempts`; `refused` by the server's name for it; `cold`: whether the first attempt was refused;
        `cold_start_s`: first send to the end of the first answer (`ready_s`: to its first byte), None when the model
        answered at once or never; `first_ttft_s`, `warmed_ttft_s`: of the first and the second answer.
    """
    if not len(warm):
        return None
    requests = warm.requests
    order = np.argsort(np.where(requests["sent_ns"] == MISSING, requests["end_ns"], requests["sent_ns"]), kind="stable")
    ok = requests["state"][order] == OK
    answered = order[ok]
    refused = Counter(
        str(requests["error_type"][place] or requests["error_kind"][place] or requests["state"][place])
        for place in order[~ok]
    )
    figures = request_metrics(warm)
    ttfts = [float(figures.ttft_s[place]) for place in answered[:2]]
    began_ns = int(requests["sent_ns"][order[0]])
    cold = bool(not ok[0])
    known = cold and len(answered) > 0 and began_ns != MISSING
    return {
        "attempts": len(warm),
        "refused": dict(refused.most_common()),
        "cold": cold,
        "cold_start_s": (int(requests["end_ns"][answered[0]]) - began_ns) / 1e9 if known else None,
        "ready_s": (int(requests["headers_ns"][answered[0]]) - began_ns) / 1e9 if known else None,
        "first_ttft_s": ttfts[0] if ttfts and not np.isnan(ttfts[0]) else None,
        "warmed_ttft_s": ttfts[1] if len(ttfts) > 1 and not np.isnan(ttfts[1]) else None,
    }
