"""``llmdyno show``: what goes to standard output or to a file, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.reports.made import CAPACITY, EMULATED, good, run_of
from tests.support import clean_environ, command

from llmdyno.cli import main
from llmdyno.reports.files import find_export, known_formats
from llmdyno.runs.directory import RunDirectory, add_json, load


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory of forty requests, with capacity.json."""
    run = run_of(*(good(n) for n in range(40)), emulated=EMULATED, concurrency=40, path=tmp_path / "r")
    directory = RunDirectory.create(str(run.path), "r", 0.0)
    directory.write("spec.toml", run.spec.to_toml().encode())
    directory.finish(run)
    add_json(run.path, "capacity.json", CAPACITY)
    return run.path


@pytest.mark.parametrize("name", known_formats())
def test_a_format_goes_to_standard_output_byte_for_byte(
    stored: Path, name: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["show", str(stored), "--format", name]) == 0
    ((_, content),) = find_export(name)(load(stored))
    assert capfdbinary.readouterr() == (content, b"")


@pytest.mark.parametrize("name", ["text", *known_formats()])
def test_a_file_gets_the_same_bytes(stored: Path, name: str, tmp_path: Path) -> None:
    shown = command("show", "r", "--format", name, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    written = command("show", "r", "--format", name, "--out", "f", cwd=tmp_path)
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    assert (tmp_path / "f").read_bytes().replace(b"\r\n", b"\n") == shown.stdout.encode()
    assert {path.name for path in tmp_path.iterdir()} == {"f", "r"}


def test_the_text_has_the_summary_and_later_reports(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(stored)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("\nllmdyno run: m at http://h/v1\nEMULATED endpoint: ")
    assert shown.index("Run directory ") < shown.index("Capacity: p95 of time to first token ≤ 500.0 ms")


def test_the_json_has_the_summary_as_stored(stored: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(stored), "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    written = json.loads((stored / "summary.json").read_text(encoding="utf-8"))
    assert set(written) - set(found["summary"]) == {"files", "sha256"}
    assert found["summary"] == {name: value for name, value in written.items() if name in found["summary"]}
    assert found["environment"] == json.loads((stored / "environment.json").read_text(encoding="utf-8"))
    assert found["capacity"] == CAPACITY


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--format", "xml"], "--format: 'xml' is not a known format; choose one of: text, csv, json, md"),
        (
            ["--format", "md", "--out", "no/such/f"],
            "--out: no/such/f cannot be written (No such file or directory); name a file you may write",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(
    stored: Path, arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(stored), *arguments]) == 2
    assert capsys.readouterr() == ("", f"llmdyno: {error}\n")


def test_a_device_stays_one(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(stored), "--format", "md", "--out", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()
    assert main(["show", str(stored), "--out", "."]) == 2
    assert (
        capsys.readouterr().err == "llmdyno: --out: . cannot be written (Is a directory); name a file you may write\n"
    )


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    run = run_of(*(good(n) for n in range(2000)), path=tmp_path / "r")  # more than a pipe holds
    directory = RunDirectory.create(str(run.path), "r", 0.0)
    directory.write("spec.toml", run.spec.to_toml().encode())
    directory.finish(run)
    process = subprocess.Popen(
        [sys.executable, "-m", "llmdyno", "show", "r", "--format", "csv"],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"request,user,")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 0
    process.stderr.close()
