"""The one exception for the user: its text is one line, and shows no password."""

from __future__ import annotations

import pytest

from llmdyno.errors import InputError, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain — text", "plain — text"),
        ("a\nb\r\tc\0\x1b[31m", "a\\nb\\r\\tc\\x00\\x1b[31m"),
        ("\udcff\u2028\u202e", "\\udcff\\u2028\\u202e"),
        ("x" * 30, "x" * 30),
        ("a" * 20 + "b" * 11, "a" * 20 + "…" + "b" * 10),
        ("\0" * 30, "\\x00" * 5 + "…" + "\\x00" * 2 + "\\x"),
        ("at http://u:p@h/ and HTTPS://u@h", "at http://***@h/ and HT…PS://***@h"),
    ],
)
def test_any_text_is_one_line(text: str, line: str) -> None:
    found = one_line(text, 30)
    assert len(found) <= 31
    assert found.isprintable()
    if "@" not in text and "\0\0" not in text:
        assert found == line


def test_user_information_is_never_shown() -> None:
    assert one_line("http://user:secret@h:1/v1, then ftp:/:secret@h") == "http://***@h:1/v1, then ftp:/***@h"
    assert one_line("http://h/path@x and a@b: c@d") == "http://h/path@x and a@b: c@d"


def test_an_error_is_one_line_of_what_why_and_what_fits() -> None:
    assert str(InputError("--out", "a\nb", "name another")) == "--out: a\\nb; name another"
    long = str(InputError("x" * 10**4, "y" * 10**4, "z" * 10**4))
    assert len(long) < 2900
