"""Small files that may be anything: what is read, and what is said of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmdyno.runs.content import Unreadable, is_regular, json_object, read_bytes


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "is not JSON (Expecting property name"),
        (b"", "is not JSON (Expecting value"),
        (b"\xff", "is not UTF-8 text"),
        (b"[1]", "is not a JSON object"),
        (b"[" * 100_000, "is not JSON (maximum recursion depth exceeded"),
        (b'{"a": NaN}', "is not JSON (NaN is no number)"),
        (b'{"a": -Infinity}', "is not JSON (-Infinity is no number)"),
        (b'{"a": 1e999}', "is not JSON (1e999 is too large)"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON (Exceeds the limit"),
    ],
)
def test_what_is_no_json_object(content: bytes, problem: str) -> None:
    with pytest.raises(Unreadable) as told:
        json_object(content)
    assert str(told.value).startswith(problem)


def test_half_a_character_becomes_a_question_mark() -> None:
    assert json_object(b'{"a\\ud800": ["\\uDFFFx", "\\ud83d\\ude00"]}') == {"a?": ["?x", "\U0001f600"]}


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    assert (read_bytes(tmp_path / "file"), read_bytes(tmp_path / "link")) == (b"x", b"x")
    problems = {
        "pipe": "is not a regular file",
        "": "is not a regular file",
        "loop": "cannot be read (Too many levels of symbolic links)",
        "none": "is missing",
    }
    for name, problem in problems.items():
        with pytest.raises(Unreadable) as told:
            read_bytes(tmp_path / name)
        assert str(told.value) == problem
    assert [name for name in ("file", "link", "pipe", "loop", "none", "nul\0") if is_regular(tmp_path / name)] == [
        "file",
        "link",
    ]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)  # a hole, which takes no space
    with pytest.raises(Unreadable, match=r"^is larger than 256 MB$"):
        read_bytes(tmp_path / "huge")
