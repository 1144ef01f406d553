"""Two runs side by side."""

from __future__ import annotations

import pytest
from tests.reports.made import EMULATED, drawn, failed, good, run_of

from llmdyno.reports.compare import compare, show
from llmdyno.runs.run import Run

SHOWN = """\

A  runs/x: m, 40 succeeded, trustworthy
B  runs/x: m, 40 succeeded, trustworthy
   - EMULATED endpoint: llmdyno's own emulator, profile p, at 10× real speed;
     durations are 10× shorter than in reality.
B sent the prompts of a run before it: the cache of the same server may have
known them, and the TTFT is then too good

                            unit          A         B
Time to first token p50     ms       250.00    319.50
Time to first token p99     ms       250.00    338.61
Inter-token latency p50     ms        10.00     10.00
Inter-token latency p99     ms        10.00     10.00
Time per output token p50   ms        10.00     10.00
Time per output token p99   ms        10.00     10.00
End-to-end latency p50      ms     1,240.00  1,309.50
End-to-end latency p99      ms     1,240.00  1,328.61
Throughput per request p50  tok/s     80.65     76.37
Throughput per request p99  tok/s     80.65     77.50
Output throughput           tok/s  3,225.81  3,009.78
Failed requests                        0.00      0.00

                            unit     B − A   × A          95% within
Time to first token p50     ms      +69.50  1.28    +63.50 to +75.50
Time to first token p99     ms      +88.61  1.35    +85.61 to +89.00
Inter-token latency p50     ms       +0.00  1.00                   –
Inter-token latency p99     ms       +0.00  1.00                   –
Time per output token p50   ms       +0.00  1.00    +0.00 to +0.00 *
Time per output token p99   ms       +0.00  1.00    +0.00 to +0.00 *
End-to-end latency p50      ms      +69.50  1.06    +63.50 to +75.50
End-to-end latency p99      ms      +88.61  1.07    +85.61 to +89.00
Throughput per request p50  tok/s    -4.28  0.95      -4.63 to -3.93
Throughput per request p99  tok/s    -3.15  0.96      -3.33 to -3.13
Output throughput           tok/s  -216.02  0.93                   –
Failed requests                      +0.00     –                   –
* The interval includes 0: the difference may be chance.

These runs are not the same load:
  concurrency: 40, 20
"""


def runs() -> list[Run]:
    return [
        run_of(*(good(n) for n in range(40)), concurrency=40),
        run_of(*(good(n, ttft_s=0.3 + 0.001 * n) for n in range(40)), concurrency=20, emulated=EMULATED),
    ]


def test_the_whole_comparison_at_eighty_columns() -> None:
    assert drawn(lambda page: show(compare(runs()), page)) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80


def test_cached_tokens_seed_and_prompts_come_first() -> None:
    found = compare(
        [
            run_of(good(0, cached_input_tokens=0), seed=1, prompts_seed=8, concurrency=1),
            run_of(good(0, cached_input_tokens=8), seed=2, prompts_seed=9),
        ]
    )
    assert found["notes"] == [
        "Cached input tokens: 0%, 73%",
        "Seed of lengths and arrivals: 1, 2",
        "Seed of prompts: 8, 9",
    ]
    assert found["unlike"] == [{"key": "concurrency", "values": ["1", "2"]}]


@pytest.mark.parametrize(
    ("base", "other", "same"),
    [
        ({"seed": 1}, {"seed": 1}, True),  # runs of a version whose prompts had no seed of their own
        ({"seed": 1, "prompts_seed": 8}, {"seed": 1, "prompts_seed": 9}, False),
        ({"seed": 1, "prompts_seed": 8}, {"seed": 2, "prompts_seed": 8}, True),
        ({"seed": 8}, {"seed": 2, "prompts_seed": 8}, True),
    ],
)
def test_runs_of_the_same_prompts_are_named(base: dict[str, int], other: dict[str, int], same: bool) -> None:
    notes = compare([run_of(good(0), **base), run_of(good(0), **other)])["notes"]
    told = [note for note in notes if note.startswith("B sent the prompts of a run before it: ")]
    assert len(told) == same
    assert any(note.startswith("Seed of prompts: ") for note in notes) is not same


def test_the_figures() -> None:
    found = compare(runs())
    assert found["unlike"] == [{"key": "concurrency", "values": ["40", "20"]}]
    row = next(row for row in found["figures"] if row["name"] == "ttft_s.p50")
    assert row["values"] == pytest.approx([0.25, 0.3195])
    (change,) = row["changes"]
    assert (change["difference"], change["ratio"]) == (pytest.approx(0.0695), pytest.approx(1.278))
    low, high = change["interval"]
    assert 0.0605 < low < 0.0695 < high < 0.0785
    gaps = next(row for row in found["figures"] if row["name"] == "inter_token_latency_s.p99")
    assert gaps["changes"][0]["interval"] is None  # the gaps of one request depend on each other


def test_a_run_without_an_answer() -> None:
    found = compare([runs()[0], run_of(failed(0, 500, "no"))])
    rows = {row["name"]: row for row in found["figures"]}
    assert rows["ttft_s.p50"]["changes"] == [None]
    assert rows["failed"]["values"] == [0.0, 1.0]
    shown = drawn(lambda page: show(found, page)).splitlines()
    rows_shown = [line.split()[-3:] for line in shown if line.startswith("Time to first token p50")]
    assert rows_shown == [["ms", "250.00", "–"], ["–", "–", "–"]]
    assert "   - errors present: 1 of 1 requests failed; latencies are of the others only" in shown
