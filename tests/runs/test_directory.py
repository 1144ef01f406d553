"""Run directories: written whole, read back equal, readable after the worst and after years."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runs.written import ENVIRONMENT, SPEC, files_up_to, plan_of, records, same, written
from tests.support import GOLDEN, make_record, make_timeline

from llmdyno import InputError, Spec, load
from llmdyno.runs.directory import RunDirectory, add_json, default_name, load_json, new_path
from llmdyno.runs.environment import ClockFacts, Environment
from llmdyno.runs.late import Late
from llmdyno.runs.run import COMPLETE, RECOVERED, Run, conclude_run
from llmdyno.timeline.record import RequestRecord

REFUSED = InputError("endpoint", "refused", "check it")


def test_a_run_reads_back_equal(tmp_path: Path) -> None:
    path = written(tmp_path, records())
    assert sorted(entry.name for entry in path.iterdir()) == [
        "chunks.parquet", "environment.json", "requests.parquet", "spec.toml", "summary.json",
    ]  # fmt: skip
    run = load(path)
    assert same(run.timeline, make_timeline(*records()))
    assert len(run.measured) == 2
    assert (run.succeeded, run.summary["warmup_requests"], run.spec.headers) == (1, 1, {})
    assert run.environment == ENVIRONMENT
    again = conclude_run(run.path, run.spec, run.environment, run.timeline, COMPLETE)
    assert json.loads(json.dumps(again.summary)) == run.summary


@pytest.mark.parametrize("made", [[], records()[:1]])
def test_a_run_without_a_chunk(tmp_path: Path, made: list[RequestRecord]) -> None:
    path = written(tmp_path, made)
    timeline = load(path).timeline
    assert (len(timeline), len(timeline.chunks["kind"])) == (len(made), 0)


def test_a_run_is_a_value(tmp_path: Path) -> None:
    run = load(written(tmp_path, records()))
    assert isinstance(run, Run)
    assert (run.model, run.interrupted, run.emulated, run.model_facts) == ("m", False, None, None)
    assert run.figures.ttft_s.tolist() == pytest.approx([1.0, float("nan")], nan_ok=True)


def test_a_run_that_was_killed_is_read_from_its_journal(tmp_path: Path) -> None:
    path = written(tmp_path, records(), finished=False)
    with (path / "journal.jsonl").open("ab") as file:
        file.write(b'{"request":9,"phase":"measured","us')
    run = load(path)
    assert run.summary["status"] == RECOVERED
    assert same(run.timeline, make_timeline(*records()))
    assert not (path / "summary.json").exists()


# --- runs of an earlier version


def figures(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what a later version may say in other words: its own versions, and the verdict's sentences."""
    plain = json.loads(json.dumps(summary))
    del plain["llmdyno_version"], plain["schema_version"]
    for reason in plain["verdict"]["reasons"]:
        del reason["text"]
    return dict(plain)


def of_old(new: Any, old: Any) -> Any:
    """The part of a later version's summary that an earlier one has too: a later version may add keys."""
    if isinstance(old, dict):
        return {key: of_old(new[key], value) for key, value in old.items()}
    if isinstance(old, list) and len(old) == len(new):
        return [of_old(*pair) for pair in zip(new, old, strict=True)]
    return new


def test_a_run_of_an_earlier_version_loads_and_concludes_to_the_same_figures() -> None:
    path = GOLDEN / "run-before"
    stored = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    run = load(path)
    assert run.summary == stored
    assert (len(run.timeline), len(run.measured), run.succeeded) == (67, 5, 5)
    assert (run.model, run.spec.requests, run.spec.concurrency) == ("deepseek-r1-distill-llama-8b", 5, 2)
    assert run.emulated is not None
    assert (run.emulated.speed, run.emulated.embedded) == (10.0, True)
    assert run.model_facts is not None
    assert (run.model_facts.units, run.model_facts.region) == (2, "us-east-1")
    again = conclude_run(path, run.spec, run.environment, run.timeline, stored["status"])
    assert of_old(figures(again.summary), figures(stored)) == figures(stored)


def test_a_killed_run_of_an_earlier_version_gives_the_figures_that_it_gave() -> None:
    stored = json.loads((GOLDEN / "run-killed.summary.json").read_text(encoding="utf-8"))
    run = load(GOLDEN / "run-killed")
    assert (run.summary["status"], len(run.timeline), run.succeeded) == (RECOVERED, 8, 8)
    assert of_old(figures(run.summary), figures(stored)) == figures(stored)


@pytest.mark.parametrize("name", ["run-before", "run-killed"])
def test_loading_changes_no_file(tmp_path: Path, name: str) -> None:
    path = shutil.copytree(GOLDEN / name, tmp_path / "run")
    before = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    load(path)
    assert {entry.name: entry.read_bytes() for entry in path.iterdir()} == before


# --- making a directory


def test_a_run_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, records())
    with pytest.raises(InputError) as refused:
        RunDirectory.create(str(path), "x", 0)
    assert str(refused.value) == f"--out: {path} already exists; name a directory that is new or empty"
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(3):
        directory = RunDirectory.create(None, "a/b: c", 0)
        directory.close()
        names.append(directory.path.name)
    stem = names[0]
    assert stem.endswith("-a-b-c")
    assert names == [stem, f"{stem}-2", f"{stem}-3"]
    (tmp_path / "empty").mkdir()
    RunDirectory.create(str(tmp_path / "empty"), "x", 0).close()


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (Spec(name="mine", model="m"), "mine"),
        (Spec(model="org/model-7b"), "model-7b"),
        (Spec(deployment="d"), "emulated-d"),
    ],
)
def test_what_a_run_is_called(spec: Spec, name: str) -> None:
    assert default_name(spec) == name


@pytest.mark.parametrize(("name", "slug"), [("a/b: c", "a-b-c"), ("..", "run"), ("x" * 99, "x" * 60)])
def test_a_name_as_a_folder(tmp_path: Path, name: str, slug: str) -> None:
    time_text, _, found = new_path(tmp_path, name, 0).name.partition(slug)
    assert (len(time_text), time_text[-1], found) == (len("19700101-000000-"), "-", "")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="--out"):
            RunDirectory.create(str(out), "x", 0)
    with pytest.raises(InputError, match="cannot be written"):
        RunDirectory.create("/proc/none", "x", 0)


# --- ends


def broken_off(path: Path, made: list[RequestRecord], error: BaseException) -> None:
    """A run that ends with an error after these records; the error passes through."""
    with RunDirectory.create(str(path), "x", 0) as directory:
        directory.begin(SPEC, ENVIRONMENT)
        for record in made:
            directory.append(record)
        raise error


def test_nothing_measured_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):  # one refused attempt is no measurement
        broken_off(tmp_path / "runs" / "one", records()[:1], REFUSED)
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_before_an_error_stays(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        broken_off(tmp_path / "run", records(), REFUSED)
    assert same(load(tmp_path / "run").timeline, make_timeline(*records()))


def test_a_disk_that_fails_leaves_the_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        broken_off(tmp_path / "run", [], OSError(28, "No space left on device"))
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == [
        "environment.json", "journal.jsonl", "spec.toml",
    ]  # fmt: skip


def test_a_full_disk_names_the_directory_and_keeps_what_is_whole(tmp_path: Path) -> None:
    with RunDirectory.create(str(tmp_path / "run"), "x", 0) as directory:
        directory.begin(SPEC, ENVIRONMENT)
        directory.append(records()[1])
        size = (directory.path / "journal.jsonl").stat().st_size
        with pytest.raises(OSError, match="File too large") as failed, files_up_to(size + 100):
            directory.append(records()[2])
        assert (failed.value.filename, directory.recorded) == (str(directory.path), 1)
        assert (directory.path / "journal.jsonl").stat().st_size == size + 100
    assert same(load(directory.path).timeline, make_timeline(records()[1]))


def test_what_somebody_else_put_there_stays(tmp_path: Path) -> None:
    directory = RunDirectory.create(str(tmp_path / "run"), "x", 0)
    directory.begin(SPEC, ENVIRONMENT)
    (directory.path / "notes").write_text("mine", encoding="utf-8")
    directory.abandon()
    assert [entry.name for entry in directory.path.iterdir()] == ["notes"]


def test_exports_are_written_with_the_run(tmp_path: Path) -> None:
    def export(run: Run) -> Iterator[tuple[str, bytes]]:
        yield "a.txt", str(run.succeeded).encode()
        yield "folder/b.txt", b"b"

    with RunDirectory.create(str(tmp_path / "run"), "x", 0) as directory:
        directory.begin(SPEC, ENVIRONMENT)
        directory.append(records()[1])
        timeline = directory.timeline(Late(plan_of(), None))
        directory.finish(conclude_run(directory.path, SPEC, ENVIRONMENT, timeline, COMPLETE), [export])
    assert (directory.path / "a.txt").read_bytes() == b"1"
    assert (directory.path / "folder" / "b.txt").read_bytes() == b"b"
    assert not list(directory.path.rglob("*.part"))


def test_times_are_counted_from_the_run_s_origin(tmp_path: Path) -> None:
    environment = Environment(clock=ClockFacts("kernel", 4_000_000_000, 0))
    with RunDirectory.create(str(tmp_path / "run"), "x", 0) as directory:
        directory.begin(SPEC, environment)
        directory.append(make_record(0, 5.0, [(6.0, 1, 1)]))
        assert directory.timeline(Late(plan_of(), None)).requests["sent_ns"].tolist() == [1_000_000_000]
    assert load(directory.path).timeline.requests["sent_ns"].tolist() == [1_000_000_000]


def test_a_later_command_s_files(tmp_path: Path) -> None:
    path = written(tmp_path, records())
    assert load_json(path, "cost.json") is None
    add_json(path, "cost.json", {"eur": 1.5, "note": "ä"})
    head, seal = (path / "cost.json").read_text(encoding="utf-8").split('  "sha256": "')
    assert (head, seal[64:]) == ('{\n  "eur": 1.5,\n  "note": "ä",\n', '"\n}\n')
    assert load_json(path, "cost.json") == {"eur": 1.5, "note": "ä"}
    (path / "cost.json").write_text("[1]", encoding="utf-8")
    assert load_json(path, "cost.json") is None


def test_the_only_request_of_a_run_that_broke_off_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken_off(tmp_path / "run", records()[:1], KeyboardInterrupt())
    assert same(load(tmp_path / "run").timeline, make_timeline(*records()[:1]))


@pytest.mark.parametrize(
    "params", [{"api_base": "http://h?sig=hide-me"}, {"api_base": "http://h?key=hide-me", "a": None}]
)
def test_a_run_whose_secrets_are_left_out_reads_back(tmp_path: Path, params: dict[str, Any]) -> None:
    spec = Spec(
        base_url="http://h/v1?api-version=1&key=hide-me",
        headers={"X-Key": "hide-me", "Host": "n"},
        litellm_param={"my_key": "hide-me", "top_p": 0.5, **params},
        requests=1,
    )
    path = written(tmp_path, records(), spec=spec)
    assert b"hide-me" not in (path / "spec.toml").read_bytes()
    found = load(path).spec
    assert found.base_url == "http://h/v1?api-version=1&key=***"
    assert found.headers == {"Host": "n"}
    masked = {"api_base": params["api_base"].replace("hide-me", "***")}
    assert found.litellm_param == {"top_p": 0.5, **masked, **{name: None for name in params if name == "a"}}
