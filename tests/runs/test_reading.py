"""A run directory read back, whole or damaged, ours or foreign. What can be read is read, the rest is named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.damage import unseal
from tests.runs.written import ENVIRONMENT, SPEC, records, same, written
from tests.support import GOLDEN, make_timeline

from llmdyno import InputError, Spec, load
from llmdyno.runs.checksum import sealed
from llmdyno.runs.directory import add_json, load_json
from llmdyno.runs.environment import Emulation, Environment
from llmdyno.runs.run import COMPLETE, RECOVERED, UNKNOWN, Run

STORED = "figures are those stored at the end of the run"
AGAIN = "figures are computed again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run directory of three requests."""
    return written(tmp_path, records())


def flip(file: Path, position: int, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << bit
    file.write_bytes(content)


def rewritten(path: Path, **changes: Any) -> None:
    """Change top-level values of summary.json and seal it again; None removes a key."""
    value = json.loads((path / "summary.json").read_text(encoding="utf-8")) | changes
    value = {name: one for name, one in value.items() if name != "sha256" and one is not None}
    (path / "summary.json").write_bytes(sealed(value))


def relisted(path: Path, name: str, content: bytes) -> None:
    """Replace a file and its digest: what another program might write."""
    (path / name).write_bytes(content)
    files = json.loads((path / "summary.json").read_text(encoding="utf-8"))["files"]
    rewritten(path, files={**files, name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}})


def test_a_whole_run_has_no_damages(path: Path) -> None:
    run = load(path)
    assert (run.damages, run.unread, run.whole) == ((), frozenset(), True)


def test_summary_json_lists_every_other_file(path: Path) -> None:
    value = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    assert list(value)[-2:] == ["files", "sha256"]
    names = sorted(entry.name for entry in path.iterdir() if entry.name != "summary.json")
    assert list(value["files"]) == names
    assert {name: one["bytes"] for name, one in value["files"].items()} == {
        name: (path / name).stat().st_size for name in names
    }


def test_files_of_the_user_are_left_alone(path: Path) -> None:
    (path / "notes.json").write_text('{"sha256": "mine"}', encoding="utf-8")
    (path / "plots").mkdir()
    assert load(path).damages == ()


# --- the timeline


def test_damaged_chunks_leave_the_stored_figures_and_the_requests(path: Path) -> None:
    before = load(path)
    flip(path / "chunks.parquet", 200)
    run = load(path)
    assert run.damages == (f"chunks.parquet does not match its checksum: {STORED}",)
    assert (run.summary, run.unread, run.whole) == (before.summary, {"chunks.parquet"}, False)
    assert run.timeline.requests["request"].tolist() == [0, 1, 2]
    assert len(run.timeline.chunks["kind"]) == 0
    figures = run.all_figures
    assert (figures.ttft_s != figures.ttft_s).all()
    assert (figures.request_output_throughput_token_per_s != figures.request_output_throughput_token_per_s).all()
    assert figures.end_to_end_latency_s.tolist() == pytest.approx([2.0, float("nan"), 3.0], nan_ok=True)


def test_damaged_requests_leave_the_stored_figures(path: Path) -> None:
    before = load(path)
    flip(path / "requests.parquet", 200)
    (path / "chunks.parquet").unlink()
    run = load(path)
    assert run.damages == (
        f"chunks.parquet is missing or cannot be read: {STORED}",
        f"requests.parquet does not match its checksum: {STORED}",
    )
    assert (run.summary, len(run.timeline), run.succeeded) == (before.summary, 0, 1)
    assert run.unread == {"chunks.parquet", "requests.parquet"}


def test_a_damaged_file_without_a_checksum_is_read_in_another_process_first(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the library does to its process with such a file, and what it prints, is not ours to bear."""
    unseal(path)
    (path / "chunks.parquet").write_bytes(b"PAR1" + b"\xff" * 400 + (390).to_bytes(4, "little") + b"PAR1")
    run = load(path)
    assert run.damages == (f"requests.parquet and chunks.parquet are no whole timeline: {STORED}",)
    assert (len(run.timeline), run.succeeded) == (0, 1)
    assert capfd.readouterr() == ("", "")


def test_a_run_without_checksums_is_read_as_before(path: Path) -> None:
    before = load(path)
    unseal(path)
    run = load(path)
    assert (run.damages, run.summary) == ((), before.summary)
    assert same(run.timeline, before.timeline)


@pytest.mark.parametrize("name", ["chunks.parquet", "requests.parquet"])
def test_a_journal_stands_in_for_a_damaged_timeline(tmp_path: Path, name: str) -> None:
    """A run that was killed before it could remove its journal has both."""
    path = written(tmp_path, records())
    journal = (written(tmp_path / "other", records(), finished=False) / "journal.jsonl").read_bytes()
    (path / "journal.jsonl").write_bytes(journal)
    assert load(path).damages == ()
    flip(path / name, 200)
    run = load(path)
    assert run.damages == (f"{name} does not match its checksum: {STORED}",)
    assert (run.unread, run.whole, run.summary["status"]) == (frozenset(), True, COMPLETE)
    assert same(run.timeline, make_timeline(*records()))


# --- the summary


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'"a"', "is not a JSON object"),
        (b"{}", "is no summary (Object missing required field `schema_version`)"),
        (None, "is missing"),
    ],
)
def test_figures_are_computed_again_without_a_summary(path: Path, content: bytes | None, problem: str) -> None:
    before = load(path).summary
    (path / "summary.json").unlink()
    if content is not None:
        (path / "summary.json").write_bytes(content)
    run = load(path)
    assert run.damages == (f"summary.json {problem}: {AGAIN}",)
    assert json.loads(json.dumps(run.summary)) == {**before, "status": UNKNOWN}


def test_a_flipped_bit_in_the_summary_is_told(path: Path) -> None:
    before = load(path).summary
    content = (path / "summary.json").read_bytes()
    position = content.index(b'"succeeded": 1') + len(b'"succeeded": ')
    flip(path / "summary.json", position, 1)
    assert json.loads((path / "summary.json").read_bytes())["requests"]["succeeded"] == 3
    run = load(path)
    assert (run.damages, run.succeeded) == ((f"summary.json does not match its checksum: {AGAIN}",), 1)
    assert json.loads(json.dumps(run.summary)) == {**before, "status": UNKNOWN}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("latency", "ttft_s", "p50"), "fast"),
        (("latency", "ttft_s", "p50"), ...),
        (("latency", "ttft_s"), None),
        (("requests", "succeeded"), 1.5),
        (("verdict", "reasons"), [{"do": "x", "text": "y"}]),
        (("tokens", "output_tokens_from"), {"nobody": 1}),
        (("latency",), []),
        (("slices",), {}),
        (("emulated",), 7),
    ],
)
def test_a_summary_of_wrong_types_is_not_used(path: Path, place: tuple[str, ...], value: Any) -> None:
    document = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    holder = document
    for name in place[:-1]:
        holder = holder[name]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    (path / "summary.json").write_bytes(sealed(document))
    run = load(path)
    [damage] = run.damages
    assert damage.startswith("summary.json is no summary (")
    assert (run.summary["status"], run.succeeded) == (UNKNOWN, 1)


def test_a_later_version_is_told_with_what_reads_it(path: Path) -> None:
    rewritten(path, schema_version=99, llmdyno_version="7.1.0")
    with pytest.raises(InputError) as refused:
        load(path)
    assert str(refused.value) == (
        f"{path}/summary.json: has schema version 99; this version of llmdyno reads 1, 2; llmdyno 7.1.0 wrote it and "
        "reads it"
    )


def test_a_later_version_may_add_keys_and_columns(path: Path) -> None:
    rewritten(path, schema_version=2.5, later={"a": 1})
    run = load(path)
    assert (run.damages, run.summary["later"]) == ((), {"a": 1})


def test_names_outside_the_directory_are_not_looked_at(path: Path) -> None:
    value = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    rewritten(
        path,
        files={**value["files"], "../secret": {"bytes": 1, "sha256": ""}, "/etc/passwd": {"bytes": 1, "sha256": ""}},
    )
    assert load(path).damages == ()


# --- spec and environment


def test_a_damaged_spec_is_not_used(path: Path) -> None:
    flip(path / "spec.toml", 30)
    run = load(path)
    assert (run.damages, run.unread) == (("spec.toml does not match its checksum",), {"spec.toml"})
    assert run.spec == Spec(model="m")


def test_a_damaged_environment_is_not_used_but_an_emulator_stays_one(path: Path) -> None:
    rewritten(path, emulated={"profile": "p", "speed": 10.0, "embedded": True, "since_unix_s": 5.0})
    flip(path / "environment.json", 30)
    run = load(path)
    assert (run.damages, run.unread) == (("environment.json does not match its checksum",), {"environment.json"})
    assert run.emulated is not None
    assert (run.emulated.profile, run.emulated.speed, run.environment.host) == ("p", 10.0, None)


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"[]", "environment.json is not an environment (Expected `object`, got `array`)"),
        (
            b'{"clock":{"origin_unix_ns":-1}}',
            "environment.json is not an environment (the origin of its clock is out of range)",
        ),
        (
            b'{"endpoint":{"emulated":{"speed":1e300}}}',
            "environment.json is not an environment (the emulator's speed is out of range)",
        ),
    ],
)
def test_what_is_no_environment(path: Path, content: bytes, damage: str) -> None:
    relisted(path, "environment.json", content)
    run = load(path)
    assert (run.damages, run.environment) == ((damage,), Environment())


@pytest.mark.parametrize(
    ("content", "damage", "read"),
    [
        (
            b"seed = 1\nlater = 1\n[load]\nrequests = 7\n",
            "spec.toml has keys that this version does not know: later",
            True,
        ),
        (b"[load]\nrequests = 'many'\n", "spec.toml cannot be read (", False),
        (b"\xff", "spec.toml is not UTF-8 text", False),
        (b"[[[", "spec.toml cannot be read (", False),
    ],
)
def test_what_is_no_spec(path: Path, content: bytes, damage: str, read: bool) -> None:
    relisted(path, "spec.toml", content)
    run = load(path)
    [told] = run.damages
    assert told.startswith(damage)
    assert (run.spec.requests, run.unread) == ((7, frozenset()) if read else (None, {"spec.toml"}))


def test_what_a_file_holds_cannot_take_over_the_terminal(path: Path) -> None:
    relisted(path, "spec.toml", b'"\\u001b[2J" = 1\n' + b"x" * 4000 + b" = 1\n")
    [damage] = load(path).damages
    assert damage.startswith("spec.toml has keys that this version does not know: ?[2J, xxx")
    assert len(damage) == 301


# --- reports of later commands


def test_a_damaged_report_is_left_out(path: Path) -> None:
    add_json(path, "cost.json", {"dollars": "12"})
    assert (load(path).damages, load_json(path, "cost.json")) == ((), {"dollars": "12"})
    flip(path / "cost.json", 18)
    assert load(path).damages == ("cost.json does not match its checksum: it is left out",)
    assert load_json(path, "cost.json") is None


# --- the journal


def killed(tmp_path: Path) -> Path:
    return written(tmp_path, records(), finished=False)


def test_a_lone_journal_is_a_run(tmp_path: Path) -> None:
    whole = load(killed(tmp_path))
    for name in ("spec.toml", "environment.json"):
        (tmp_path / "run" / name).unlink()
    run = load(tmp_path / "run")
    assert run.damages == tuple(
        f"{name} is missing: the journal's copy is read" for name in ("environment.json", "spec.toml")
    )
    assert (run.spec, run.environment, run.summary) == (whole.spec, ENVIRONMENT, whole.summary)
    assert (run.summary["status"], run.unread) == (RECOVERED, frozenset())


@pytest.mark.parametrize("lost", [(), ("environment.json",)])
@pytest.mark.parametrize(
    ("label", "speed"), [("profile=p; speed=20; since=1795348129.5", 20.0), ("profile=p; speed=nan", None)]
)
def test_a_run_that_was_killed_stays_emulated(
    tmp_path: Path, label: str, speed: float | None, lost: tuple[str, ...]
) -> None:
    """The environment is written before the first answer tells what the endpoint is."""
    made = records()
    made[1].emulated = label
    path = written(tmp_path, made, finished=False)
    for name in lost:
        (path / name).unlink()
    run = load(path)
    if speed is None:
        assert run.emulated is None
        return
    assert run.emulated == Emulation("p", speed, False, 1795348129.5)
    assert run.summary["emulated"] == {"profile": "p", "speed": 20.0, "embedded": False, "since_unix_s": 1795348129.5}


def test_the_journals_copy_is_read_where_a_file_was_changed(tmp_path: Path) -> None:
    path = killed(tmp_path)
    flip(path / "environment.json", 20)
    run = load(path)
    assert run.damages == ("environment.json is not as it was written: the journal's copy is read",)
    assert run.environment == ENVIRONMENT


def test_a_lone_journal_of_an_earlier_version(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(GOLDEN / "run-killed" / "journal.jsonl", tmp_path / "run")
    whole, run = load(GOLDEN / "run-killed"), load(tmp_path / "run")
    assert run.unread == {"spec.toml", "environment.json"}
    assert run.damages == tuple(f"{name} is missing" for name in ("environment.json", "spec.toml"))
    for name in ("ttft_s", "end_to_end_latency_s"):
        figures, expected = run.summary["latency"][name], whole.summary["latency"][name]
        assert [figures[one] for one in ("count", "p50", "max")] == pytest.approx(
            [expected[one] for one in ("count", "p50", "max")]
        )


@pytest.mark.parametrize("left", [["journal.jsonl"], ["journal.jsonl", "spec.toml"]])
def test_a_run_that_was_killed_before_its_first_request(tmp_path: Path, left: list[str]) -> None:
    path = written(tmp_path, [], finished=False)
    for entry in set(path.iterdir()) - {path / name for name in left}:
        entry.unlink()
    run = load(path)
    assert (len(run.timeline), run.summary["status"], run.spec.model) == (0, RECOVERED, "m")


def test_an_empty_journal_is_told(tmp_path: Path) -> None:
    path = killed(tmp_path)
    (path / "journal.jsonl").write_bytes(b"")
    assert load(path).damages == ("journal.jsonl is empty",)


def test_unreadable_lines_are_counted(tmp_path: Path) -> None:
    path = killed(tmp_path)
    content = (path / "journal.jsonl").read_bytes()
    flip(path / "journal.jsonl", content.index(b'"request":0') + 10)
    with (path / "journal.jsonl").open("ab") as file:
        file.write(b'{"request":9,"phase":"measured","us')
    run = load(path)
    assert run.damages == (
        "journal.jsonl: 1 of 3 lines unreadable and left out",
        "journal.jsonl: the last line was cut short and is left out",
    )
    assert same(run.timeline, make_timeline(records()[0], records()[2]))


# --- what is no run


@pytest.mark.parametrize("name", ["nowhere", "file", "empty", "nul\0"])
def test_a_path_without_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match=r"is not a run directory.*; give a run directory, such as runs/<time>-<name>$"
    ):
        load(tmp_path / name)


def test_a_directory_that_says_only_what_was_to_be_measured(path: Path) -> None:
    for name in ("summary.json", "requests.parquet", "chunks.parquet"):
        (path / name).unlink()
    with pytest.raises(InputError, match=r"has neither summary\.json nor journal\.jsonl"):
        load(path)


def test_nothing_to_show(path: Path) -> None:
    (path / "summary.json").write_bytes(b"{")
    (path / "chunks.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        InputError, match=r"cannot be read as a run \(summary\.json is not JSON .*; requests\.parquet and"
    ):
        load(path)


@pytest.mark.parametrize("name", ["spec.toml", "environment.json", "summary.json", "chunks.parquet"])
@pytest.mark.parametrize("kind", ["directory", "pipe", "loop"])
def test_things_that_are_no_files(path: Path, name: str, kind: str) -> None:
    """A pipe that nobody writes to would keep its reader for ever."""
    (path / name).unlink(missing_ok=True)
    if kind == "directory":
        (path / name).mkdir()
    elif kind == "pipe":
        os.mkfifo(path / name)
    else:
        (path / name).symlink_to(name)
    run = load(path)
    assert isinstance(run, Run)
    assert name in run.damages[0]
    assert run.succeeded == 1


def test_links_to_files_are_read(path: Path, tmp_path: Path) -> None:
    before = load(path)
    shutil.move(path / "chunks.parquet", tmp_path / "elsewhere")
    (path / "chunks.parquet").symlink_to(tmp_path / "elsewhere")
    assert load(path).damages == ()
    assert same(load(path).timeline, before.timeline)


def test_the_spec_keeps_its_values(path: Path) -> None:
    assert load(path).spec == Spec(**{**vars(SPEC), "headers": {}})
