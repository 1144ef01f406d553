"""A disk that fails at any byte, and a directory that goes away: what was measured stays, and the error names it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runs.written import ENVIRONMENT, SPEC, files_up_to, plan_of, records, same
from tests.support import make_record, make_timeline

from llmdyno import load
from llmdyno.errors import Unwritten
from llmdyno.runs.directory import RunDirectory, add_json, load_json
from llmdyno.runs.late import Late
from llmdyno.runs.output import Output
from llmdyno.runs.run import COMPLETE, Run, conclude_run
from llmdyno.timeline.record import RequestRecord

MANY = [make_record(n, 1.0 + n, [(1.5 + n + 0.01 * at, 1, at) for at in range(60)], text="x" * 60) for n in range(8)]

LARGEST = 29_999
"""The size in bytes of the largest file of a run of these records: the export."""


def export(run: Run) -> Iterator[tuple[str, bytes]]:
    """An export that is larger than every other file of the run."""
    yield "llmperf/x.json", b"[" + b"1," * 14_998 + b"1]"


def lived(path: Path, made: list[RequestRecord]) -> tuple[int, Unwritten | None]:
    """A whole run with these records; how many were recorded before it ended or broke off, and why it broke off."""
    with RunDirectory.create(str(path), "x", 0) as directory:
        try:
            directory.begin(SPEC, ENVIRONMENT)
            for record in made:
                directory.append(record)
            late = Late(plan_of(keep_text=False)._replace(keep_answers=True), None)
            timeline = directory.timeline(late)
            directory.finish(conclude_run(path, SPEC, ENVIRONMENT, timeline, COMPLETE), [export])
        except Unwritten as error:
            return directory.recorded, error
    return directory.recorded, None


def test_a_disk_that_is_full_at_any_byte(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each limit on the size of a file breaks another write: the head, a record, an answer, a Parquet file, …"""
    path, ended, recorded = tmp_path / "r", 0, set()
    for limit in (*range(1, 3_000, 151), *range(3_000, 31_000, 797)):
        with files_up_to(limit):
            count, error = lived(path, MANY)
        recorded.add(count)
        names = {entry.name for entry in path.rglob("*")}
        assert not [name for name in names if name.endswith(".part")], limit
        assert ("summary.json" in names, "journal.jsonl" in names) == (error is None, error is not None)
        if error is not None:
            assert (error.filename, error.kept, error.errno) == (str(path), str(path) if count else None, errno.EFBIG)
        ended += error is None
        if count:
            run = load(path)
            assert same(run.timeline, make_timeline(*MANY[:count])), limit
            assert all("cut short" in damage for damage in run.damages), limit
        shutil.rmtree(path)
    assert (recorded, ended > 0) == (set(range(9)), True)
    assert capfd.readouterr() == ("", "")  # nor does a library print that it panics


def test_a_run_that_is_killed_at_any_byte(tmp_path: Path) -> None:
    """Every record whose line is whole is read back, and nothing else."""
    limits = (*range(1, 3_000, 251), *range(3_000, 32_000, 1_301))
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.killed", str(tmp_path), *map(str, limits)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert int(done.stdout) == sum(limit < LARGEST for limit in limits)
    counts = []
    for limit in limits:
        run = load(tmp_path / str(limit))  # whatever is left is a run
        counts.append(len(run.timeline))
        assert same(run.timeline, make_timeline(*MANY[: counts[-1]])), limit
        missing = [damage for damage in run.damages if "cut short" not in damage]
        assert not missing or (not counts[-1] and all("is missing" in damage for damage in missing)), limit
        assert (run.summary["status"] == COMPLETE) == (limit >= LARGEST), limit
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, len(MANY))


@pytest.mark.parametrize(
    "broken", ["requests.parquet", "chunks.parquet", "summary.json", "environment.json", "llmperf"]
)
def test_a_file_that_cannot_be_put_in_place_keeps_the_journal(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "r"
    with RunDirectory.create(str(path), "x", 0) as directory:
        directory.begin(SPEC, ENVIRONMENT)
        for record in records():
            directory.append(record)
        run = conclude_run(path, SPEC, ENVIRONMENT, directory.timeline(Late(plan_of(), None)), COMPLETE)
        (path / broken).unlink(missing_ok=True)
        (path / broken).symlink_to("nowhere") if broken == "llmperf" else (path / broken).mkdir()
        with pytest.raises(
            Unwritten, match=rf"^{path}: cannot be written \(.*\); to see what was measured: llmdyno show"
        ):
            directory.finish(run, [export])
    assert same(load(path).timeline, make_timeline(*records()))


def test_a_directory_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with RunDirectory.create(str(path), "x", 0) as directory:
        directory.begin(SPEC, ENVIRONMENT)
        directory.append(records()[0])
        shutil.rmtree(path)
        directory.append(records()[1])
        timeline = directory.timeline(Late(plan_of(), None))
        directory.finish(conclude_run(path, SPEC, ENVIRONMENT, timeline, COMPLETE))
    run = load(path)
    assert (run.damages, run.spec.model, run.spec.seed) == ((), "m", 1)
    assert same(run.timeline, make_timeline(*records()[:2]))


def test_a_directory_that_cannot_be_made_again_leaves_its_records_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "r"
    (tmp_path / "r-rescued").mkdir()
    with RunDirectory.create(str(path), "x", 0) as directory:
        directory.begin(SPEC, ENVIRONMENT)
        for record in records():
            directory.append(record)
        shutil.rmtree(path)
        path.touch()
        timeline = directory.timeline(Late(plan_of(), None))
        with pytest.raises(Unwritten, match=rf"to see what was measured: llmdyno show {path}-rescued-2$"):
            directory.finish(conclude_run(path, SPEC, ENVIRONMENT, timeline, COMPLETE))
    run = load(tmp_path / "r-rescued-2")
    assert same(run.timeline, make_timeline(*records()))
    assert (run.spec.model, run.environment) == ("m", ENVIRONMENT)


def test_what_to_do_if_nothing_was_measured_yet(tmp_path: Path) -> None:
    with (
        RunDirectory.create(str(tmp_path / "r"), "x", 0) as directory,
        files_up_to(10),
        pytest.raises(Unwritten) as told,
    ):
        directory.begin(SPEC, ENVIRONMENT)
    assert str(told.value) == (
        f"{tmp_path}/r: cannot be written (File too large); nothing was measured yet: free some space, or name another "
        "directory with --out"
    )


def test_a_report_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    add_json(tmp_path, "cost.json", {"a": 1})
    with files_up_to(20), pytest.raises(Unwritten):
        add_json(tmp_path, "cost.json", {"a": 2})
    assert load_json(tmp_path, "cost.json") == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["cost.json"]


def test_an_error_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"before")

    def write() -> None:
        with Output(tmp_path / "f") as output:
            output.write(b"after")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        write()
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"before"
