"""A whole run in columns, for computing with.

In: records, or columns read from a run directory. Out: numpy arrays, one entry a request or a chunk.
Integer columns hold :data:`MISSING` where there is no value; text columns hold None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.timeline.record import RequestRecord

MISSING = -(2**63)
"""The integer that stands for "no value" in a column; null in Parquet."""

TIME_COLUMNS = ("planned_ns", "connect_start_ns", "connected_ns", "tls_ns", "sent_ns", "headers_ns", "end_ns")
INTEGER_COLUMNS = (
    "request",
    "user",
    "error_code",
    "http_status",
    *TIME_COLUMNS,
    "reconnects",
    "attempt",
    "input_tokens",
    "max_tokens",
    "server_input_tokens",
    "server_output_tokens",
    "tokenizer_output_tokens",
    "server_latency_ms",
    "server_first_byte_ms",
    "sign_ns",
    "body_bytes",
)
TEXT_COLUMNS = ("phase", "state", "error_kind", "error_message", "error_type", "clock", "finish_reason", "response_id")
BOOLEAN_COLUMNS = ("reused",)
CHUNK_COLUMNS: dict[str, np.dtype[Any]] = {
    "request": np.dtype(np.int64),
    "arrival_ns": np.dtype(np.int64),
    "read_ns": np.dtype(np.int64),
    "kind": np.dtype(np.int8),
    "characters": np.dtype(np.int32),
    "cumulative_tokens": np.dtype(np.int32),
}
NO_COUNT = -1
"""In `cumulative_tokens`: the server gave no count in this chunk."""

Column = NDArray[Any]


@dataclass(frozen=True)
class Timeline:
    """A run's requests and chunks.

    `requests`: a column by name, each of shape (requests,), sorted by request number. `chunks`: a column
    by name, each of shape (chunks,), sorted by request and arrival; request i's
    are ``first_chunk[i]:first_chunk[i + 1]``. Times are ns after `origin_ns`,
    a moment of the host's monotonic clock.
    """

    requests: dict[str, Column]
    chunks: dict[str, Column]
    origin_ns: int

    @cached_property
    def first_chunk(self) -> Column:
        """Where each request's chunks begin, and the end of the last; shape (requests + 1,)."""
        owners = self.chunks["request"]
        return np.append(np.searchsorted(owners, self.requests["request"]), len(owners))

    def __len__(self) -> int:
        return len(self.requests["request"])

    def only(self, mask: Column) -> Timeline:
        """The requests where `mask` (shape (requests,), bool) holds, with their chunks."""
        keep = np.repeat(mask, np.diff(self.first_chunk))
        return Timeline(
            {name: column[mask] for name, column in self.requests.items()},
            {name: column[keep] for name, column in self.chunks.items()},
            self.origin_ns,
        )


def from_records(records: Iterable[RequestRecord], origin_ns: int) -> Timeline:
    """Columns from records in any order; `tokenizer_output_tokens` is left missing, for whoever has a tokenizer."""
    ordered = sorted(records, key=lambda record: record.request)
    requests: dict[str, Column] = {}
    for name in INTEGER_COLUMNS:
        values = [getattr(record, name, None) for record in ordered]
        if name in TIME_COLUMNS:
            values = [None if value is None else value - origin_ns for value in values]
        requests[name] = np.array([MISSING if value is None else value for value in values], np.int64)
    for name in TEXT_COLUMNS:
        requests[name] = np.array([getattr(record, name) for record in ordered], object)
    for name in BOOLEAN_COLUMNS:
        requests[name] = np.array([getattr(record, name) for record in ordered], bool)
    counts = [len(record.kinds) for record in ordered]
    chunks = {
        "request": np.repeat(requests["request"], counts),
        "arrival_ns": _unpack(b"".join(record.arrivals for record in ordered), "<i8") - origin_ns,
        "read_ns": _unpack(b"".join(record.reads for record in ordered), "<i8") - origin_ns,
        "kind": _unpack(b"".join(record.kinds for record in ordered), "<i1"),
        "characters": _unpack(b"".join(record.sizes for record in ordered), "<i4"),
        "cumulative_tokens": _unpack(
            b"".join(record.cumulative_tokens or b"\xff" * 4 * len(record.kinds) for record in ordered), "<i4"
        ),
    }
    return Timeline(requests, chunks, origin_ns)


def _unpack(packed: bytes, kind: str) -> Column:
    return np.frombuffer(packed, np.dtype(kind)).astype(np.dtype(kind).newbyteorder("="))
