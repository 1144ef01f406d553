"""Files that a user names: their text, and errors that say which flag and which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdyno import InputError
from llmdyno.host.files import read_text


def test_a_byte_order_mark_and_line_ends_are_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"\xef\xbb\xbfa,\xc3\xa9\r\nb\r\n")
    assert read_text(path, "--flag", "give one") == read_text(str(path), "--flag", "give one") == "a,é\nb\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent", "cannot be read (No such file or directory)"),
        ("folder", "cannot be read (Is a directory)"),
        ("binary", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    path = str(tmp_path / name)
    with pytest.raises(InputError) as refused:
        read_text(path, "--flag", "give one")
    assert str(refused.value) == f"--flag: {path} {problem}; give one"
    with pytest.raises(InputError) as refused:
        read_text(path, path, "give one")
    assert str(refused.value) == f"{path}: {problem}; give one"


def test_a_path_that_is_none() -> None:
    with pytest.raises(InputError, match=r"^--flag: 'a\\x00b' cannot be read \(embedded null byte\); give one$"):
        read_text("a\0b", "--flag", "give one")
