"""``llmdyno compare``: what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdyno.cli import main


def test_one_run_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "r"]) == 2
    error = "llmdyno: RUN: there is only one run; name two or more run directories\n"
    assert capsys.readouterr() == ("", error)


def test_what_is_no_run_directory_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert capsys.readouterr().err.startswith(f"llmdyno: {tmp_path / 'a'}: is no")
