"""The timeline as Parquet, as others read it and as we read it back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.runs.written import records, same, written
from tests.support import make_record, make_timeline

from llmdyno.metrics.request import request_metrics
from llmdyno.runs.parquet import FIGURES, read_timeline, write_timeline
from llmdyno.timeline.columns import Timeline


def paths(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "requests.parquet", tmp_path / "chunks.parquet"


def write(timeline: Timeline, tmp_path: Path) -> tuple[Path, Path]:
    write_timeline(timeline, request_metrics(timeline), *paths(tmp_path))
    return paths(tmp_path)


def test_pandas_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path, records())
    requests, chunks = pd.read_parquet(path / "requests.parquet"), pd.read_parquet(path / "chunks.parquet")
    assert requests["request"].tolist() == [0, 1, 2]
    assert requests["state"].tolist() == ["ok", "failed", "ok"]
    assert requests["error_message"][1] == "rëfused"
    assert requests["ttft_s"][0] == pytest.approx(1.0)
    assert requests["end_to_end_latency_s"].isna().tolist() == [False, True, False]
    assert requests["sent_ns"].isna().tolist() == [False, True, False]
    assert chunks.groupby("request").size().to_dict() == {0: 3, 2: 1}
    assert chunks["arrival_ns"].tolist() == [1_500_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000]
    metadata = pq.read_metadata(path / "requests.parquet").metadata
    assert metadata[b"llmdyno.schema_version"] == b"2"


def test_the_figures_stand_after_the_facts(tmp_path: Path) -> None:
    requests, _ = write(make_timeline(*records()), tmp_path)
    names = pq.read_schema(requests).names
    assert names[-len(FIGURES) - 1 :] == [*FIGURES, "output_tokens_source"]


def test_both_files_know_the_origin(tmp_path: Path) -> None:
    timeline = Timeline(make_timeline(*records()).requests, make_timeline(*records()).chunks, 123)
    for path in write(timeline, tmp_path):
        metadata = pq.read_metadata(path).metadata
        assert (metadata[b"llmdyno.schema_version"], metadata[b"llmdyno.origin_ns"]) == (b"2", b"123")
    assert read_timeline(*paths(tmp_path), 123).origin_ns == 123


@pytest.mark.parametrize("made", [[], records()[:1], records()])
def test_a_timeline_reads_back(tmp_path: Path, made: list[object]) -> None:
    timeline = make_timeline(*made)  # type: ignore[arg-type]
    assert same(read_timeline(*write(timeline, tmp_path), 0), timeline)


def test_more_chunks_than_a_batch_read_back(tmp_path: Path) -> None:
    many = [make_record(number, 1.0, [(1.0 + 1e-6 * at, 1, at) for at in range(35_000)]) for number in range(4)]
    timeline = make_timeline(*many)
    requests, chunks = write(timeline, tmp_path)
    assert pq.read_metadata(chunks).num_rows == 140_000
    assert pq.read_metadata(chunks).num_row_groups == 2
    assert same(read_timeline(requests, chunks, 0), timeline)
    assert len(pd.read_parquet(chunks)) == 140_000


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    requests, chunks = write(make_timeline(*records()), tmp_path)
    pq.write_table(pq.read_table(requests).drop_columns(["sent_ns"]), requests)
    with pytest.raises(KeyError, match="sent_ns"):
        read_timeline(requests, chunks, 0)


def test_a_damaged_file_is_no_parquet_file(tmp_path: Path) -> None:
    requests, chunks = write(make_timeline(*records()), tmp_path)
    requests.write_bytes(requests.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"^requests\.parquet is not a whole Parquet file$"):
        read_timeline(requests, chunks, 0)
