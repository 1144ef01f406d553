"""A run as one JSON object."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.reports.made import CHECK, COST, EMULATED, good, run_of

from llmdyno.reports.exports.json import export
from llmdyno.runs.run import Run


def document(run: Run) -> dict[str, Any]:
    ((name, content),) = export(run)
    assert name == "run.json"
    return dict(json.loads(content))


def test_the_keys_are_those_of_the_files() -> None:
    run = run_of(good(0), emulated=EMULATED, concurrency=4)
    found = document(run)
    assert list(found) == ["damages", "summary", "spec", "environment"]
    assert found["summary"] == json.loads(json.dumps(run.summary))
    assert found["spec"]["seed"] == 1
    assert found["spec"]["endpoint"]["base_url"] == "http://h/v1"
    assert found["spec"]["load"]["concurrency"] == 4
    assert found["environment"]["endpoint"]["emulated"] == {
        "profile": "p", "speed": 10.0, "embedded": False, "since_unix_s": None,
    }  # fmt: skip


def test_no_secret_is_in_it() -> None:
    run = run_of(good(0), api_key="sk-hidden", headers={"x-api-key": "hidden", "x-team": "blue"}, show_headers="x-team")
    ((_, content),) = export(run)
    assert b"hidden" not in content
    assert document(run)["spec"]["endpoint"]["headers"]["x-team"] == "blue"


def test_reports_of_later_commands_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text(json.dumps(COST), encoding="utf-8")
    (tmp_path / "check.json").write_text(json.dumps(CHECK), encoding="utf-8")
    found = document(run_of(good(0), path=tmp_path))
    assert list(found) == ["damages", "summary", "spec", "environment", "check", "cost"]
    assert (found["cost"], found["check"]) == (COST, CHECK)


def test_no_nan_is_written(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text(json.dumps({**COST, "cold_start_s": math.nan}), encoding="utf-8")
    assert "cost" not in document(run_of(good(0), path=tmp_path))


def test_what_is_damaged_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text('{"emulated": 7}', encoding="utf-8")
    run = run_of(good(0), path=tmp_path)
    run = replace(run, damages=("spec.toml is missing",), unread=frozenset({"spec.toml", "environment.json"}))
    found = document(run)
    assert found["damages"] == ["spec.toml is missing", "cost.json is not what a command wrote: it is left out"]
    assert (found["spec"], found["environment"], "cost" in found) == (None, None, False)
