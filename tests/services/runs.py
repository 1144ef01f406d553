"""Finished runs made by hand: calls at exact times, a summary with exact figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tests.support import make_record, make_timeline

from llmdyno.protocols.events import TEXT
from llmdyno.runs.environment import ClockFacts, Emulation, EndpointFacts, Environment, ModelFacts, PhaseFacts
from llmdyno.runs.run import Run
from llmdyno.spec.spec import Spec
from llmdyno.timeline.record import RequestRecord

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"
FACTS = ModelFacts(ARN, "us-east-1", 2, "v1.0")
ORIGIN_S = 1_800_000_000


class Sent(NamedTuple):
    """A call: when it was sent and when it ended, seconds at real speed, and how the service refused it, if it did."""

    sent_s: float
    end_s: float
    error: str | None = None
    phase: str = "measured"


NOT_READY, THROTTLED = "ModelNotReadyException", "ThrottlingException"
COLD_START = [Sent(0.0, 0.1, NOT_READY, "warm"), Sent(60.0, 62.0, None, "warm")]
ONE_USER = [Sent(100.0 + 10 * number, 110.0 + 10 * number) for number in range(40)]
"""One user for 400 seconds, ten seconds a request."""


def record(number: int, call: Sent, speed: float) -> RequestRecord:
    sent_s, end_s = call.sent_s / speed, call.end_s / speed
    if call.error is None:
        chunks = [(sent_s + share * (end_s - sent_s), TEXT, 10) for share in (0.5, 1.0)]
        return make_record(number, sent_s, chunks, phase=call.phase)
    refused: dict[str, Any] = {"state": "error", "http_status": 429, "error_type": call.error, "headers_ns": None}
    return make_record(number, sent_s, [], phase=call.phase, end_ns=round(end_s * 1e9), **refused)


def make_run(
    path: Path,
    calls: list[Sent],
    *,
    facts: ModelFacts | None = FACTS,
    speed: float | None = None,
    embedded: bool = False,
    **spec: Any,
) -> Run:
    """A run whose measured part delivered 0.1 requests and 10 output tokens a second at real speed.

    `speed`: of an emulator, whose clock runs that much faster; None: a real endpoint.
    """
    path.mkdir(exist_ok=True)
    times = speed or 1.0
    emulated = None if speed is None else Emulation("profile", speed, embedded, float(ORIGIN_S))
    measured = [call for call in calls if call.phase == "measured"]
    succeeded = sum(call.error is None for call in measured)
    phases = (PhaseFacts("measured", measured[0].sent_s / times, measured[-1].end_s / times),) if measured else ()
    environment = Environment(
        clock=ClockFacts("kernel", 0, ORIGIN_S * 10**9),
        endpoint=EndpointFacts(emulated=emulated, imported_model=facts),
        phases=phases,
    )
    summary = {
        "status": "complete",
        "requests": {"succeeded": succeeded},
        "cold_starts": [{"cold": True, "cold_start_s": 60.0 / times}] if calls and calls[0].error else [],
        "throughput": {"steady": None, "whole_run": {"request_per_s": 0.1 * times, "output_token_per_s": 10.0 * times}},
        "tokens": {"total_input_tokens": 500 * succeeded},
    }
    timeline = make_timeline(*(record(number, call, times) for number, call in enumerate(calls)))
    return Run(path, Spec(**{"api": "bedrock", "model": ARN, **spec}), environment, timeline, summary)
