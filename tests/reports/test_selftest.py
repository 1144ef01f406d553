"""What ``reports/selftest.py`` shows of a result made by hand."""

from __future__ import annotations

from pathlib import Path

from tests.reports.made import SELFTEST, STEP, drawn

from llmdyno.reports import selftest

SHOWN = """\
                   reached chunks/s TTFT error gap error send late read lag  CPU
                                       p99, ms   p99, ms   p99, ms  p99, ms
       32 streams       32    1,600       0.21      0.10         –     0.05  12%
    10 requests/s       32    1,600       0.21      0.10         –     0.05  12%  beyond: the CPU is busy

Within 1 ms on this machine: 32 streams, 1,600 chunks/s, 0 requests/s
Kept in /k/selftest.json
"""


def test_the_whole_result() -> None:
    assert drawn(lambda page: selftest.show(SELFTEST, page, Path("/k/selftest.json"))) == SHOWN


def test_a_step_within_the_range_fits_eighty_columns() -> None:
    step = {**STEP, "kind": "rate", "asked": 8000, "reached": 8000.0, "chunks_per_s": 204800.0}
    shown = drawn(lambda page: selftest.show_step(step, page))
    assert shown == "  8000 requests/s    8,000  204,800       0.21      0.10         –     0.05  12%\n"


def test_a_result_that_is_not_kept() -> None:
    shown = drawn(lambda page: selftest.show_result(SELFTEST, page))
    assert shown == "\nWithin 1 ms on this machine: 32 streams, 1,600 chunks/s, 0 requests/s\n"
