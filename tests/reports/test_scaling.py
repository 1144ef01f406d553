"""What ``reports/scaling.py`` shows of a report made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.reports.made import SCALING, drawn

from llmdyno.reports import scaling

SHOWN = """\

A step from 2 to 8 users, held for 10.0 min
EMULATED: the emulator's copies come and go by its own model of the service.
Durations are at real speed.

Bounds        time to first token ≤ 500.0 ms and time per output token ≤ 1.50 s
              (as given)
Recovery      latency was back within bounds 2.5 min after the step
Until then    1,200 requests, 25% of them within bounds; 60 throttled, 1 not
              ready
Refusals      the first came 1.2 s after the step; 70 throttled while the step
              was held
Copies        1 before, 2 at most (ModelCopy from CloudWatch); the 2nd came
              between 128 s and 152 s after the step; one copy carries 3 to 4
              calls at once
From the load the 1st came before -119.0 s, the 2nd came between +138.2 s and
              +141.0 s
Scale-in      copies went between 280 s and 340 s after the step down
Over time     ▅█ output tokens/s, up to 200
              █  TTFT p50, s, up to 0.1
               █ throttled, up to 5
              ▅█ copies, up to 2
              20 s a bar; the first bar is at -20 s
Note          CloudWatch was not read: no credentials; configure them, and run
              llmdyno cost --refresh on this run
"""


def test_the_whole_report_at_eighty_columns() -> None:
    assert drawn(lambda page: scaling.show(SCALING, page, Path("runs/x"))) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80


def test_a_step_without_bounds_recovery_or_copies() -> None:
    copies = {**SCALING["copies"], "source": "unknown: no copies here", "calls_per_copy": None, "most": 0}
    blind = {
        **SCALING,
        "bounds": {},
        "recovery_s": None,
        "first_refusal_s": None,
        "throttled": 0,
        "meanwhile": {"requests": 0, "within_bounds": None, "throttled": 0, "not_ready": 0},
        "copies": copies,
    }
    assert scaling.facts(blind) == [
        ("Bounds", "none, as nothing was answered before the step"),
        ("Recovery", "latency did not come back within bounds while the step was held"),
        ("Until then", "0 requests; 0 throttled, 0 not ready"),
        ("Refusals", "nothing was refused; 0 throttled while the step was held"),
        ("Copies", "unknown: no copies here"),
    ]


def test_copies_that_neither_came_nor_went() -> None:
    names = ("came_s", "came_span_s", "went_s", "went_span_s", "inferred", "inferred_came_span_s")
    copies = {**SCALING["copies"], **{name: [] for name in names}, "calls_per_copy": None}
    assert scaling.facts({**SCALING, "copies": copies, "bounds_given": False})[-3:] == [
        ("Copies", "1 before, 2 at most (ModelCopy from CloudWatch); no more came"),
        ("From the load", "the load shows no copies"),
        ("Scale-in", "no copy was seen to go"),
    ]


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (
            {"possible_span_s": [[100.0, None]]},
            "1 before, 2 that the load needed (ModelCopy from CloudWatch); more may have come without being needed; "
            "one copy carries 1 call at once",
        ),
        (
            {"at_least": True, "calls_per_copy": None, "carries": None},
            "1 before, 2 or more (ModelCopy from CloudWatch); the run does not show whether more came",
        ),
    ],
)
def test_copies_that_may_have_been_there_are_not_denied(known: dict[str, Any], line: str) -> None:
    copies = {**SCALING["copies"], "came_s": [], "came_span_s": [], "calls_per_copy": 1, "carries": [1, 1], **known}
    assert dict(scaling.facts({**SCALING, "copies": copies}))["Copies"] == line


def test_a_large_figure_is_written_out() -> None:
    series = [{**SCALING["series"][0], "output_token_per_s": 1234.5}]
    shown = drawn(lambda page: scaling.show({**SCALING, "series": series}, page, Path("runs/x")))
    assert "output tokens/s, up to 1,234\n" in shown


def test_a_report_of_an_earlier_version_is_shown() -> None:
    """It has no bounds of moments."""
    names = ("carries", "came_span_s", "went_span_s", "possible_span_s", "inferred_came_span_s")
    copies = {name: value for name, value in SCALING["copies"].items() if name not in names}
    assert scaling.facts({**SCALING, "copies": copies})[-3:] == [
        (
            "Copies",
            "1 before, 2 at most (ModelCopy from CloudWatch); the 2nd came 2.3 min after the step; one copy carries 4 "
            "calls at once",
        ),
        ("From the load", "1 from -120 s, 2 from +140 s"),
        ("Scale-in", "copies went 5.0 min after the step down"),
    ]


def test_copies_that_may_have_come_unneeded() -> None:
    copies = {**SCALING["copies"], "possible_span_s": [[152.0, None]]}
    line = dict(scaling.facts({**SCALING, "copies": copies}))["Copies"]
    assert "after the step; more may have come without being needed; one copy" in line
