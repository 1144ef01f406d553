"""Drawing on a page."""

from __future__ import annotations

import io

import pytest
from tests.reports.made import drawn

from llmdyno.reports.console import Page


def test_a_value_is_indented_to_its_first_line() -> None:
    shown = drawn(lambda page: page.fact("Label", "one two three four five six seven", 8), width=30)
    assert shown == "Label    one two three four\n         five six seven\n"


def test_a_word_longer_than_the_page_is_folded() -> None:
    assert drawn(lambda page: page.line("x" * 25), width=20) == "x" * 20 + "\n" + "x" * 5 + "\n"


def test_what_is_to_be_copied_is_never_broken() -> None:
    shown = drawn(lambda page: page.fact("Path", "a b " * 10, 4, whole=True), width=20)
    assert shown == "Path " + ("a b " * 10).rstrip() + "\n"


def test_lines_stay_whole_in_a_pipe() -> None:
    text = "word " * 60
    assert drawn(lambda page: page.fact("Label", text, 8), width=None) == f"Label    {text}".rstrip() + "\n"


def test_markup_is_text() -> None:
    assert drawn(lambda page: page.line("[bold]a[/bold] :smile:")) == "[bold]a[/bold] :smile:\n"
    assert drawn(lambda page: page.table(["[red]h"], [["[/]c"]])) == "[red]h\n[/]c\n"


def test_a_table_is_as_wide_as_its_contents() -> None:
    shown = drawn(lambda page: page.table(("name", "n", "why"), [("a", "1", "x" * 30)], left=(0, 2)), width=20)
    assert shown == f"name  n  why\na     1  {'x' * 30}\n"


def test_a_table_without_rows_is_left_out() -> None:
    assert drawn(lambda page: page.table(("a", "b"), [])) == ""


def test_an_empty_value_and_an_item() -> None:
    assert drawn(lambda page: page.fact("Label", "", 8)) == "Label\n"
    assert (
        drawn(lambda page: page.point("one two three four five", 2), width=24) == "  - one two three four\n    five\n"
    )


def test_a_pipe_gets_no_colours() -> None:
    stream = io.StringIO()
    page = Page(stream)
    page.title("title")
    page.warning("warning")
    page.notes(["note"], 5)
    assert stream.getvalue() == "title\nwarning\nNote  note\n"


def test_a_broken_line_leaves_no_space_at_its_end() -> None:
    stream = io.StringIO()
    Page(stream, 24).line("one two three four five six")
    assert stream.getvalue() == "one two three four five\nsix\n"


@pytest.mark.parametrize("columns", ["²", "99999999999", "0", "-5", "wide", ""])
def test_a_size_that_no_terminal_has_is_not_seen(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    assert drawn(lambda page: page.line("text"), width=None) == "text\n"
