"""Reports: LLMPerf's files against files that LLMPerf wrote, the console, the progress line."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.support import GOLDEN, make_record, make_timeline

from llmdyno import Spec
from llmdyno.engine.driver import Snapshot
from llmdyno.protocols.events import TEXT
from llmdyno.reports.console import print_summary
from llmdyno.reports.live import LiveView, progress_line
from llmdyno.reports.llmperf import llmperf_files
from llmdyno.runs.run import COMPLETE, INTERRUPTED, Run, conclude
from llmdyno.timeline.record import RequestRecord

SUMMARY = json.loads((GOLDEN / "llmperf_summary.json").read_text(encoding="utf-8"))
RESPONSES = json.loads((GOLDEN / "llmperf_individual_responses.json").read_text(encoding="utf-8"))


def run_of(*records: RequestRecord, status: str = COMPLETE, emulated: dict[str, Any] | None = None, **keys: Any) -> Run:
    spec = Spec(**{"api": "openai", "base_url": "http://h/v1", "model": "m", "requests": 9, "seed": 1, **keys})
    environment = {
        "clock": {"origin_monotonic_ns": 0, "origin_unix_ns": 1_795_348_129_500_000_000},
        "endpoint": {"emulated": emulated},
        "tokenizer": {"name": "built-in approximation", "exact": False},
    }
    timeline = make_timeline(*records)
    return Run(Path("runs/x"), spec, environment, timeline, conclude(timeline, spec, environment, status))


def replayed() -> Run:
    """A run with the very requests of the golden file: same times, tokens and chunk counts."""
    records = []
    for number, entry in enumerate(RESPONSES):
        e2e, ttft = entry["end_to_end_latency_s"], entry["ttft_s"]
        chunks = round(e2e / entry["inter_token_latency_s"])
        arrivals = np.linspace(ttft, e2e, chunks)
        records.append(
            make_record(
                number,
                0.0,
                [(float(at), TEXT, 4) for at in arrivals],
                server_input_tokens=entry["number_input_tokens"],
                server_output_tokens=entry["number_output_tokens"],
            )
        )
    return run_of(
        *records,
        model=SUMMARY["model"],
        concurrency=8,
        input_tokens="normal(500,25)",
        output_tokens="normal(200,20)",
    )


def test_llmperfs_files_key_for_key() -> None:
    (summary_name, summary_bytes), (responses_name, responses_bytes) = llmperf_files(replayed())
    summary, responses = json.loads(summary_bytes), json.loads(responses_bytes)
    assert list(summary) == list(SUMMARY)
    assert list(responses[0]) == list(RESPONSES[0])
    assert summary_name == SUMMARY["name"] + ".json"
    assert responses_name == SUMMARY["name"].removesuffix("summary") + "individual_responses.json"
    assert summary["timestamp"] == SUMMARY["timestamp"]
    assert summary_bytes.startswith(b'{\n    "version"')


def test_llmperfs_figures_and_number_formats() -> None:
    (_, summary_bytes), (_, responses_bytes) = llmperf_files(replayed())
    summary = json.loads(summary_bytes)
    rates = ("results_mean_output_throughput_token_per_s", "results_num_completed_requests_per_min")  # of its wall time
    for key, theirs in SUMMARY.items():
        ours = summary[key]
        assert type(ours) is type(theirs), key
        if isinstance(theirs, float) and key not in rates:
            # LLMPerf divides by a chunk count, so a latency a chunk comes back to within one chunk.
            assert ours == pytest.approx(theirs, rel=0.01), key
        elif key not in rates:
            assert ours == theirs, key
    for mine, theirs in zip(json.loads(responses_bytes), RESPONSES, strict=True):
        for key, value in theirs.items():
            assert mine[key] == (pytest.approx(value, rel=0.01) if isinstance(value, float) else value), key


def test_llmperfs_files_have_the_failures_that_llmperf_loses() -> None:
    failed = {"state": "failed", "error_kind": "http_status", "error_code": 429, "error_message": "slow"}
    run = run_of(make_record(0, 0.0, [(1.0, TEXT, 1)]), *(make_record(n, 0.0, [], **failed) for n in (1, 2)))
    (_, summary_bytes), (_, responses_bytes) = llmperf_files(run, {"team": "blue"})
    summary, responses = json.loads(summary_bytes), json.loads(responses_bytes)
    assert summary["results_error_code_frequency"] == "{429: 2}"
    assert (summary["results_number_errors"], summary["results_num_requests_started"]) == (2, 3)
    assert summary["results_error_rate"] == pytest.approx(2 / 3)
    assert [entry["error_code"] for entry in responses] == [None, 429, 429]
    assert summary["team"] == "blue"
    assert not any(isinstance(value, float) and math.isnan(value) for value in summary.values())


def test_llmperfs_files_say_what_was_emulated() -> None:
    (_, summary_bytes), _ = llmperf_files(run_of(good(0), emulated={"profile": "p", "speed": 10.0}))
    summary = json.loads(summary_bytes)
    assert summary["emulated"] == "p at 10x real speed"
    assert [key for key in summary if key != "emulated"] == list(SUMMARY)


def test_llmperfs_files_of_a_run_without_success() -> None:
    (_, summary_bytes), _ = llmperf_files(run_of(make_record(0, 0.0, [], state="failed", error_kind="timeout")))
    summary = json.loads(summary_bytes)
    assert summary["results_ttft_s_mean"] is None
    assert list(summary) == list(SUMMARY)


@pytest.mark.parametrize(
    ("model", "slug"),
    [("org/Model_1.5:x", "org-Model_1-5-x"), ("a--b", "a-b"), ("m", "m")],
)
def test_llmperfs_file_names(model: str, slug: str) -> None:
    run = run_of(make_record(0, 0.0, [(1.0, TEXT, 1)]), model=model, input_tokens=500, output_tokens="uniform(100,200)")
    assert [name for name, _ in llmperf_files(run)] == [
        f"{slug}_500_150_summary.json", f"{slug}_500_150_individual_responses.json",
    ]  # fmt: skip


def printed(run: Run, width: int = 80) -> str:
    stream = io.StringIO()
    print_summary(run, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def good(number: int, **facts: Any) -> RequestRecord:
    chunks = [(0.25 + 0.01 * n, TEXT, 4) for n in range(100)]
    return make_record(number, 0.0, chunks, server_output_tokens=100, server_input_tokens=11, **facts)


def test_the_console_summary() -> None:
    text = printed(run_of(*(good(n) for n in range(40)), concurrency=40, slo={"ttft_s": 1}))
    lines = text.splitlines()
    table = next(line for line in lines if line.startswith("Time to first token"))
    assert table.split() == [
        "Time",
        "to",
        "first",
        "token",
        "ms",
        "250.0",
        "250.0",
        "250.0*",
        "250.0*",
        "250.0",
        "250.0",
    ]
    assert "Inter-token latency" in text
    assert "trustworthy: no reason" in text
    assert "40 succeeded, 0 failed" in text
    assert "requests/s with ttft_s ≤ 1 s" in text
    assert "runs/x" in text
    assert "EMULATED" not in text


def test_the_table_fits_eighty_columns() -> None:
    for line in printed(run_of(*(good(n) for n in range(40)), concurrency=40)).splitlines():
        if line.startswith(("Time", "Inter-token", "End-to-end", "Throughput per")):
            assert len(line) <= 80
            assert "…" not in line


def test_the_console_names_failures_and_reasons() -> None:
    def bad(number: int, code: int, message: str) -> RequestRecord:
        facts = {"error_kind": "http_status", "error_code": code, "error_message": message}
        return make_record(number, 0.0, [], state="failed", **facts)

    text = printed(run_of(good(0), bad(1, 500, "[red]boom"), *(bad(n, 429, f"busy {n % 2}") for n in range(2, 7))))
    assert "5 × http_status 429: busy 0 (and 1 other messages)" in text
    assert "1 × http_status 500: [red]boom\n" in text
    assert text.index("429") < text.index("500:")
    assert "read with care" in text
    assert "errors present: 6 of 7 requests failed" in text


def test_the_console_without_a_single_success() -> None:
    text = printed(run_of(make_record(0, 0.0, [], state="failed", error_kind="timeout", error_message="late")))
    assert "Time to first token" not in text
    assert "1 × timeout: late" in text
    assert printed(run_of())


def test_the_console_says_what_was_emulated_or_interrupted() -> None:
    emulated = {"profile": "p", "speed": 10.0}
    run = run_of(good(0), make_record(1, 0.0, [], state="cancelled"), status=INTERRUPTED, emulated=emulated)
    text = printed(run)
    assert "EMULATED endpoint: llmdyno's own emulator, profile p, at 10× real speed" in text
    assert "Interrupted" in text
    assert "1 cancelled in flight" in text


def snapshot(**facts: Any) -> Snapshot:
    defaults: dict[str, Any] = {
        "phase": "measured", "elapsed_s": 5.0, "done": 3, "failed": 1, "in_flight": 2, "total": 10,
        "duration_s": None, "chunks": 1000, "ttft_p50_s": 0.25,
    }  # fmt: skip
    return Snapshot(**{**defaults, **facts})


def test_the_progress_line() -> None:
    assert " in flight · 1 copy · ~200" in progress_line(snapshot(), 200.0, copies=1)
    assert " in flight · 3 copies · ~200" in progress_line(snapshot(), 200.0, copies=3)
    assert progress_line(snapshot(), 200.0) == (
        "measured · 4/10 requests · 2 in flight · ~200 tokens/s · TTFT p50 250 ms · 1 failed · 5 s · about 5 s left"
    )
    assert "━" * 10 + "╌" * 10 in progress_line(snapshot(), 200.0, 140)
    first = snapshot(done=0, failed=0, total=None, ttft_p50_s=None)
    assert progress_line(first, 0.0, 140) == "measured · 0 requests · 2 in flight · ~0 tokens/s · 5 s"
    timed = snapshot(total=None, duration_s=20.0, failed=0)
    assert progress_line(timed, 0.0).endswith("5 s · about 15 s left")


@pytest.mark.parametrize("width", [10, 40, 60, 79, 99, 139])
def test_the_progress_line_never_wraps(width: int) -> None:
    line = progress_line(snapshot(total=100_000, in_flight=5000), 123_456.0, width)
    assert len(line) <= width
    assert ("4/100000 requests" in line) is (width > 10)
    assert ("about" in line) is (width > 40)


def test_a_log_gets_plain_lines_now_and_then() -> None:
    stream = io.StringIO()
    view = LiveView(stream)
    for quarter in range(60):
        view(snapshot(elapsed_s=quarter / 4, chunks=100 * quarter))
    view.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in stream.getvalue()
    assert "~400 tokens/s" in lines[-1]


def test_a_terminal_gets_one_line_that_renews_itself() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    view = LiveView(stream)
    view(snapshot())
    view(snapshot(elapsed_s=6.0))
    view.end()
    assert stream.getvalue().count("\r\x1b[K") == 3
    assert "\n" not in stream.getvalue()
