"""A whole run in columns, to compute with.

It takes records, or columns read from a run directory. It gives numpy arrays with an entry for each request or chunk.
An integer column holds :data:`MISSING` where there is no value, a text column None. It computes no figure.
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
"""The integer that means "no value" in a column; null in Parquet."""

TIME_COLUMNS = (
    "planned_ns",
    "connect_start_ns",
    "connected_ns",
    "tls_ns",
    "first_sent_ns",
    "sent_ns",
    "headers_ns",
    "end_ns",
)
INTEGER_COLUMNS = (
    "request",
    "user",
    "error_code",
    "http_status",
    *TIME_COLUMNS,
    "reconnects",
    "resends",
    "attempt",
    "input_tokens",
    "max_tokens",
    "server_input_tokens",
    "server_output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "tokenizer_output_tokens",
    "server_latency_ms",
    "server_first_byte_ms",
    "sign_ns",
    "body_bytes",
)
TEXT_COLUMNS = (
    "phase",
    "state",
    "error_kind",
    "error_message",
    "error_type",
    "clock",
    "finish_reason",
    "response_id",
    "resend_reason",
    "service_tier",
)
BOOLEAN_COLUMNS = ("reused",)
ADDED_COLUMNS = ("cached_input_tokens", "reasoning_tokens", "resends", "first_sent_ns", "resend_reason", "service_tier")
"""Columns that files of earlier versions do not have."""
CHUNK_COLUMNS: dict[str, np.dtype[Any]] = {
    "request": np.dtype(np.int64),
    "arrival_ns": np.dtype(np.int64),
    "read_ns": np.dtype(np.int64),
    "kind": np.dtype(np.int8),
    "characters": np.dtype(np.int32),
    "cumulative_tokens": np.dtype(np.int32),
}
NO_COUNT = -1
"""In `cumulative_tokens`: the server sent no count with this chunk."""

Column = NDArray[Any]


@dataclass(frozen=True)
class Timeline:
    """The requests and chunks of a run.

    `requests` has the columns of the requests by name, each of shape (requests,), sorted by request number. `chunks`
    has those of the chunks, each of shape (chunks,), sorted by request and arrival. The chunks of request i are
    ``first_chunk[i]:first_chunk[i + 1]``. Times are in ns after `origin_ns`, a time on the host's monotonic clock.
    """

    requests: dict[str, Column]
    chunks: dict[str, Column]
    origin_ns: int

    @cached_property
    def first_chunk(self) -> Column:
        """The index of each request's first chunk, and at the end the number of chunks; shape (requests + 1,)."""
        owners = self.chunks["request"]
        return np.append(np.searchsorted(owners, self.requests["request"]), len(owners))

    def __len__(self) -> int:
        return len(self.requests["request"])

    def only(self, mask: Column) -> Timeline:
        """The requests for which `mask` (shape (requests,), bool) holds, with their chunks.

        It is a view if they are consecutive, since the chunks of a long run should not be in memory twice.
        """
        indices = np.flatnonzero(mask)
        if len(indices) and indices[-1] - indices[0] + 1 == len(indices):
            first, end = indices[0], indices[-1] + 1
            return self._part(slice(first, end), slice(self.first_chunk[first], self.first_chunk[end]))
        return self._part(mask, np.repeat(mask, np.diff(self.first_chunk)))

    def _part(self, requests: Column | slice, chunks: Column | slice) -> Timeline:
        return Timeline(
            {name: column[requests] for name, column in self.requests.items()},
            {name: column[chunks] for name, column in self.chunks.items()},
            self.origin_ns,
        )


def from_records(records: Iterable[RequestRecord], origin_ns: int) -> Timeline:
    """The columns of records in any order.

    It takes the records one by one and copies their chunks, so that a journal can be read without having all of its
    records in memory. `tokenizer_output_tokens` is left missing. A caller with a tokenizer fills it in.

    Args:
        records: of one run.
        origin_ns: the run's origin on the host's monotonic clock; times are counted from it.
    """
    values: dict[str, list[Any]] = {name: [] for name in INTEGER_COLUMNS + TEXT_COLUMNS + BOOLEAN_COLUMNS}
    counts: list[int] = []
    packed = {name: bytearray() for name in _PACKED}
    chunks_before = 0
    for record in records:
        for name, cells in values.items():
            cells.append(getattr(record, name, None))
        counts.append(len(record.kinds))
        _append_chunks(packed, record, chunks_before)
        chunks_before += len(record.kinds)
    order = np.argsort(np.array(values["request"], np.int64), kind="stable")
    requests = _request_columns(values, order, origin_ns)
    return Timeline(requests, _chunk_columns(packed, requests["request"], counts, order, origin_ns), origin_ns)


def _append_chunks(packed: dict[str, bytearray], record: RequestRecord, chunks_before: int) -> None:
    """Append the arrays of a record. Running counts are filled up with NO_COUNT once a record has some."""
    for name, (attribute, _) in _PACKED.items():
        given = getattr(record, attribute)
        if name != "cumulative_tokens":
            packed[name] += given
        elif given or packed[name]:
            missing = _COUNT_SIZE * chunks_before - len(packed[name])
            packed[name] += _NO_COUNT_BYTE * missing + (given or _NO_COUNT_BYTE * _COUNT_SIZE * len(record.kinds))


def _request_columns(values: dict[str, list[Any]], order: Column, origin_ns: int) -> dict[str, Column]:
    """The columns of the requests in the given order; it empties `values`, to save memory."""
    columns: dict[str, Column] = {}
    for name in INTEGER_COLUMNS:
        column = np.array([MISSING if value is None else value for value in values.pop(name)], np.int64)
        if name in TIME_COLUMNS:
            column[column != MISSING] -= origin_ns
        columns[name] = column[order]
    for name in TEXT_COLUMNS:
        columns[name] = np.array(values.pop(name), object)[order]
    for name in BOOLEAN_COLUMNS:
        columns[name] = np.array(values.pop(name), bool)[order]
    return columns


def _chunk_columns(
    packed: dict[str, bytearray], requests: Column, counts: list[int], order: Column, origin_ns: int
) -> dict[str, Column]:
    """The columns of the chunks, request by request in the given order; it empties `packed`, to save memory."""
    ends = np.cumsum(np.array(counts, np.int64))
    starts = ends - counts
    columns: dict[str, Column] = {"request": np.repeat(requests, np.array(counts, np.int64)[order])}
    total = len(columns["request"])
    for name, (_, kind) in _PACKED.items():
        if name == "cumulative_tokens" and not packed[name]:
            columns[name] = np.broadcast_to(np.int32(NO_COUNT), total)  # takes no memory
            continue
        raw = np.frombuffer(packed.pop(name), np.dtype(kind))
        column = np.empty(total, CHUNK_COLUMNS[name])
        filled = 0
        for index in order.tolist():
            column[filled : filled + counts[index]] = raw[starts[index] : ends[index]]
            filled += counts[index]
        if name in ("arrival_ns", "read_ns"):
            column -= origin_ns
        columns[name] = column
    return columns


_PACKED = {
    "arrival_ns": ("arrivals", "<i8"),
    "read_ns": ("reads", "<i8"),
    "kind": ("kinds", "<i1"),
    "characters": ("sizes", "<i4"),
    "cumulative_tokens": ("cumulative_tokens", "<i4"),
}
"""The columns of the chunks: the record's array for each, and the type of its packed numbers."""
_COUNT_SIZE, _NO_COUNT_BYTE = 4, b"\xff"
"""A number in `cumulative_tokens` has four bytes, and :data:`NO_COUNT` is four bytes of ones."""
