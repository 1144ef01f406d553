"""Every command's help: what it does, in plain English, within eighty columns."""

from __future__ import annotations

import re

import pytest

from llmdyno.cli import COMMANDS, main

LINES = [[name] for name in COMMANDS if name != "llmperf"] + [
    ["llmperf"],
    ["llmperf", "token-benchmark"],
    ["llmperf", "correctness"],
]
HARD = re.compile(
    r"\b(stands? in|is none|are none|so (?:long|many)|of which|takes? not|be it|as many times|say)\b", re.IGNORECASE
)


def help_of(line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main([*line, "--help"])
    assert left.value.code == 0
    out, errors = capsys.readouterr()
    assert errors == ""
    return out


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_help_fits_eighty_columns_in_plain_english(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(line, capsys)
    assert text.startswith(f"usage: llmdyno {' '.join(line)} ")
    assert [one for one in text.splitlines() if len(one) > 80] == []
    assert HARD.findall(text) == []


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_flag_has_a_help_text(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag without one would end its line, and the next line would be another flag."""
    monkeypatch.setenv("COLUMNS", "200")
    lines = help_of(line, capsys).partition("options:")[2].splitlines()
    flags = [one for one in lines if one.startswith("  -")]
    assert len(flags) >= 1
    bare = [one for one, after in zip(lines, [*lines[1:], ""], strict=True) if _bare(one, after)]
    assert bare == []


def _bare(line: str, after: str) -> bool:
    return line.startswith("  -") and not re.search(r"\S {2,}\S", line.strip()) and not after.startswith("      ")


def test_the_list_of_commands_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    assert [name for name, about in COMMANDS.items() if f"  {name:<10} {about}\n" not in text] == []
    assert HARD.findall(text) == []
