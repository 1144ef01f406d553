"""LLMPerf's files against files that LLMPerf wrote."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from tests.reports.made import EMULATED, good, run_of
from tests.support import GOLDEN, make_record

from llmdyno.protocols.events import TEXT
from llmdyno.reports.llmperf import console_block, llmperf_files, run_files
from llmdyno.runs.run import Run

SUMMARY = json.loads((GOLDEN / "llmperf_summary.json").read_text(encoding="utf-8"))
RESPONSES = json.loads((GOLDEN / "llmperf_individual_responses.json").read_text(encoding="utf-8"))


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
    (_, summary_bytes), _ = llmperf_files(run_of(good(0), emulated=EMULATED))
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


def test_a_run_directory_holds_them_in_a_folder() -> None:
    run = run_of(good(0))
    assert list(run_files(run)) == [(f"llmperf/{name}", content) for name, content in llmperf_files(run)]


def test_the_console_block_has_the_files_figures() -> None:
    lines = console_block(run_of(good(0), good(1), emulated=EMULATED)).splitlines()
    assert lines[0] == "EMULATED: p at 10x real speed"
    at = lines.index("ttft_s")
    assert lines[at + 1 : at + 3] == ["    p25 = 0.25", "    p50 = 0.25"]
    assert lines[-4:] == [
        "Number Of Errored Requests: 0",
        "Overall Output Throughput: 161.29032258064515",
        "Number Of Completed Requests: 2",
        "Completed Requests Per Minute: 96.7741935483871",
    ]
