"""Run directories: written whole, read back equal, readable by others, readable after the worst."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.support import make_record, make_timeline

from llmdyno import InputError, Spec, load
from llmdyno.protocols.events import OTHER, TEXT
from llmdyno.runs.directory import RunDirectory
from llmdyno.host.describe import describe_host
from llmdyno.runs.journal import Journal, read_journal
from llmdyno.runs.run import COMPLETE, RECOVERED, Run, conclude
from llmdyno.timeline.columns import Timeline, from_records
from llmdyno.timeline.record import RequestRecord

ENVIRONMENT = {"clock": {"origin_monotonic_ns": 0, "origin_unix_ns": 1_795_348_129_000_000_000}}
SPEC = Spec(base_url="http://h/v1", model="m", requests=3, api="openai", seed=1, headers={"X-Key": "hidden"})


def records() -> list[RequestRecord]:
    return [
        make_record(1, 2.0, [], state="failed", error_kind="connect", error_message="rëfused", sent_ns=None),
        make_record(0, 1.0, [(1.5, OTHER, 0), (2.0, TEXT, 3), (3.0, TEXT, 9)], server_output_tokens=2, reused=True),
        make_record(2, 1.0, [(4.0, TEXT, 3)], phase="warmup", finish_reason="stop"),
    ]


def same(one: Timeline, other: Timeline) -> bool:
    return all(
        np.array_equal(mine, theirs[name]) and mine.dtype == theirs[name].dtype
        for mine_all, theirs in ((one.requests, other.requests), (one.chunks, other.chunks))
        for name, mine in mine_all.items()
    )


def written(tmp_path: Path, made: list[RequestRecord], *, finished: bool = True) -> Path:
    directory = RunDirectory.create(str(tmp_path / "run"), "x", 0)
    directory.write("spec.toml", SPEC.to_toml().encode())
    directory.write_json("environment.json", ENVIRONMENT)
    for record in made:
        directory.append(record)
    if finished:
        timeline = from_records(directory.records(), 0)
        directory.finish(timeline, conclude(timeline, SPEC, ENVIRONMENT, COMPLETE))
    directory.close()
    return directory.path


def test_a_run_reads_back_equal(tmp_path: Path) -> None:
    path = written(tmp_path, records())
    assert sorted(entry.name for entry in path.iterdir()) == [
        "chunks.parquet", "environment.json", "requests.parquet", "spec.toml", "summary.json",
    ]  # fmt: skip
    run = load(path)
    assert same(run.timeline, make_timeline(*records()))
    assert len(run.measured) == 2
    assert (run.succeeded, run.summary["warmup_requests"], run.spec.headers) == (1, 1, {})
    again = conclude(run.timeline, run.spec, run.environment, COMPLETE)
    assert json.loads(json.dumps(again)) == run.summary


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
    assert metadata[b"llmdyno.schema_version"] == b"1"


@pytest.mark.parametrize("made", [[], records()[:1]])
def test_a_run_without_a_chunk(tmp_path: Path, made: list[RequestRecord]) -> None:
    path = written(tmp_path, made)
    assert len(load(path).timeline) == len(made)
    assert len(pd.read_parquet(path / "chunks.parquet")) == 0


def test_a_run_that_was_killed_is_read_from_its_journal(tmp_path: Path) -> None:
    path = written(tmp_path, records(), finished=False)
    journal = path / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"request":9,"phase":"measured","us')
    run = load(path)
    assert run.summary["status"] == RECOVERED
    assert same(run.timeline, make_timeline(*records()))
    assert not (path / "summary.json").exists()


def test_records_are_on_disk_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for count, record in enumerate(records(), 1):
        journal.append(record)
        assert len(list(read_journal(tmp_path / "j"))) == count
    journal.close()
    assert list(read_journal(tmp_path / "j")) == records()


def test_a_run_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, records())
    with pytest.raises(InputError, match=r"--out: .*is there already"):
        RunDirectory.create(str(path), "x", 0)
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(3):
        directory = RunDirectory.create(None, "a/b: c", 0)
        directory.close()
        names.append(directory.path.name)
    assert len(set(names)) == 3
    assert all("a-b-c" in name for name in names)
    (tmp_path / "empty").mkdir()
    RunDirectory.create(str(tmp_path / "empty"), "x", 0).close()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="--out"):
            RunDirectory.create(str(out), "x", 0)
    with pytest.raises(InputError, match="cannot be written"):
        RunDirectory.create("/proc/none", "x", 0)


def test_nothing_measured_leaves_nothing(tmp_path: Path) -> None:
    directory = RunDirectory.create(str(tmp_path / "run"), "x", 0)
    directory.write("spec.toml", b"")
    directory.abandon()
    assert not (tmp_path / "run").exists()


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run directory"):
        load(tmp_path / "absent")
    path = written(tmp_path, records())

    def broken(name: str, content: bytes) -> str:
        kept = (path / name).read_bytes()
        (path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            load(path)
        (path / name).write_bytes(kept)
        return str(caught.value)

    assert "schema version 99" in broken("summary.json", b'{"schema_version": 99}')
    assert "cannot be read as a run" in broken("summary.json", b"{")
    assert "cannot be read as a run" in broken("environment.json", b"{}")
    whole = (path / "chunks.parquet").read_bytes()
    for content in (b"", b"PAR1 nonsense", whole[:-20], b"PAR1" + whole[20:], whole[:-12] + b"\xff" * 8 + b"PAR1"):
        assert "chunks.parquet is not a whole Parquet file" in broken("chunks.parquet", content)
    assert "there is no such key" in broken("spec.toml", b"nonsense = 1")
    os.unlink(path / "summary.json")
    with pytest.raises(InputError, match="cannot be read as a run"):
        load(path)


def test_the_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never")
    facts: dict[str, Any] = describe_host()
    assert "sk-never" not in json.dumps(facts)
    assert facts["cores"] >= 1
    assert "numpy" in facts["packages"]


def test_a_run_is_a_value(tmp_path: Path) -> None:
    run = load(written(tmp_path, records()))
    assert isinstance(run, Run)
    assert (run.model, run.interrupted) == ("m", False)
