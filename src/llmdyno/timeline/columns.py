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
        """The requests where `mask` (shape (requests,), bool) holds, with their chunks; a view, where they stand
        together, since a long run's chunks are not to be had in memory twice."""
        where = np.flatnonzero(mask)
        if len(where) and where[-1] - where[0] + 1 == len(where):
            rows = slice(where[0], where[-1] + 1)
            span = slice(self.first_chunk[where[0]], self.first_chunk[where[-1] + 1])
            return Timeline(
                {name: column[rows] for name, column in self.requests.items()},
                {name: column[span] for name, column in self.chunks.items()},
                self.origin_ns,
            )
        keep = np.repeat(mask, np.diff(self.first_chunk))
        return Timeline(
            {name: column[mask] for name, column in self.requests.items()},
            {name: column[keep] for name, column in self.chunks.items()},
            self.origin_ns,
        )


def from_records(records: Iterable[RequestRecord], origin_ns: int) -> Timeline:
    """Columns from records in any order; `tokenizer_output_tokens` is left missing, for whoever has a tokenizer.

    Records are taken one by one and their chunks copied out, so that a journal can be read through without all of its
    records in memory.
    """
    values: dict[str, list[Any]] = {name: [] for name in INTEGER_COLUMNS + TEXT_COLUMNS + BOOLEAN_COLUMNS}
    counts: list[int] = []
    packed = {name: bytearray() for name in _PACKED}
    chunks_before = 0
    for record in records:
        for name, cells in values.items():
            cells.append(getattr(record, name, None))
        counts.append(len(record.kinds))
        for name, (attribute, _) in _PACKED.items():
            given = getattr(record, attribute)
            if name != "cumulative_tokens":
                packed[name] += given
            elif given or packed[name]:  # counts begin here: those before had none
                missing = 4 * chunks_before - len(packed[name])
                packed[name] += b"\xff" * missing + (given or b"\xff" * 4 * len(record.kinds))
        chunks_before += len(record.kinds)
    order = np.argsort(np.array(values["request"], np.int64), kind="stable")
    requests: dict[str, Column] = {}
    for name in INTEGER_COLUMNS:
        column = np.array([MISSING if value is None else value for value in values.pop(name)], np.int64)
        if name in TIME_COLUMNS:
            column[column != MISSING] -= origin_ns
        requests[name] = column[order]
    for name in TEXT_COLUMNS:
        requests[name] = np.array(values.pop(name), object)[order]
    for name in BOOLEAN_COLUMNS:
        requests[name] = np.array(values.pop(name), bool)[order]
    lengths = np.array(counts, np.int64)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    chunks: dict[str, Column] = {"request": np.repeat(requests["request"], lengths[order])}
    for name, (_, kind) in _PACKED.items():
        if name == "cumulative_tokens" and not packed[name]:
            chunks[name] = np.broadcast_to(np.int32(NO_COUNT), chunks_before)  # no memory for what no server says
            continue
        raw = _unpack(packed.pop(name), kind)
        column = np.empty(len(raw), CHUNK_COLUMNS[name])
        at = 0
        for place in order.tolist():
            length = counts[place]
            column[at : at + length] = raw[begins[place] : begins[place] + length]
            at += length
        if name in ("arrival_ns", "read_ns"):
            column -= origin_ns
        chunks[name] = column
    return Timeline(requests, chunks, origin_ns)


_PACKED = {
    "arrival_ns": ("arrivals", "<i8"),
    "read_ns": ("reads", "<i8"),
    "kind": ("kinds", "<i1"),
    "characters": ("sizes", "<i4"),
    "cumulative_tokens": ("cumulative_tokens", "<i4"),
}
"""Chunk columns: the record's array that each is in, and how it is packed there."""


def _unpack(packed: bytearray, kind: str) -> Column:
    return np.frombuffer(packed, np.dtype(kind))
