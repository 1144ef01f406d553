"""Runs whose requests have exact numbers of tokens."""

from __future__ import annotations

from typing import Any

from tests.reports.made import run_of
from tests.support import make_record

from llmdyno.protocols.events import TEXT
from llmdyno.runs.run import Run
from llmdyno.timeline.record import RequestRecord

SONNET = "anthropic.claude-3-5-sonnet-20241022-v2:0"
ON_BEDROCK = {"api": "litellm", "base_url": None, "model": f"bedrock/us-east-1/{SONNET}"}
"""The keys of a run that says itself that it is on Bedrock."""


def answered(number: int, inputs: int | None = 500, outputs: int | None = 200, **facts: Any) -> RequestRecord:
    """A request of two seconds that was answered in two chunks; None: the server did not count."""
    sent_s = 2.0 * number
    chunks = [(sent_s + 1.0, TEXT, 10), (sent_s + 2.0, TEXT, 10)]
    counts = {"server_input_tokens": inputs, "server_output_tokens": outputs}
    return make_record(number, sent_s, chunks, **{"input_tokens": 500, "max_tokens": 400, **counts, **facts})


def failed(number: int, kind: str, arrived: int = 0, status: int | None = 200, **facts: Any) -> RequestRecord:
    """A request that failed at once after `arrived` chunks of one token each."""
    sent_s = 2.0 * number
    chunks = [(sent_s, TEXT, 4)] * arrived
    given = {"state": "failed", "error_kind": kind, "http_status": status, "input_tokens": 500, "max_tokens": 400}
    return make_record(number, sent_s, chunks, **{**given, **facts})


def token_run(*records: RequestRecord, **keys: Any) -> Run:
    """A run of these requests on Bedrock, through LiteLLM."""
    return run_of(*records, **{**ON_BEDROCK, **keys})
