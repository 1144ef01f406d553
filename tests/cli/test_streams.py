"""Standard streams that are closed, full, or whose reader has gone: at most one line, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.reports.made import good, run_of
from tests.support import clean_environ

from llmdyno.runs.directory import RunDirectory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run directory `r`."""
    path = tmp_path_factory.mktemp("streams")
    run = run_of(*(good(n) for n in range(3)), path=path / "r")
    directory = RunDirectory.create(str(run.path), "r", 0.0)
    directory.write("spec.toml", run.spec.to_toml().encode())
    directory.finish(run)
    return path


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell; `llmdyno` is ours."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'llmdyno() {{ "{sys.executable}" -m llmdyno "$@"; }}\n{line}'],
        cwd=cwd,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("line", ["show r", "show r --format json", "compare r r --json"])
def test_output_that_cannot_be_written_is_one_line(line: str, folder: Path) -> None:
    found = shell(f"llmdyno {line} > /dev/full", folder)
    error = "llmdyno: standard output: cannot be written (No space left on device)\n"
    assert (found.returncode, found.stderr) == (1, error)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("llmdyno show r >&-", 0),
        ("llmdyno show r --format csv >&- 2>&- <&-", 0),
        ("llmdyno show nowhere 2>&-", 2),
        ("llmdyno show nowhere 2>/dev/full", 2),
        ("llmdyno show r | true", 0),
        ("llmdyno compare r r | true", 0),
        ("llmdyno run --help | true", 0),
    ],
)
def test_a_stream_that_nobody_reads_is_no_error(line: str, code: int, folder: Path) -> None:
    found = shell(line, folder)
    assert (found.returncode, found.stdout, found.stderr) == (code, "", "")


def test_a_run_goes_on_when_nobody_sees_its_progress(tmp_path: Path) -> None:
    line = "llmdyno run --speed 100 --requests 2 --input-tokens 9 --output-tokens 9 --out r"
    assert shell(f"{line} 2>/dev/full >&- <&-", tmp_path).returncode == 0
    assert (tmp_path / "r" / "summary.json").is_file()
