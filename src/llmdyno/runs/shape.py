"""The shape of summary.json, as far as somebody reads it.

In: a JSON value. Out: nothing, or an error that names the place and what was expected there. Keys that are not named
here may be there and may be missing: a later version adds some. A file that was changed by hand, or by a flipped bit,
is told here and not in the middle of a report.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

Number = float | None


class Distribution(msgspec.Struct):
    """A distribution; without observations it has only its count."""

    count: int
    mean: Number | msgspec.UnsetType = msgspec.UNSET
    stddev: Number | msgspec.UnsetType = msgspec.UNSET
    min: Number | msgspec.UnsetType = msgspec.UNSET
    p50: Number | msgspec.UnsetType = msgspec.UNSET
    p90: Number | msgspec.UnsetType = msgspec.UNSET
    p95: Number | msgspec.UnsetType = msgspec.UNSET
    p99: Number | msgspec.UnsetType = msgspec.UNSET
    max: Number | msgspec.UnsetType = msgspec.UNSET
    unsupported: list[str] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Raise ValueError if there are observations and a figure is missing."""
        missing = [name for name in self.__struct_fields__ if getattr(self, name) is msgspec.UNSET]
        if self.count and missing:
            raise ValueError(f"`{missing[0]}` is missing")


class Latency(msgspec.Struct):
    """The figures that every run has."""

    ttft_s: Distribution
    inter_token_latency_s: Distribution
    time_per_output_token_s: Distribution
    end_to_end_latency_s: Distribution
    request_output_throughput_token_per_s: Distribution


class ColdStart(msgspec.Struct):
    """A cold start."""

    cold: bool
    refused: dict[str, int]
    cold_start_s: Number
    first_ttft_s: Number
    warmed_ttft_s: Number
    ready_low_s: Number = None
    ready_high_s: Number = None

    def __post_init__(self) -> None:
        """Raise ValueError if only one bound is there."""
        if (self.ready_low_s is None) != (self.ready_high_s is None):
            raise ValueError("a bound of a cold start is missing")


class Requests(msgspec.Struct):
    """How many requests ended how."""

    total: int
    succeeded: int
    failed: int
    cancelled: int
    retries: int
    without_text: int
    asked: int = 0
    unanswered: int = 0
    resends: int = 0


class Error(msgspec.Struct):
    """Failures of one kind."""

    kind: str
    code: int | None
    type: str | None
    count: int
    message: str
    messages: int


class Hidden(msgspec.Struct):
    """Tokens that were counted and not streamed."""

    total: int
    share: Number


class Cached(msgspec.Struct):
    """Input tokens from the server's cache."""

    total: int
    share: Number
    expected: int


class Beyond(msgspec.Struct):
    """Input tokens beyond the prompt."""

    p50: float
    share: float


class Tokens(msgspec.Struct):
    """Tokens."""

    input_tokens: Distribution
    output_tokens: Distribution
    total_input_tokens: int
    output_tokens_from: dict[Literal["server", "tokenizer", "chunks"], int]
    by_kind: dict[str, int] = {}
    not_streamed: Hidden | None = None
    cached: Cached | None = None
    beyond_prompt: Beyond | None = None


class Window(msgspec.Struct):
    """Throughput in a window."""

    length_s: float
    output_token_per_s: float
    request_per_s: float


class Throughput(msgspec.Struct):
    """Throughput."""

    steady: Window | None
    whole_run: Window | None
    goodput_request_per_s: Number
    peak_concurrency: int
    planned_request_per_s: Number = None


class Slice(msgspec.Struct):
    """A slice of the run."""

    length_s: float
    failed: int
    output_token_per_s: float
    ttft_p50_s: Number


class Connections(msgspec.Struct):
    """Connections."""

    opened: int
    closed_by_timeouts: int = 0
    excess: int = 0
    closed_after_every_answer: bool = False


class Clock(msgspec.Struct):
    """What stamped the arrivals."""

    kernel_stamped_share: Number
    sdk_share: Number = None


class Reason(msgspec.Struct):
    """A reason of the verdict."""

    text: str
    touches: list[str] | None = None
    do: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if it says what to do and not for which figures."""
        if self.do is not None and self.touches is None:
            raise ValueError("`touches` is missing")


class Verdict(msgspec.Struct):
    """The verdict."""

    trustworthy: bool
    reasons: list[Reason]


class Summary(msgspec.Struct):
    """The whole file."""

    schema_version: float
    status: str
    cold_starts: list[ColdStart]
    warmup_requests: int
    requests: Requests
    errors: list[Error]
    latency: Latency
    tokens: Tokens
    throughput: Throughput
    slices: list[Slice]
    connections: Connections
    finish_reasons: dict[str, int]
    clock: Clock
    verdict: Verdict
    load: str = "closed"
    name: str | None = None
    api: str | None = None
    model: str | None = None
    emulated: dict[str, Any] | None = None
    service_tiers: dict[str, int] = {}
    damages: list[str] = []


def check_summary(value: Any) -> None:
    """See that a value has the shape of summary.json.

    Raises:
        ValueError: it has another one, or holds NaN or infinity.
    """
    summary = msgspec.convert(value, Summary)
    json.dumps(value, allow_nan=False)
    more = {name: one for name, one in value["latency"].items() if name not in summary.latency.__struct_fields__}
    msgspec.convert(more, dict[str, Distribution])
