"""A report goes into the run directory; where that fails, it is shown all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reports.made import good, run_of

from llmdyno.cli.keeping import keep
from llmdyno.runs.directory import load_json


def test_a_report_is_kept_under_its_name(tmp_path: Path) -> None:
    assert keep(run_of(good(0), path=tmp_path), "made.json", {"a": 1})
    assert load_json(tmp_path, "made.json") == {"a": 1}


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "made.json").mkdir()
    assert not keep(run_of(good(0), path=tmp_path), "made.json", {"a": 1})
    assert capsys.readouterr() == (
        "",
        f"llmdyno: {tmp_path}/made.json: cannot be written (Is a directory); the report is shown here only\n",
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["made.json"]
