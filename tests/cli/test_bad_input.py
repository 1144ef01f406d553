"""Bad input of every kind: one clear line, or it fits. A short form of ``python -m benchmarks.bad_input``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from benchmarks.bad_input import REFUSED, TAKEN, Case, cases, clean, judged, outcome, outcome_of_process

SLOW = ("variable", "file")
"""Kinds whose cases may wait for a connection."""


@pytest.fixture(scope="module", autouse=True)
def _workplace() -> Iterator[None]:
    yield
    clean()


def test_a_sample_of_every_kind() -> None:
    tried = [case for case in islice(cases(7), 220) if case.kind not in SLOW]
    assert len(tried) > 150
    wrong = [(case.kind, case.name, what) for case in tried if (what := outcome(case)) not in (REFUSED, TAKEN)]
    assert wrong == []


def test_the_cases_follow_from_the_seed() -> None:
    first = list(islice(cases(3), 600))
    assert first == list(islice(cases(3), 600))
    assert first != list(islice(cases(4), 600))
    assert {case.kind for case in first} == {
        *("flag", "shape", "key", "spec file", "keyword", "trace", "file", "template", "model", "tokenizer", "variable")
    }


@pytest.mark.parametrize(
    ("case", "what"),
    [
        (Case("flag", "", ("run", "--dry-run", "--seed", "x")), REFUSED),
        (Case("flag", "", ("run", "--dry-run", "--seed", "5")), TAKEN),
        (Case("keyword", "", keyword=("requests", "minus one")), REFUSED),
        (Case("template", "", content=b"{"), REFUSED),
    ],
)
def test_an_outcome(case: Case, what: str) -> None:
    assert outcome(case) == what


def test_an_outcome_of_a_process() -> None:
    assert outcome_of_process(Case("flag", "", ("run", "--dry-run", "--seed", "\udcff"))) == REFUSED


@pytest.mark.parametrize(
    ("code", "said", "what"),
    [
        (2, "llmdyno: --x: is bad; give y\n", REFUSED),
        (0, "", TAKEN),
        (1, "llmdyno: every request failed\n", TAKEN),
        (1, "llmdyno: disk: full\n", "exit code 1"),
        (2, "llmdyno: --x: is bad; give y\nmore\n", "not one line"),
        (2, "llmdyno: --x: is \x1b bad; give y\n", "not one line"),
        (2, "llmdyno: --x is bad\n", "not what, why and what fits"),
        (2, "llmdyno: --x: hunter2-canary-7f3a; give y\n", "secret"),
        (2, f"llmdyno: --x: {'a' * 3000}; give y\n", "3023 characters"),
    ],
)
def test_what_counts_as_one_clear_line(code: int, said: str, what: str) -> None:
    assert judged(code, said, secret=True).partition(": ")[0] == what
