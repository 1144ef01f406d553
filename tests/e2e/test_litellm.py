"""`--api litellm` as a user has it: both modes, the known faults, what does not fit, and LiteLLM's proxy."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import ANTHROPIC_START, Action, ScriptedServer, chunk, clean_environ, response, stream_head

import llmdyno
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY

KEYS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    # What LiteLLM looks up on the network for each request is refused at once: names may not resolve here.
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "PYTHONWARNINGS": "ignore",
}
SMALL = ["--input-tokens", "50", "--output-tokens", "20", "--requests", "6", "--quiet", "--out", "r"]
AWAKE = ["--cold-start", "0", "--first-inference", "0", "--verify-signatures"]


@pytest.fixture(scope="module")
def awake() -> Iterator[dict[str, str]]:
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=50.0, seed=3, more=AWAKE) as running:
        yield running.ready()


def through(facts: dict[str, str], route: str, *arguments: str, cwd: Path, **environ: str) -> Any:
    line = ["run", "--api", "litellm", "--model", f"bedrock/{route}/{facts['model']}", *SMALL, *arguments]
    return command(*line, cwd=cwd, **{**KEYS, "AWS_BEDROCK_RUNTIME_ENDPOINT": facts["root"], **environ})


def command(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "llmdyno", *arguments]
    return subprocess.run(
        line, cwd=cwd, env=clean_environ(**environ), capture_output=True, text=True, timeout=120, check=False
    )


ROUTES = ("llama", "deepseek_r1", "qwen3", "moonshot", "converse", "openai", "mistral")


Run = tuple[Any, Path]
"""What a command said, and the folder that it ran in."""


COLD = ["--cold-start", "60"]
FAULTY = [*AWAKE, "--fault", "throttle=0.3", "--fault", "stream_error=0.3"]
UNTRIED = ["--requests", "30", "--no-warm", "--no-preflight"]
COHERE = ["run", "--api", "litellm", "--model", "cohere_chat/command-r", "--api-key", "k", *SMALL, "--requests", "2"]


@pytest.fixture(scope="module")
def runs(awake: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs of several tests by name. Two go at a time, since LiteLLM's import takes seconds."""
    calls: dict[str, Callable[[Path], Any]] = {
        **{route: partial(_by_wire, awake, route) for route in ROUTES},
        "sdk": lambda cwd: through(awake, "llama", "--litellm-mode", "sdk", cwd=cwd),
        "cohere": lambda cwd: command(*COHERE, cwd=cwd, **KEYS),
        "cohere wire": lambda cwd: command(*COHERE, "--litellm-mode", "wire", cwd=cwd, **KEYS),
    }
    for mode in ("wire", "sdk"):
        chosen = ("--litellm-mode", mode)
        calls[f"cold {mode}"] = partial(_emulated, COLD, 3, [*chosen, "--warm-interval", "10"])
        calls[f"faulty {mode}"] = partial(_emulated, FAULTY, 5, [*chosen, *UNTRIED])
    folders = {name: tmp_path_factory.mktemp("run") for name in calls}
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda name: calls[name](folders[name]), calls)
        return {name: (result, folders[name]) for name, result in zip(calls, results, strict=True)}


def _by_wire(facts: dict[str, str], route: str, cwd: Path) -> Any:
    return through(facts, route, cwd=cwd)


def _emulated(more: list[str], seed: int, arguments: list[str], cwd: Path) -> Any:
    """A run through an emulator of its own."""
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=50.0, seed=seed, more=more) as running:
        return through(running.ready(), "llama", *arguments, cwd=cwd)


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_goes_by_wire(runs: dict[str, Run], route: str) -> None:
    result, tmp_path = runs[route]
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    assert run.succeeded == 6
    assert "mode: wire" in result.stdout
    assert "EMULATED" in result.stdout
    requests = run.measured.requests
    assert set(requests["clock"]) <= {"kernel", "user"}
    assert (requests["server_output_tokens"] > 0).all()  # the service's counts, whatever LiteLLM makes of them
    assert (run.measured.chunks["characters"] > 0).any()
    lost = route in ("openai", "mistral")
    assert ("LiteLLM's own client loses this route's text" in result.stdout) is lost
    assert ("LiteLLM breaks the path" in result.stdout) is (route == "mistral")
    assert str(run.environment.endpoint.library).startswith("litellm ")
    assert SECRET_KEY not in "".join(path.read_text("latin-1") for path in (tmp_path / "r").iterdir() if path.is_file())


def test_litellms_own_client_and_the_verdict_on_it(runs: dict[str, Run]) -> None:
    result, tmp_path = runs["sdk"]
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    requests = run.measured.requests
    assert set(requests["clock"]) == {"sdk"}
    reasons = {reason["reason"]: reason["text"] for reason in run.summary["verdict"]["reasons"]}
    assert "% of a core" in reasons["sdk_clock"]
    assert "stamps at the library's iterator" in result.stdout
    # This route's usage is LiteLLM's estimate: it does not pass for the service's count.
    assert set(run.summary["tokens"]["output_tokens_from"]) == {"chunks"}
    assert run.summary["latency"]["ttft_s"]["count"] == 6
    assert "EMULATED" in result.stdout


@pytest.mark.parametrize("mode", ["wire", "sdk"])
def test_the_cold_start_in_both_modes(runs: dict[str, Run], mode: str) -> None:
    result, tmp_path = runs[f"cold {mode}"]
    assert result.returncode == 0, result.stderr
    (cold,) = llmdyno.load(tmp_path / "r").summary["cold_starts"]
    assert 50 * cold["ready_low_s"] <= 60 <= 50 * cold["ready_high_s"]
    assert cold["cold"] is True
    assert set(cold["refused"]) == {"ModelNotReadyException"}  # and not LiteLLM's RateLimitError
    assert cold["cold_start_s"] > 1.0


@pytest.mark.parametrize("mode", ["wire", "sdk"])
def test_throttling_and_errors_within_the_stream_are_records(runs: dict[str, Run], mode: str) -> None:
    result, tmp_path = runs[f"faulty {mode}"]
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    found = {(error["kind"], error["type"]): error for error in run.summary["errors"]}
    assert found["http_status", "ThrottlingException"]["code"] == 429
    assert "Too many requests" in found["http_status", "ThrottlingException"]["message"]
    assert any(kind == "stream_error" for kind, _ in found)
    assert run.succeeded + sum(error["count"] for error in found.values()) == 30
    assert f"mode: {mode} (not tried beforehand)" in result.stdout


def anthropic(*events: dict[str, Any]) -> bytes:
    return b"".join(chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()) for event in events)


def delta(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def test_a_route_that_only_litellm_can_read_is_stamped_at_the_socket(
    scripted: Callable[..., ScriptedServer], tmp_path: Path
) -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
    answer: list[Action] = [
        stream_head() + anthropic(ANTHROPIC_START, block),
        0.2,
        anthropic(delta("Hello")),
        0.3,
        anthropic(delta(" you"), {"type": "content_block_stop", "index": 0}, ended, {"type": "message_stop"})
        + chunk(b""),
    ]
    server = scripted(answer)
    line = ["run", "--api", "litellm", "--model", "anthropic/claude-x", "--api-key", "sk-ant-secret-key"]
    base = f"http://127.0.0.1:{server.port}"
    result = command(*line, "--base-url", base, *SMALL, "--requests", "3", cwd=tmp_path, **KEYS)
    assert result.returncode == 0, result.stderr
    assert "mode: wire" in result.stdout
    run = llmdyno.load(tmp_path / "r")
    assert run.succeeded == 3
    requests, latency = run.measured.requests, run.summary["latency"]
    assert set(requests["clock"]) <= {"kernel", "user"}
    assert list(requests["server_output_tokens"]) == [4, 4, 4]
    assert list(requests["server_input_tokens"]) == [25, 25, 25]
    assert 0.19 < latency["ttft_s"]["p50"] < 0.6  # the pause before the first text, and not the one before that
    text = run.measured.chunks["kind"] > 0
    assert int(text.sum()) == 6
    gaps = np.diff(run.measured.chunks["arrival_ns"][text])[::2] / 1e9
    assert ((gaps > 0.2) & (gaps < 0.8)).all()
    # Key, version and body are what LiteLLM sends.
    assert all(b"x-api-key: sk-ant-secret-key" in request for request in server.requests)
    assert all(b"anthropic-version: 2023-06-01" in request for request in server.requests)
    files = [path.read_text("latin-1") for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert not any("sk-ant-secret-key" in text for text in files)


def test_a_wire_that_does_not_work_falls_back_and_says_why(
    scripted: Callable[..., ScriptedServer], tmp_path: Path
) -> None:
    refused: list[Action] = [response(b'{"error":{"message":"no such thing"}}', "400 Bad Request")]
    event = b'{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    good: list[Action] = [
        stream_head()
        + chunk(b"data: " + event + b'{"role":"assistant","content":"Hi"},"finish_reason":null}]}\n\n')
        + chunk(b"data: " + event + b'{},"finish_reason":"stop"}]}\n\n')
        + chunk(b"data: [DONE]\n\n")
        + chunk(b"")
    ]
    server = scripted(refused, good)
    line = ["run", "--api", "litellm", "--model", "hosted_vllm/m", "--base-url", server.url, *SMALL]
    result = command(*line, cwd=tmp_path, **KEYS)
    assert result.returncode == 0, result.stderr
    assert "mode: sdk (on the wire the first request failed: no such thing)" in result.stdout
    assert set(llmdyno.load(tmp_path / "r").measured.requests["clock"]) == {"sdk"}


def test_a_route_that_takes_no_transport_goes_through_litellm(runs: dict[str, Run]) -> None:
    result, tmp_path = runs["cohere"]  # nobody is reached from here: the failures are what is measured
    assert result.returncode == 1
    assert "sdk: LiteLLM sends cohere_chat/command-r with its own client" in result.stdout
    (error,) = llmdyno.load(tmp_path / "r").summary["errors"]
    assert (error["kind"], error["count"]) == ("connect", 2)
    wire, _ = runs["cohere wire"]
    assert wire.returncode == 2
    assert "use --litellm-mode sdk" in wire.stderr


def test_both_refused_is_one_line(scripted: Callable[..., ScriptedServer], tmp_path: Path) -> None:
    server = scripted([response(b'{"error":{"message":"Incorrect API key"}}', "401 Unauthorized")])
    line = ["run", "--api", "litellm", "--model", "openai/m", "--base-url", server.url, "--api-key", "sk-wrong", *SMALL]
    result = command(*line, cwd=tmp_path, **KEYS)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Incorrect API key" in result.stderr
    assert "sk-wrong" not in result.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nosuch/m"], "LLM Provider NOT provided"),
        (["--model", "groq/m"], "GROQ_API_KEY: not set"),
        ([], "--model: not given"),
        (["--model", "openai/m", "--api-key", "k", "--extra-body", '{"a": 1}'], "--litellm-param K=V"),
        (["--model", "openai/m", "--route", "chat"], "LiteLLM's model string holds its route"),
        (["--model", "openai/m", "--litellm-param", "messages=3"], "any parameter except"),
        (["--model", "openai/m", "--litellm-mode", "fast"], "one of auto, wire, sdk"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = command("run", "--api", "litellm", *arguments, "--requests", "1", cwd=tmp_path, **KEYS)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_litellm_not_installed(tmp_path: Path) -> None:
    (tmp_path / "litellm.py").write_text("raise ImportError(\"No module named 'litellm'\", name='litellm')\n")
    line = ["run", "--api", "litellm", "--model", "openai/m", "--requests", "1"]
    result = command(*line, cwd=tmp_path, **KEYS, PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert "needs litellm, which is missing; pip install 'llmdyno[litellm]'" in result.stderr


# --- the proxy


@pytest.fixture(scope="module")
def proxy(awake: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("proxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    parameters = {"model": f"openai/{DEFAULT_PROFILE}", "api_base": awake["url"], "api_key": "unused"}
    config = {"model_list": [{"model_name": "emulated", "litellm_params": parameters}]}
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    key = "sk-llmdyno-test-0123456789abcdef0123"
    line = [str(Path(sys.executable).with_name("litellm")), "--config", "config.yaml", "--host", "127.0.0.1"]
    more = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*line, "--port", str(port), "--telemetry", "False"],
            cwd=folder,
            env=clean_environ(**more),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await(f"http://127.0.0.1:{port}/health/liveliness", process, folder / "log")
            yield f"http://127.0.0.1:{port}/v1", key
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_the_proxys_overhead(awake: dict[str, str], proxy: tuple[str, str], tmp_path: Path) -> None:
    url, key = proxy
    load = [
        "--input-tokens",
        "50",
        "--output-tokens",
        "20",
        "--requests",
        "40",
        "--seed",
        "3",
        "--quiet",
        "--warmup",
        "4",
    ]
    past = command("run", "--base-url", awake["url"], *load, "--out", "past", cwd=tmp_path)
    assert past.returncode == 0, past.stderr
    arguments = ["run", "--base-url", url, "--model", "emulated", *load, "--out", "through"]
    result = command(*arguments, cwd=tmp_path, OPENAI_API_KEY=key)
    assert result.returncode == 0, result.stderr
    assert "EMULATED" in result.stdout  # the proxy hands the emulator's word on
    compared = command("compare", "past", "through", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "B − A" in compared.stdout
    assert "not the same load" not in compared.stdout
    figures = json.loads(command("compare", "past", "through", "--json", cwd=tmp_path).stdout)
    (ttft,) = (row for row in figures["figures"] if row["name"] == "ttft_s.p50")
    runs = [llmdyno.load(tmp_path / name).summary["latency"]["ttft_s"]["p50"] for name in ("past", "through")]
    assert ttft["values"] == runs
    assert ttft["changes"][0]["difference"] == pytest.approx(runs[1] - runs[0])
    assert ttft["changes"][0]["interval"][0] > 0  # a gateway that works costs time, and more than chance
