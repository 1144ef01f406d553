"""What every command that drives load has in common: dry run, ``--strict``, the budget, exit codes, interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import AWS_KEYS, ENDING, Action, ScriptedServer, clean_environ, command, event, response, stream_head

from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE

Scripted = Callable[..., ScriptedServer]
ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"
KEYS = {**AWS_KEYS, "NO_PROXY": "127.0.0.1"}
STAGES = ["--before", "20s", "--hold", "20s", "--after", "20s"]
LOADS = {
    "run": ["run", "--requests", "4"],
    "check": ["check", "--prompts", "4"],
    "scaling": ["scaling", "--from", "1", "--to", "2", *STAGES, "--slo", "ttft_s=100"],
    "capacity": ["capacity", "--users", "1,2", "--hold", "20s", "--slo", "ttft_s=100"],
}
WAKING = {"warm": ["warm"], "coldstart": ["coldstart", "--repeat", "2", "--idle", "1"]}
LLMPERF = {
    "token-benchmark": ["llmperf", "token-benchmark", "--max-num-completed-requests", "4"],
    "correctness": ["llmperf", "correctness", "--max-num-completed-requests", "4"],
}
EVERY = {**LOADS, **WAKING, **LLMPERF}


def openai(name: str, server: str, model: str = "m") -> tuple[list[str], dict[str, str]]:
    """A command against an OpenAI-compatible server: its line and its environment."""
    if name in LLMPERF:
        return [*LLMPERF[name], "--model", model], {"OPENAI_API_BASE": server, "OPENAI_API_KEY": "k"}
    return [*LOADS[name], "--base-url", server, "--model", model], {}


def bedrock(name: str, model: str) -> list[str]:
    """A command against an imported model."""
    api = "--llm-api" if name in LLMPERF else "--api"
    return [*EVERY[name], api, "bedrock", "--model", model]


# --- dry run


@pytest.mark.parametrize("name", [*LOADS, *LLMPERF])
def test_a_dry_run_prints_the_plan_and_sends_nothing(name: str, scripted: Scripted, tmp_path: Path) -> None:
    server = scripted([])
    line, environ = openai(name, server.url)
    result = command(*line, "--dry-run", cwd=tmp_path, **environ)
    assert (result.returncode, result.stderr) == (0, "")
    assert "# Plan (prompt tokens by built-in approximation); nothing was sent.\n# " in result.stdout
    assert "# measured: " in result.stdout
    assert (server.accepted, server.asked) == (0, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", EVERY)
def test_a_dry_run_on_a_service_asks_nobody(name: str, scripted: Scripted, tmp_path: Path) -> None:
    """Neither the runtime nor the control plane, and the user not for the budget."""
    server = scripted([])
    url = f"http://127.0.0.1:{server.port}"
    line = [*bedrock(name, ARN), "--dry-run", "--budget", "0"]
    result = command(*line, cwd=tmp_path, **KEYS, AWS_ENDPOINT_URL=url, HTTPS_PROXY=url)
    assert (result.returncode, result.stderr) == (0, "")
    assert "# warm: one request at a time until the model answers" in result.stdout
    assert ("# measured: " in result.stdout) is (name not in WAKING)
    assert (server.accepted, server.asked) == (0, [])
    assert list(tmp_path.iterdir()) == []


# --- --strict


@pytest.fixture(scope="module")
def awake() -> Iterator[dict[str, Any]]:
    """A model that answers at once, and CloudWatch behind the same URL."""
    more = ["--cold-start", "0", "--first-inference", "0", "--idle", "1000000", "--aws-services"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=more) as running:
        yield running.ready()


def strict(line: list[str], tmp_path: Path, **environ: str) -> tuple[int, int]:
    """The exit codes without and with ``--strict``."""
    codes = []
    for more in ([], ["--strict"]):
        result = command(*line, *more, "--quiet", cwd=tmp_path, **environ)
        assert "Traceback" not in result.stderr
        codes.append(result.returncode)
    return codes[0], codes[1]


@pytest.mark.parametrize("name", [*LOADS, *LLMPERF])
def test_strict_makes_few_samples_an_exit_code(name: str, awake: dict[str, Any], tmp_path: Path) -> None:
    line, environ = openai(name, awake["url"], DEFAULT_PROFILE)
    assert strict(line, tmp_path, **environ) == (0, 3)


@pytest.mark.parametrize("name", WAKING)
def test_strict_makes_a_missing_cold_start_an_exit_code(name: str, awake: dict[str, Any], tmp_path: Path) -> None:
    assert strict(bedrock(name, awake["model"]), tmp_path, **KEYS, AWS_ENDPOINT_URL=awake["root"]) == (0, 3)


def test_a_cold_start_that_was_seen_is_no_doubt(tmp_path: Path) -> None:
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=["--cold-start", "20"]) as running:
        facts = running.ready()
        line = [*bedrock("warm", facts["model"]), "--warm-interval", "5", "--strict", "--out", "r"]
        result = command(*line, cwd=tmp_path, **KEYS, AWS_ENDPOINT_URL=facts["root"])
    assert result.returncode == 0, result.stderr
    [cold] = json.loads((tmp_path / "r/summary.json").read_text())["cold_starts"]
    assert cold["cold"] is True


# --- the budget


@pytest.mark.parametrize("name", EVERY)
def test_a_budget_that_is_too_small_ends_it_before_anything_is_sent(
    name: str, awake: dict[str, Any], scripted: Scripted, tmp_path: Path
) -> None:
    """The runtime is AWS's own, through a proxy that would see a request; the emulator says what a copy is."""
    proxy = scripted(["close"])
    environ = {**KEYS, "AWS_ENDPOINT_URL_BEDROCK": awake["root"], "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    result = command(*bedrock(name, awake["model"]), "--budget", "0.01", cwd=tmp_path, **environ)
    assert (result.returncode, result.stdout) == (2, "")
    *_, bound, refusal = result.stderr.splitlines()
    assert bound.startswith("Amazon Bedrock bills at most $")
    fits = "add --yes to agree, raise --budget, or use a shorter load"
    assert refusal == f"llmdyno: --budget: $0.01 may not be enough, and there is no terminal to ask on; {fits}"
    assert "Traceback" not in result.stderr
    assert proxy.asked == []
    assert list(tmp_path.iterdir()) == []


def test_litellms_model_string_has_a_budget_too(awake: dict[str, Any], scripted: Scripted, tmp_path: Path) -> None:
    proxy = scripted(["close"])
    environ = {**KEYS, "AWS_ENDPOINT_URL_BEDROCK": awake["root"], "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    model = f"bedrock/llama/{awake['model']}"
    for line in (
        [*LOADS["run"], "--api", "litellm", "--model", model],
        [*LLMPERF["token-benchmark"], "--llm-api", "litellm", "--model", model],
    ):
        result = command(*line, "--budget", "0.01", cwd=tmp_path, **environ)
        assert (result.returncode, result.stdout) == (2, "")
        assert "llmdyno: --budget: $0.01 may not be enough" in result.stderr
    assert proxy.asked == []
    assert list(tmp_path.iterdir()) == []


def test_a_price_that_is_unknown_is_beyond_any_budget(scripted: Scripted, tmp_path: Path) -> None:
    proxy = scripted(["close"])
    environ = {**KEYS, "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    result = command(*bedrock("run", ARN), "--budget", "1000000", cwd=tmp_path, **environ)
    assert (result.returncode, result.stdout) == (2, "")
    told, refusal = result.stderr.splitlines()
    assert told.startswith("Amazon Bedrock: the price is unknown (")
    assert refusal.startswith(
        "llmdyno: --budget: $1,000,000.00 may not be enough, and there is no terminal to ask on; "
    )
    asked = [f"CONNECT {name}.us-east-1.amazonaws.com:443 HTTP/1.0".encode() for name in ("bedrock", "servicequotas")]
    assert set(proxy.asked) == set(asked)  # and never the runtime


@pytest.mark.parametrize("name", ["run", "warm", "token-benchmark"])
def test_a_budget_that_is_no_amount(name: str, tmp_path: Path) -> None:
    result = command(*bedrock(name, ARN), "--budget", "much", cwd=tmp_path, **KEYS)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("llmdyno: --budget: 'much' does not fit; what fits: ")


# --- exit codes


@pytest.mark.parametrize("name", [*LOADS, *LLMPERF])
def test_every_request_failed(name: str, scripted: Scripted, tmp_path: Path) -> None:
    server = scripted([response(b'{"error":{"message":"no such thing"}}', "404 Not Found")])
    line, environ = openai(name, server.url)
    short = {"scaling": ["--before", "0.1", "--hold", "0.1", "--after", "0.1"], "capacity": ["--hold", "0.1"]}
    result = command(*line, *short.get(name, []), "--quiet", cwd=tmp_path, **environ)
    assert (result.returncode, result.stderr) == (1, "llmdyno: every request failed\n")
    [path] = (tmp_path / "runs").iterdir()
    assert json.loads((path / "summary.json").read_text())["requests"]["succeeded"] == 0
    assert not (path / f"{name}.json").exists() or name == "check"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["scaling", "--from", "8", "--to", "4"], "--to: 4 is not more than 8; give more users than --from"),
        (
            ["capacity"],
            "--slo: not given, and the capacity needs a bound for latency; give one, such as --slo ttft_s=0.5",
        ),
        (
            ["capacity", "--percentile", "abc", "--slo", "ttft_s=100"],
            "--percentile: 'abc' does not fit; what fits: a percentile above 0 and below 100",
        ),
        (
            ["warm", "--route", "chat"],
            "--api: --api emulator --route chat has no cold start to measure; use --api bedrock with an imported model",
        ),
        (
            ["check", "--requests", "5"],
            "--requests: is not for llmdyno check, which sets it; use --prompts, --answer-tokens and --alone",
        ),
        (
            ["llmperf", "token-benchmark", "--model", "m", "--llm-api", "x"],
            "--llm-api: 'x' is not known; what fits: openai, anthropic, litellm, sagemaker, vertexai, bedrock",
        ),
        (
            ["llmperf", "correctness", "--model", "m", "--metadata", "x"],
            "--metadata: 'x' does not fit; what fits: a=b,c=d",
        ),
    ],
)
def test_bad_input_is_one_line(line: list[str], message: str, tmp_path: Path) -> None:
    result = command(*line, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr == f"llmdyno: {message}\n"
    assert list(tmp_path.iterdir()) == []


# --- the run directory's name


def test_a_run_without_a_name_bears_the_models(scripted: Scripted, tmp_path: Path) -> None:
    """The server lists one model, which is known only after the look."""
    models = response(b'{"data":[{"id":"org/only-model-1b"}]}')
    server = scripted([stream_head() + event("a"), event("b") + ENDING], models=models)
    result = command("run", "--base-url", server.url, "--requests", "2", "--quiet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    [path] = (tmp_path / "runs").iterdir()
    assert path.name[15:] == "-only-model-1b"


# --- interruption


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts llmdyno and does not wait; what still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        line, pipe = [sys.executable, "-m", "llmdyno", *arguments], subprocess.PIPE
        process = subprocess.Popen(
            line, cwd=tmp_path, env=clean_environ(**environ), stdout=pipe, stderr=pipe, text=True
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


Start = Callable[..., subprocess.Popen[str]]
HELD: list[Action] = [30.0]
"""A server that reads a request and does not answer."""
SOON_S = 2.0


def interrupt(
    process: subprocess.Popen[str], begun: Callable[[], bool], number: signal.Signals = signal.SIGINT
) -> tuple[int, str, str]:
    """Wait until it has begun, send the signal, and see that it ends soon: exit code, output, errors."""
    deadline_s = time.monotonic() + 40
    while not begun():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(number)
    output, errors = process.communicate(timeout=SOON_S)
    assert "Traceback" not in errors
    return process.returncode, output, errors


@pytest.mark.parametrize("name", [*LOADS, *LLMPERF])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_load_is_130_and_kept(
    name: str, number: signal.Signals, scripted: Scripted, start: Start, tmp_path: Path
) -> None:
    server = scripted(HELD)
    line, environ = openai(name, server.url)
    process = start(*line, "--quiet", **environ)
    code, _, _ = interrupt(process, lambda: len(server.requests) > 0, number)
    assert code == 130
    [path] = (tmp_path / "runs").iterdir()
    summary = json.loads((path / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert summary["requests"]["succeeded"] == summary["requests"]["failed"] == 0
    assert {file.name for file in path.iterdir()} >= {"spec.toml", "environment.json", "requests.parquet"}


@pytest.mark.parametrize("name", WAKING)
def test_an_interrupted_waking_is_130(name: str, scripted: Scripted, start: Start) -> None:
    server = scripted(HELD)
    runtime, others = f"http://127.0.0.1:{server.port}", "http://127.0.0.1:9"  # nobody listens there
    environ = {**KEYS, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": runtime, "AWS_ENDPOINT_URL": others}
    process = start(*bedrock(name, ARN), "--quiet", **environ)
    assert interrupt(process, lambda: len(server.requests) > 0)[0] == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupted_before_anything_was_sent_it_leaves_no_directory(
    number: signal.Signals, scripted: Scripted, start: Start, tmp_path: Path
) -> None:
    server = scripted(HELD, models=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")  # and the nine bytes never come
    process = start("run", "--base-url", server.url, "--requests", "4")
    assert interrupt(process, lambda: len(server.asked) > 0, number) == (130, "", "llmdyno: stopped\n")
    assert server.asked == [b"GET /v1/models HTTP/1.1"]
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_trial_sends_nothing_more_and_leaves_no_directory(
    scripted: Scripted, start: Start, tmp_path: Path
) -> None:
    """LiteLLM's trial is two requests. The first one is held, so the second must never come."""
    server = scripted(HELD)
    line = [*LOADS["run"], "--api", "litellm", "--model", "openai/m", "--base-url", server.url, "--api-key", "k"]
    process = start(*line, "--quiet", "--timeout", "25", PYTHONWARNINGS="ignore", HTTPS_PROXY="http://127.0.0.1:9")
    assert interrupt(process, lambda: len(server.requests) > 0) == (130, "", "llmdyno: stopped\n")
    assert server.asked == [b"POST /v1/chat/completions HTTP/1.1"]
    assert list(tmp_path.iterdir()) == []


# --- the same imported model, natively and through LiteLLM


def test_an_imported_model_is_the_same_through_litellm(awake: dict[str, Any], tmp_path: Path) -> None:
    """It keeps its identity: the facts, CloudWatch after the run, and a cost."""
    environ = {
        **KEYS,
        "AWS_ENDPOINT_URL": awake["root"],
        "AWS_BEDROCK_RUNTIME_ENDPOINT": awake["root"],
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PYTHONWARNINGS": "ignore",
    }
    load = ["--requests", "6", "--output-tokens", "20", "--quiet"]
    for out, api, model in (("native", "bedrock", ""), ("through", "litellm", "bedrock/llama/")):
        line = ["run", "--api", api, "--model", model + awake["model"], *load, "--out", out]
        result = command(*line, cwd=tmp_path, **environ)
        assert result.returncode == 0, result.stderr
    facts = {"arn": awake["model"], "region": "us-east-1", "units": 2, "units_version": "v1.0"}
    for out in ("native", "through"):
        environment = json.loads((tmp_path / out / "environment.json").read_text())
        assert environment["endpoint"]["imported_model"] == facts
        kept = json.loads((tmp_path / out / "cloudwatch.json").read_text())
        assert set(kept["notes"]) <= {"CloudWatch has no datapoint of ModelCopy in this span yet"}
        cost = command("cost", out, cwd=tmp_path, **environ)
        assert cost.returncode == 0, cost.stderr
        report = json.loads((tmp_path / out / "cost.json").read_text())
        assert (report["model"]["units"], report["copies"]["source"]) == (2, "ModelCopy from CloudWatch")
        assert report["windows"]["billed"] >= 1
    files = [{file.name for file in (tmp_path / out).iterdir()} for out in ("native", "through")]
    assert files[0] == files[1]
    with urllib.request.urlopen(awake["root"] + "/truth/copies") as answer:
        assert awake["model"] in json.loads(answer.read())
