"""Parquet files of unknown make are read in a process of their own first."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.runs.written import records, written

from llmdyno.runs.trial import problem_of


def test_whole_files_can_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, records())
    assert problem_of(path / "requests.parquet", path / "chunks.parquet") is None


def test_a_file_that_ends_the_process_that_reads_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, dice = written(tmp_path, records()), random.Random(2)
    content = bytearray((path / "requests.parquet").read_bytes())
    for position in range(len(content) - 2000, len(content) - 8):  # the footer
        content[position] ^= dice.randrange(256)
    (path / "requests.parquet").write_bytes(content)
    assert problem_of(path / "requests.parquet", path / "chunks.parquet") == "are no whole timeline"
    assert capfd.readouterr() == ("", "")


def test_a_timeline_that_no_run_writes(tmp_path: Path) -> None:
    path = written(tmp_path, records())
    pq.write_table(pq.read_table(path / "chunks.parquet").take([3, 0, 1, 2]), path / "chunks.parquet")
    assert problem_of(path / "requests.parquet", path / "chunks.parquet") == "are no whole timeline"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        problem_of(tmp_path / "requests.parquet", tmp_path / "chunks.parquet")
