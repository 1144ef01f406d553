"""The timeline as Parquet files, through arro3.

In: a timeline. Out: requests.parquet with one row for each request, and chunks.parquet with one row for each chunk; and
the timeline again. Missing values are nulls. After the facts, requests.parquet also has the most used figures. Reading
ignores these figures.

The library is not made for damaged files: one flipped bit may end the process. A caller reads a file only if its
checksum holds, or if :mod:`llmdyno.runs.trial` has read it in another process before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from arro3.core import Array, DataType, RecordBatch, RecordBatchReader, Table
from arro3.io import read_parquet, write_parquet

from llmdyno.host.memory import give_memory_back
from llmdyno.metrics.request import RequestMetrics
from llmdyno.runs.output import Output, Patient
from llmdyno.timeline import SCHEMA_VERSION
from llmdyno.timeline.columns import (
    ADDED_COLUMNS,
    BOOLEAN_COLUMNS,
    CHUNK_COLUMNS,
    INTEGER_COLUMNS,
    MISSING,
    TEXT_COLUMNS,
    Column,
    Timeline,
)

FIGURES = (
    "ttft_s",
    "time_per_output_token_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
    "connect_s",
    "output_tokens",
    "text_chunks",
    "ttfr_s",
    "ttfa_s",
)
"""The figures in requests.parquet, after the facts. The column `output_tokens_source` follows them."""
_COMPRESSION = "zstd(1)"
_BATCH, _ROW_GROUP = 1 << 16, 1 << 17
_MAGIC = b"PAR1"


def write_timeline(timeline: Timeline, figures: RequestMetrics, requests_path: Path, chunks_path: Path) -> None:
    """Write both files.

    Raises:
        OSError: a file cannot be written.
    """
    with Output(requests_path) as requests, Output(chunks_path) as chunks:
        write_requests(timeline, figures, requests)
        write_chunks(timeline, chunks)


def write_requests(timeline: Timeline, figures: RequestMetrics, output: Output) -> None:
    """Write requests.parquet.

    Raises:
        OSError: the file cannot be written.
    """
    _write(_request_table(timeline, figures), output, timeline)


def write_chunks(timeline: Timeline, output: Output) -> None:
    """Write chunks.parquet.

    Raises:
        OSError: the file cannot be written.
    """
    give_memory_back()
    # Batch by batch, so that memory does not hold a second copy of a long run's chunks.
    batches = (_batch(timeline, start) for start in range(0, max(1, len(timeline.chunks["request"])), _BATCH))
    _write(RecordBatchReader.from_batches(_batch(timeline, 0).schema, batches), output, timeline)


def _request_table(timeline: Timeline, figures: RequestMetrics) -> Table:
    columns: dict[str, Any] = {}
    for name, column in timeline.requests.items():
        if name in INTEGER_COLUMNS:
            columns[name] = _nullable(column, column == MISSING, DataType.int64())
        elif name in TEXT_COLUMNS:
            columns[name] = Array(column.tolist(), DataType.string())
        else:
            columns[name] = Array(column.tolist(), DataType.bool())
    for name in FIGURES:
        column = np.asarray(getattr(figures, name), np.float64 if name.endswith("_s") else np.int64)
        columns[name] = (
            _nullable(column, np.isnan(column), DataType.float64()) if name.endswith("_s") else Array.from_numpy(column)
        )
    columns["output_tokens_source"] = Array(figures.output_tokens_source.tolist(), DataType.string())
    return Table.from_pydict(columns)


def _batch(timeline: Timeline, start: int) -> RecordBatch:
    span = slice(start, start + _BATCH)
    chunks = {name: np.ascontiguousarray(timeline.chunks[name][span]) for name in CHUNK_COLUMNS}
    return RecordBatch.from_pydict({name: Array.from_numpy(column) for name, column in chunks.items()})


def read_timeline(requests_path: Path, chunks_path: Path, origin_ns: int) -> Timeline:
    """Read both files back.

    Raises:
        ValueError: a file is not a complete Parquet file.
        KeyError: a column is missing.
    """
    requests = read_requests(requests_path)
    stored = _read(chunks_path)
    chunks = {
        name: np.asarray(stored[name].to_numpy()).astype(kind) if stored.num_rows else np.empty(0, kind)
        for name, kind in CHUNK_COLUMNS.items()
    }
    return Timeline(requests, chunks, origin_ns)


def read_requests(path: Path) -> dict[str, Column]:
    """Read requests.parquet back: the columns of a timeline's requests.

    Raises:
        ValueError, KeyError: as for :func:`read_timeline`.
    """
    table = _read(path)
    requests: dict[str, Column] = {}
    for name in INTEGER_COLUMNS:
        values = _stored(table, name)
        requests[name] = np.array([MISSING if value is None else value for value in values], np.int64)
    for name in TEXT_COLUMNS:
        requests[name] = np.array(_stored(table, name), object)
    for name in BOOLEAN_COLUMNS:
        requests[name] = np.array(table[name].to_pylist(), bool)
    return requests


def _stored(table: Table, name: str) -> list[Any]:
    """A column's values; all missing if the file is of a version without the column.

    Raises:
        KeyError: a column is missing that every version has.
    """
    if name in ADDED_COLUMNS and name not in table.column_names:
        return [None] * table.num_rows
    return list(table[name].to_pylist())


def _read(path: Path) -> Table:
    problem = ValueError(f"{path.name} is not a whole Parquet file")
    with path.open("rb") as file:  # check the footer here, because the library panics on a damaged one
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(len(_MAGIC))
        file.seek(max(0, size - 8))
        tail = file.read()
    footer = int.from_bytes(tail[:4], "little")
    if head != _MAGIC or tail[4:] != _MAGIC or footer + 12 > size:
        raise problem
    try:
        return read_parquet(path).read_all()
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise problem from None
        raise


def _nullable(column: Column, missing: Column, kind: DataType) -> Array:
    if not missing.any():
        return Array.from_numpy(column)
    values = column.tolist()
    for index in np.flatnonzero(missing):
        values[index] = None
    return Array(values, kind)


def _write(table: Table | RecordBatchReader, output: Output, timeline: Timeline) -> None:
    metadata = {"llmdyno.schema_version": str(SCHEMA_VERSION), "llmdyno.origin_ns": str(timeline.origin_ns)}
    stream: Any = Patient(output)  # the library panics, and says so on standard error, when a write fails
    write_parquet(table, stream, compression=_COMPRESSION, key_value_metadata=metadata, max_row_group_size=_ROW_GROUP)
    stream.check()
