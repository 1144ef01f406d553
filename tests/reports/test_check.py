"""What ``reports/check.py`` shows of a report made by hand."""

from __future__ import annotations

from pathlib import Path

from tests.reports.made import CHECK, drawn

from llmdyno.reports import check

SHOWN = """\

Answers                  alone              under load
Numbers in words  4 of 4 right  3 of 4 right, 1 failed
Same as alone                –            3 of 4 right

Same as alone, under load: another answer under load than alone
  asked     Write the number: ⏎ seven
  expected  7
  answered  (nothing)
Numbers in words, under load: busy
  asked     [bold]two
  answered  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            xxxxxxxxxxxxxxxxxxxxxxx…
2 of 12 answers are wrong; all of them: runs/x/check.json
"""


def test_the_whole_report_at_eighty_columns() -> None:
    assert drawn(lambda page: check.show(CHECK, page, Path("runs/x"))) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80


def test_all_answers_right() -> None:
    right = {**CHECK, "wrong": 0, "mismatches": []}
    shown = drawn(lambda page: check.show(right, page, Path("runs/x")))
    assert shown.splitlines()[-1] == "all 12 answers are right"
    assert check.facts(right)[0] == ("Answers", "all 12 answers are right")


def test_ten_wrong_answers_are_shown_in_full() -> None:
    many = {**CHECK, "wrong": 24, "mismatches": CHECK["mismatches"] * 12}
    shown = drawn(lambda page: check.show(many, page, Path("runs/x")))
    assert shown.count("  asked ") == 10
    assert shown.splitlines()[-2] == "… and 14 more"


def test_the_results_in_short() -> None:
    assert check.title(CHECK) == "Check: 12 answers"
    assert check.facts(CHECK) == [
        ("Answers", "2 of 12 answers are wrong"),
        ("Numbers in words", "4 of 4 right alone; 3 of 4 right, 1 failed under load"),
        ("Same as alone", "3 of 4 right under load"),
    ]
