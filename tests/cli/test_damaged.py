"""Every command that reads a run directory, on damaged ones: one line or a report that says so, never a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tests.damage import KINDS, cut, damaged, fill, flip
from tests.reports.made import CAPACITY, CHECK, COST, EMULATED, SCALING, good, run_of
from tests.runs.written import same

from llmdyno import InputError, load
from llmdyno.cli import main
from llmdyno.reports.files import kept_reports
from llmdyno.runs.directory import RunDirectory, add_json
from llmdyno.runs.environment import EndpointFacts, ModelFacts

COMMANDS = [
    ["show", "W"],
    ["show", "W", "--format", "json"],
    ["show", "W", "--format", "md"],
    ["show", "W", "--format", "csv"],
    ["compare", "B", "W"],
    ["compare", "W", "B", "--json"],
    ["cost", "W", "--copies", "1", "--units", "2", "--json"],
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run directory with the reports of all commands."""
    path = tmp_path_factory.mktemp("damaged") / "base"
    endpoint = EndpointFacts(emulated=EMULATED, imported_model=ModelFacts(None, "us-east-1", 2, "v1.0"))
    run = run_of(*(good(n, sent_s=float(n)) for n in range(4)), endpoint=endpoint, path=path)
    with RunDirectory.create(str(path), "r", 0.0) as directory:
        directory.begin(run.spec, run.environment)
        directory.finish(run)
    for name, report in (("capacity", CAPACITY), ("check", CHECK), ("cost", COST), ("scaling", SCALING)):
        add_json(path, f"{name}.json", report)
    return path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with a journal and without figures."""
    path = tmp_path_factory.mktemp("damaged") / "killed"
    run = run_of(*(good(n, sent_s=float(n)) for n in range(4)), path=path)
    with RunDirectory.create(str(path), "r", 0.0) as directory:
        directory.begin(run.spec, run.environment)
        for n in range(4):
            directory.append(good(n, sent_s=float(n)))
    return path


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("which", ["base", "killed"])
def test_a_damaged_directory_is_read_as_far_as_it_goes(
    which: str, seed: int, base: Path, killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(f"{which}{seed}")
    whole = base if which == "base" else killed
    damaged(whole, tmp_path / "run", dice, KINDS)
    command = [{"W": str(tmp_path / "run"), "B": str(base)}.get(word, word) for word in dice.choice(COMMANDS)]
    assert main(command) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("which", ["base", "killed"])
def test_no_damage_is_silent(which: str, base: Path, killed: Path, tmp_path: Path) -> None:
    """Either the run's damages name it, or everything reads as it was."""
    whole, dice, told = base if which == "base" else killed, random.Random(7), 0
    before = load(whole)
    for _ in range(40):
        damaged(whole, tmp_path / "run", dice, (flip, flip, cut, fill))
        try:
            run = load(tmp_path / "run")
        except InputError:
            told += 1
            continue
        if run.damages:
            told += 1
            continue
        assert (run.summary, run.spec, run.environment) == (before.summary, before.spec, before.environment)
        assert same(run.timeline, before.timeline)
        assert list(kept_reports(run.path)) == list(kept_reports(whole))
    assert told > 35


def test_each_command_says_what_is_damaged(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run"
    damaged(base, path, random.Random(1), (lambda file, dice: "",))
    content = bytearray((path / "chunks.parquet").read_bytes())
    content[100] ^= 1
    (path / "chunks.parquet").write_bytes(content)
    damage = "chunks.parquet does not match its checksum: figures are those stored at the end of the run"
    for command in (["show", str(path)], ["compare", str(base), str(path)]):
        assert main(command) == 0
        assert f"Damaged: {damage}." in capsys.readouterr().out
    assert main(["show", str(path), "--format", "md"]) == 0
    assert f"> **Damaged: {damage}.**" in capsys.readouterr().out
    assert main(["show", str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["damages"] == [damage]
    assert main(["compare", str(path), str(base), "--json"]) == 0
    assert [run["damages"] for run in json.loads(capsys.readouterr().out)["runs"]] == [[damage], []]
    assert main(["cost", str(path), "--copies", "1", "--units", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"][0] == f"damaged: {damage}"
    assert main(["show", str(path), "--format", "csv"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"llmdyno: {path}: {damage}",
        f"llmdyno: {path}: has no requests to list ({damage}); "
        "its summary can be read: choose --format json, md or text",
    ]


def test_a_cost_that_cannot_be_computed_says_why(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    damaged(base, path, random.Random(1), (lambda file, dice: "",))
    (path / "environment.json").unlink()
    assert main(["cost", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"llmdyno: {path}: its model, and when it ran, are not known (environment.json is missing or cannot be read); "
        "give the copies: add --copies N --units N, or --price IN,OUT\n"
    )
    assert main(["cost", str(path), "--copies", "1", "--units", "2"]) == 0
    capsys.readouterr()
    (path / "requests.parquet").write_bytes(b"")
    assert main(["cost", str(path), "--copies", "1", "--units", "2"]) == 2
    assert "its requests cannot be read, so what they used is not known (" in capsys.readouterr().err


def test_a_report_that_no_command_wrote_is_left_out(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    damaged(base, path, random.Random(1), (lambda file, dice: "",))
    (path / "capacity.json").write_text(json.dumps({**CAPACITY, "levels": 7}), encoding="utf-8")
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Damaged: capacity.json is not what a command wrote: it is left out." in out
    assert "Capacity: " not in out
    assert "A step from 2 to 8 users" in out


def test_a_run_that_measured_nothing_is_read_by_every_command(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was killed before its first request ended."""
    path = tmp_path / "run"
    run = run_of(path=path)
    with RunDirectory.create(str(path), "r", 0.0) as directory:
        directory.begin(run.spec, run.environment)
    assert main(["show", str(path)]) == 0
    assert "This run was stopped before its first request ended. Nothing was measured." in capsys.readouterr().out
    for command in COMMANDS:
        assert main([{"W": str(path), "B": str(base)}.get(word, word) for word in command]) == 0, command
    assert "Traceback" not in capsys.readouterr().err
