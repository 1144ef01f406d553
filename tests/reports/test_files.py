"""What a run directory ends with, and what a finished run can be turned into."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.reports.made import CAPACITY, CHECK, COST, SCALING, good, run_of
from tests.reports.test_cost_tokens import REPORT

from llmdyno.errors import InputError
from llmdyno.reports import capacity, cost, cost_tokens, exports
from llmdyno.reports.files import exports as files_of
from llmdyno.reports.files import find_export, foreign_reports, kept_reports, known_formats, module_of


def test_a_run_directory_ends_with_llmperfs_files() -> None:
    run = run_of(good(0), model="org/m")
    (export,) = files_of(run.spec)
    assert [name for name, _ in export(run)] == [
        "llmperf/org-m_500_1000_summary.json",
        "llmperf/org-m_500_1000_individual_responses.json",
    ]


def test_the_folder_is_the_list_of_formats() -> None:
    assert known_formats() == ("csv", "json", "md")
    folder = Path(str(exports.__file__)).parent
    assert {f"{name}.py" for name in known_formats()} == {path.name for path in folder.glob("*.py")} - {"__init__.py"}


@pytest.mark.parametrize("name", known_formats())
def test_a_format_gives_one_file_of_its_own_kind(name: str) -> None:
    ((file, content),) = find_export(name)(run_of(good(0)))
    assert file.endswith(f".{name}")
    assert content.endswith(b"\n")


@pytest.mark.parametrize("name", ["xml", "text", "", "__init__", "../csv", "csv.x"])
def test_another_format_is_refused_with_what_fits(name: str) -> None:
    with pytest.raises(InputError) as caught:
        find_export(name)
    assert str(caught.value) == f"--format: {name!r} is not a known format; choose one of: text, csv, json, md"


def test_reports_of_later_commands_are_found_by_name(tmp_path: Path) -> None:
    for name, report in (("cost", COST), ("capacity", CAPACITY), ("summary", {}), ("cloudwatch", {}), ("live", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    (tmp_path / "scaling.json").write_text("{ cut off", encoding="utf-8")
    assert list(kept_reports(tmp_path)) == [("capacity", CAPACITY, capacity), ("cost", COST, cost)]
    assert list(kept_reports(tmp_path / "nowhere")) == []


def test_a_cost_report_is_shown_by_the_module_of_what_is_billed(tmp_path: Path) -> None:
    assert module_of("cost", REPORT) is cost_tokens
    assert module_of("cost", {**COST, "billing": "copies"}) is cost
    assert module_of("cost", COST) is cost  # of a version that did not say what is billed
    assert module_of("cost", {"billing": "../x"}) is cost
    (tmp_path / "cost.json").write_text(json.dumps(REPORT), encoding="utf-8")
    assert list(kept_reports(tmp_path)) == [("cost", REPORT, cost_tokens)]
    (tmp_path / "cost.json").write_text(json.dumps({**COST, "billing": "tokens"}), encoding="utf-8")
    assert list(kept_reports(tmp_path)) == []
    assert foreign_reports(tmp_path) == ["cost.json is not what a command wrote: it is left out"]


def test_every_report_of_a_command_can_be_shown(tmp_path: Path) -> None:
    for name, report in (("cost", COST), ("capacity", CAPACITY), ("check", CHECK), ("scaling", SCALING)):
        (tmp_path / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    found = list(kept_reports(tmp_path))
    assert [kept.name for kept in found] == ["capacity", "check", "cost", "scaling"]
    for kept in found:
        assert kept.module.title(kept.report)
        assert all(label and value for label, value in kept.module.facts(kept.report))
        assert callable(kept.module.show)
