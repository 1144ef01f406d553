"""Connections: how many were opened beyond those needed at once, and who closed them.

It takes the measured timeline. It gives counts. It does not judge them; the verdict does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from llmdyno.metrics.windows import peak_in_flight
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import CANCELLED, FAILED, OK, TIMEOUT

_ALWAYS = 0.05
"""A server closes after every answer if no more than this share of the requests found an idle connection."""

_BEFORE = 0.1
"""The share of the requests that must have found their connection closed before they were written on it."""


class Churn(NamedTuple):
    """Connections opened beyond those needed at once.

    Attributes:
        excess: how many.
        closed_by_timeouts: how many connections this client closed itself, because a request timed out or was stopped.
        closed_by_failures: how many other requests failed; a connection often ends with a failure.
        closed_after_every_answer: whether the server closes each connection after its answer.
    """

    excess: int
    closed_by_timeouts: int
    closed_by_failures: int
    closed_after_every_answer: bool


def churn(timeline: Timeline) -> Churn:
    """The churn of the measured requests."""
    requests = timeline.requests
    connected = requests["connected_ns"] != MISSING
    excess = max(0, int(connected.sum()) - peak_in_flight(timeline))
    sent = requests["sent_ns"] != MISSING
    timed_out = (requests["error_kind"] == TIMEOUT) | (requests["state"] == CANCELLED)
    failed = requests["state"] == FAILED
    answered = requests["state"] == OK
    always = excess > 0 and answered.sum() > 1 and float(requests["reused"][answered].mean()) <= _ALWAYS
    return Churn(excess, int((sent & timed_out).sum()), int((sent & failed & ~timed_out).sum()), bool(always))


def closes_on_its_own(timeline: Timeline) -> bool:
    """Whether the server closes each connection after its answer, and not because of the next request.

    This is known if enough connections were found closed before a request was written on them. A request that is
    written on such a connection at the moment of its close is written again, and the server has not read it. If all
    connections were closed after a request was written on them, the server may have read it.
    """
    requests = timeline.requests
    written = np.maximum(requests["resends"], 0)
    closed_before = int(np.sum(np.maximum(requests["reconnects"] - written, 0)))
    return churn(timeline).closed_after_every_answer and closed_before > _BEFORE * len(timeline)
