"""LLMPerf's users at home: their scripts, their files, their notebook; and the check that goes further."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from tests.e2e.test_litellm import KEYS
from tests.support import GOLDEN, clean_environ, command

import llmdyno
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE

ROOT = Path(__file__).parent.parent.parent
NOTEBOOK = ROOT / "notebooks" / "benchmark-imported-model.ipynb"
SERIES = [
    "inter_token_latency_s",
    "ttft_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
    "number_input_tokens",
    "number_output_tokens",
]


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, str]]:
    more = ["--cold-start", "10", "--first-inference", "2"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=50.0, seed=3, more=more) as running:
        yield running.ready()


# The published guide's script; the one substitution: python token_benchmark_ray.py → llmdyno llmperf token-benchmark.
SCRIPT = """#!/bin/bash
set -e
export AWS_ACCESS_KEY_ID="nobody"
export AWS_SECRET_ACCESS_KEY="nothing"
export AWS_REGION_NAME="us-east-1"
MODEL_ARN="$1"
LLM_PERF_CONCURRENT=2
LLM_PERF_MAX_REQUESTS=10
LLM_PERF_OUTPUT=outputs
mkdir -p "${LLM_PERF_OUTPUT}"
llmdyno llmperf token-benchmark \\
    --model "bedrock/llama/${MODEL_ARN}" \\
    --mean-input-tokens 500 \\
    --stddev-input-tokens 25 \\
    --mean-output-tokens 100 \\
    --stddev-output-tokens 10 \\
    --max-num-completed-requests ${LLM_PERF_MAX_REQUESTS} \\
    --timeout 1800 \\
    --num-concurrent-requests ${LLM_PERF_CONCURRENT} \\
    --results-dir "${LLM_PERF_OUTPUT}" \\
    --llm-api litellm \\
    --additional-sampling-params '{}'
"""


def test_the_guides_script(facts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(SCRIPT, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"AWS_BEDROCK_RUNTIME_ENDPOINT": facts["root"], "PYTHONWARNINGS": "ignore", "PATH": path}
    result = subprocess.run(
        ["bash", "run.sh", facts["model"]],
        cwd=tmp_path,
        env=clean_environ(**more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # The console: LLMPerf's six series in its order, each with its figures, then its four sums.
    lines = result.stdout.splitlines()
    places = [lines.index(name) for name in SERIES]
    assert places == sorted(places)
    inner = [line.split(" = ")[0] for line in lines[places[0] + 1 : places[1]]]
    figures = ("p25", "p50", "p75", "p90", "p95", "p99", "mean", "min", "max", "stddev")
    assert inner == [f"    {name}" for name in figures]
    ends = [line.split(":")[0] for line in lines[places[-1] + 11 : places[-1] + 15]]
    assert ends == [
        "Number Of Errored Requests",
        "Overall Output Throughput",
        "Number Of Completed Requests",
        "Completed Requests Per Minute",
    ]
    assert lines[0].startswith("EMULATED")
    # The files: names, keys and their order as LLMPerf wrote them.
    base = "bedrock-llama-arn-aws-bedrock-us-east-1-123456789012-imported-model-emulated0001_500_100"
    summary = json.loads((tmp_path / "outputs" / f"{base}_summary.json").read_text())
    golden = json.loads((GOLDEN / "llmperf_summary.json").read_text())
    assert [name for name in summary if name != "emulated"] == list(golden)
    assert {name: type(value) for name, value in summary.items() if name in golden} == {
        name: type(value) for name, value in golden.items()
    }
    responses = json.loads((tmp_path / "outputs" / f"{base}_individual_responses.json").read_text())
    assert list(responses[0]) == list(json.loads((GOLDEN / "llmperf_individual_responses.json").read_text())[0])
    assert (len(responses), summary["results_num_completed_requests"]) == (10, 10)
    # And beside them a whole run, which agrees.
    (directory,) = (tmp_path / "outputs" / "runs").iterdir()
    run = llmdyno.load(directory)
    assert run.summary["latency"]["ttft_s"]["p50"] == pytest.approx(summary["results_ttft_s_quantiles_p50"])
    assert run.summary["cold_starts"][0]["cold"] is True
    assert set(run.measured.requests["clock"]) <= {"kernel", "user"}


def llmperf(facts: dict[str, str], *arguments: str, cwd: Path, **environ: str) -> Any:
    line = ["llmperf", *arguments, "--quiet", "--results-dir", "out"]
    return command(*line, cwd=cwd, OPENAI_API_BASE=facts["url"], OPENAI_API_KEY="k", **environ)


def test_the_openai_client_with_its_variables_defaults_and_metadata(facts: dict[str, str], tmp_path: Path) -> None:
    line = ["token-benchmark", "--model", DEFAULT_PROFILE, "--metadata", "team=a,host=b"]
    result = llmperf(facts, *line, "--additional-sampling-params", '{"temperature": 0.3}', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (summary_path,) = (tmp_path / "out").glob("*_summary.json")
    assert summary_path.name == f"{DEFAULT_PROFILE}_550_150_summary.json"
    summary = json.loads(summary_path.read_text())
    assert (summary["stddev_input_tokens"], summary["stddev_output_tokens"]) == (150, 80)
    assert (summary["num_concurrent_requests"], summary["results_num_requests_started"]) == (10, 10)
    assert (summary["team"], summary["host"]) == ("a", "b")
    (directory,) = (tmp_path / "out" / "runs").iterdir()
    spec = llmdyno.load(directory).spec
    assert (spec.extra_body, spec.duration_s) == ({"temperature": 0.3}, 90.0)


def test_failed_requests_are_in_the_files_with_their_code(tmp_path: Path) -> None:
    more = ["--cold-start", "0", "--fault", "throttle=0.4"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=5, more=more) as running:
        facts = running.ready()
        line = ["token-benchmark", "--model", facts["model"], "--llm-api", "bedrock"]
        line += ["--max-num-completed-requests", "20", "--mean-output-tokens", "20", "--stddev-output-tokens", "2"]
        result = llmperf(facts, *line, cwd=tmp_path, **KEYS, AWS_ENDPOINT_URL=facts["root"])
    assert result.returncode == 0, result.stderr
    (path,) = (tmp_path / "out").glob("*_individual_responses.json")
    codes = [entry["error_code"] for entry in json.loads(path.read_text())]
    assert len(codes) == 20
    assert 0 < codes.count(429) < 20
    assert f"Number Of Errored Requests: {codes.count(429)}" in result.stdout


def test_llmperfs_correctness_test(facts: dict[str, str], tmp_path: Path) -> None:
    result = llmperf(facts, "correctness", "--model", DEFAULT_PROFILE, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "out" / f"{DEFAULT_PROFILE}_correctness_summary.json").read_text())
    found = {name.removeprefix("results_"): value for name, value in summary.items()}
    assert (found["num_completed_requests"], found["num_non_errored_requests"]) == (50, 50)
    assert (found["number_errors"], found["num_mismatched_requests"], found["mismatch_rate"]) == (0, 0, 0.0)
    entries = json.loads((tmp_path / "out" / f"{DEFAULT_PROFILE}_correctness_individual_responses.json").read_text())
    assert all(entry["generated_text"].strip() == entry["expected"] for entry in entries)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "PROGRAM"),
        (["token-benchmark"], "--model"),
        (["token-benchmark", "--model", "m", "--llm-api", "cohere"], "what fits: openai"),
        (["token-benchmark", "--model", "m", "--metadata", "a"], "a=b,c=d"),
        (["token-benchmark", "--model", "m", "--additional-sampling-params", "{"], "--additional-sampling-params"),
        (["token-benchmark", "--model", "m", "--mean-input-tokens", "many"], "--mean-input-tokens"),
        (["token-benchmark", "--model", "m", "--timout", "3"], "did you mean --timeout"),
        (["correctness", "--model", "m", "--num-concurrent-requests", "0"], "--num-concurrent-requests"),
    ],
)
def test_bad_flags(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = command("llmperf", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


# --- check


def test_a_deployment_that_answers_right(facts: dict[str, str], tmp_path: Path) -> None:
    line = ["check", "--base-url", facts["url"], "--prompts", "24", "--concurrency", "6", "--quiet", "--out", "r"]
    result = command(*line, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "all 72 answers are right" in result.stdout
    found = json.loads((tmp_path / "r" / "check.json").read_text())
    assert found["kinds"]["same"]["under_load"] == {"right": 24, "wrong": 0, "failed": 0}
    run = llmdyno.load(tmp_path / "r")
    assert int((run.timeline.requests["phase"] == "warmup").sum()) == 24
    alone = run.timeline.only(run.timeline.requests["phase"] == "warmup").requests
    assert (alone["sent_ns"][1:] >= alone["end_ns"][:-1]).all()  # one at a time
    assert run.spec.temperature == 0


def test_a_deployment_that_is_wrong_under_load(tmp_path: Path) -> None:
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=20.0, seed=3, more=["--garble-above", "2"]) as running:
        line = ["check", "--base-url", running.ready()["url"], "--prompts", "16", "--concurrency", "8", "--quiet"]
        result = command(*line, "--out", "r", cwd=tmp_path)
    assert result.returncode == 1
    found = json.loads((tmp_path / "r" / "check.json").read_text())
    for kind in ("number", "echo", "json"):
        assert found["kinds"][kind]["alone"] == {"right": 4, "wrong": 0, "failed": 0}
        assert found["kinds"][kind]["under_load"]["wrong"] > 0
    assert found["kinds"]["same"]["under_load"]["wrong"] > 0
    wrong = next(entry for entry in found["mismatches"] if entry["kind"] == "number")
    assert wrong["answer"] != wrong["expected"]
    assert wrong["prompt"] in (tmp_path / "r" / "check.json").read_text().replace("\\n", "\n")
    assert f"expected  {wrong['expected']}" in result.stdout


@pytest.mark.parametrize("arguments", [["--requests", "3"], ["--kinds", "poetry"], ["--prompts", "0"]])
def test_check_refuses_what_does_not_fit(tmp_path: Path, arguments: list[str]) -> None:
    result = command("check", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert arguments[0] in result.stderr


def test_check_over_bedrock_and_converse(facts: dict[str, str], tmp_path: Path) -> None:
    for route in ("invoke", "converse"):
        line = ["check", "--api", "bedrock", "--endpoint-url", facts["root"], "--model", facts["model"], "--quiet"]
        more = ["--route", route, "--prompts", "8", "--out", route]
        result = command(*line, *more, cwd=tmp_path, **{**KEYS, "PYTHONWARNINGS": "error"})
        assert result.returncode == 0, result.stdout + result.stderr
        assert "all 24 answers are right" in result.stdout


# --- compare


def test_comparing_needs_two_runs(tmp_path: Path) -> None:
    assert "two or more run directories" in command("compare", "one", cwd=tmp_path).stderr
    assert "is not a run directory" in command("compare", "one", "two", cwd=tmp_path).stderr


# --- the notebook


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)  # stored without outputs
    client = NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    printed = "".join(str(output.get("text", "")) for cell in code for output in cell.outputs)
    assert "Completed" in printed
    assert "Cold start" in printed
    assert "Number Of Completed Requests: 40" in printed
    assert "40 answers, 0 errors" in printed
    assert "EMULATED" in printed
    assert "An hour of this load" in printed
    assert "on 22 days of a month" in printed
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1
    assert "deleted" in printed
