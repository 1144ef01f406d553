"""An imported model, measured through Bedrock's own wire: signed, from cold, throttled, refused."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import command

import llmdyno
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY

KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_EC2_METADATA_DISABLED": "true"}
NO_FILES = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
FAST = ["--cold-start", "0", "--first-inference", "0", "--verify-signatures"]
SMALL = ["--input-tokens", "50", "--output-tokens", "30", "--extra-body", '{"ignore_eos": true}', "--out", "r"]


@contextlib.contextmanager
def emulated(*more: str, speed: float = 100.0) -> Iterator[dict[str, str]]:
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=speed, seed=3, more=more) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def bedrock() -> Iterator[dict[str, str]]:
    with emulated(*FAST) as facts:
        yield facts


def run_bedrock(facts: dict[str, str], *arguments: str, cwd: Path, **environ: str) -> Any:
    line = ["run", "--api", "bedrock", "--model", facts["model"], "--endpoint-url", facts["root"], *SMALL, *arguments]
    return command(*line, cwd=cwd, **{**KEYS, **NO_FILES, **environ})


def truth(facts: dict[str, str], what: str = "truth") -> bytes:
    with urllib.request.urlopen(f"{facts['root']}/{what}") as answer:
        return bytes(answer.read())


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        ([], "server"),
        (["--body-format", "openai-completion"], "server"),
        (["--body-format", "openai-chat"], "server"),
        (["--body-format", "mistral"], "server"),
        (["--route", "converse", "--extra-body", "{}"], "server"),
        (["--chat-template", "deepseek_r1"], "server"),
    ],
)
def test_every_route_and_format(bedrock: dict[str, str], tmp_path: Path, arguments: list[str], tokens: str) -> None:
    result = run_bedrock(bedrock, *arguments, "--requests", "6", "--warm-interval", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "EMULATED" in result.stdout
    run = llmdyno.load(tmp_path / "r")
    assert run.succeeded == 6
    assert run.summary["tokens"]["output_tokens_from"] == {tokens: 6}
    requests = run.measured.requests
    assert (requests["server_latency_ms"] >= 0).all()
    assert (requests["sign_ns"] > 0).all()
    ours_ms = (requests["end_ns"] - requests["sent_ns"]) / 1e6
    assert (np.abs(ours_ms - requests["server_latency_ms"]) < 50).all()
    assert "body format: bedrock-completion (architecture llama)" in result.stdout or arguments


def test_the_cold_start_is_measured_and_kept_apart(tmp_path: Path) -> None:
    with emulated("--cold-start", "60", "--first-inference", "5", "--verify-signatures") as facts:
        result = run_bedrock(facts, "--requests", "4", "--warm-interval", "2", cwd=tmp_path)
        lines = [json.loads(line) for line in truth(facts).splitlines()]
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    [cold] = run.summary["cold_starts"]
    refused = [line for line in lines if line["status"] == 429]
    first = next(line for line in lines if line["status"] == 200)
    assert cold["refused"] == {"ModelNotReadyException": len(refused)}
    assert cold["attempts"] == len(refused) + 2
    assert cold["cold_start_s"] == pytest.approx((first["end"] - lines[0]["arrive"]) / 1e9, abs=0.05)
    assert cold["first_ttft_s"] > cold["warmed_ttft_s"] + 0.03
    assert 100 * cold["ready_low_s"] <= 60 <= 100 * cold["ready_high_s"] <= 60 + 40
    assert re.search(r"Cold start +0\.\d+ s ± 0\.\d+ s until the model was ready; 0\.", result.stdout)
    assert run.summary["requests"] == {
        "total": 4, "succeeded": 4, "failed": 0, "cancelled": 0, "error_rate": 0.0, "retries": 0, "without_text": 0,
        "asked": 4, "unanswered": 0, "resends": 0,
    }  # fmt: skip
    assert "× ModelNotReadyException)" in result.stdout
    assert sorted(run.timeline.requests["request"].tolist())[-4:] == [0, 1, 2, 3]
    assert run.timeline.requests["request"].min() == -cold["attempts"]


@pytest.mark.parametrize(("speed", "cold_s", "interval"), [(1.0, 1.0, "0.3"), (20.0, 30.0, "4"), (100.0, 90.0, "15")])
def test_a_cold_start_is_known_as_precisely_as_it_was_polled(
    tmp_path: Path, speed: float, cold_s: float, interval: str
) -> None:
    """An emulator of another process, at its own speed: the interval is at real speed, and the truth within bounds."""
    with emulated("--cold-start", str(cold_s), "--first-inference", "0", speed=speed) as facts:
        line = ["warm", "--api", "bedrock", "--model", facts["model"], "--endpoint-url", facts["root"]]
        line += ["--input-tokens", "10", "--output-tokens", "2", "--warm-interval", interval, "--out", "r"]
        result = command(*line, cwd=tmp_path, **KEYS, **NO_FILES)
        [copy] = json.loads(truth(facts, "truth/copies"))[facts["model"]]["each"]
        lines = [json.loads(line) for line in truth(facts).splitlines()]
    assert result.returncode == 0, result.stderr
    [cold] = llmdyno.load(tmp_path / "r").summary["cold_starts"]
    assert (copy["ready_ns"] - lines[0]["arrive"]) / 1e9 * speed == pytest.approx(cold_s, abs=0.01 * speed)
    assert cold["ready_low_s"] * speed <= cold_s <= cold["ready_high_s"] * speed
    width_s = (cold["ready_high_s"] - cold["ready_low_s"]) * speed
    assert float(interval) < width_s < float(interval) + speed * 0.5 + 1
    assert cold_s / float(interval) < cold["attempts"] - 1 + 1e-9 <= cold_s / float(interval) + 2


def test_throttled_and_not_ready_are_told_apart(tmp_path: Path) -> None:
    with emulated("--requests-per-copy", "2", "--max-copies", "1", "--cold-start", "20") as facts:
        result = run_bedrock(
            facts,
            "--requests",
            "40",
            "--concurrency",
            "6",
            "--warm-interval",
            "5",
            "--output-tokens",
            "200",
            cwd=tmp_path,
        )
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    [error] = run.summary["errors"]
    assert (error["kind"], error["code"], error["type"]) == ("http_status", 429, "ThrottlingException")
    assert error["count"] + run.succeeded == 40
    assert "× http_status 429 ThrottlingException: Too many requests" in result.stdout
    assert set(run.summary["cold_starts"][0]["refused"]) == {"ModelNotReadyException"}


@pytest.mark.parametrize(
    ("fault", "kind", "name"),
    [
        ("stream_error", "stream_error", "ModelStreamErrorException"),
        ("stream_throttle", "stream_error", "ThrottlingException"),
        ("timeout", "http_status", "ModelTimeoutException"),
        ("model_error", "http_status", "ModelErrorException"),
        ("cut", "broken_stream", None),
        ("crc", "malformed_event", None),
        ("unavailable", "http_status", "ServiceUnavailableException"),
    ],
)
def test_faults_are_recorded_with_their_type(tmp_path: Path, fault: str, kind: str, name: str | None) -> None:
    with emulated("--cold-start", "0", "--hold", "--fault", f"{fault}=1") as facts:
        result = run_bedrock(facts, "--requests", "4", "--no-warm", cwd=tmp_path)
    assert result.returncode == 1
    run = llmdyno.load(tmp_path / "r")
    [error] = run.summary["errors"]
    assert (error["kind"], error["type"], error["count"]) == (kind, name, 4)
    if fault in ("stream_error", "stream_throttle", "cut", "crc"):
        assert run.summary["chunks"]["text"] >= 4 * 15
    assert "EMULATED" in result.stdout


def test_retries_are_records_of_their_own(tmp_path: Path) -> None:
    with emulated("--requests-per-copy", "1", "--max-copies", "1", "--cold-start", "0") as facts:
        load = ["--requests", "4", "--concurrency", "2", "--warm-interval", "2", "--output-tokens", "300"]
        result = run_bedrock(facts, *load, "--retry-throttled", "2", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    attempts, numbers = run.measured.requests["attempt"], run.measured.requests["request"]
    assert (attempts > 0).any()
    assert len(set(numbers.tolist())) == len(numbers)
    assert set((numbers % 10**12).tolist()) == {0, 1, 2, 3}
    retried = numbers[attempts == 1] % 10**12
    first = dict(zip(numbers.tolist(), run.measured.requests["error_type"].tolist(), strict=True))
    assert {first[number] for number in retried.tolist()} == {"ThrottlingException"}
    assert run.summary["requests"]["retries"] == int((attempts > 0).sum())
    assert "attempts after throttling" in result.stdout


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("expired", "ExpiredTokenException: The security token included in the request is expired; log in again"),
        (
            "denied",
            "AccessDeniedException: You don't have access to the model with the specified model ID.; allow bedrock:",
        ),
    ],
)
def test_refusals_that_waiting_does_not_cure(tmp_path: Path, fault: str, message: str) -> None:
    with emulated("--cold-start", "0", "--fault", f"{fault}=1") as facts:
        result = run_bedrock(facts, "--requests", "4", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_slow_starts_are_in_the_ttft(tmp_path: Path) -> None:
    with emulated("--cold-start", "0", "--hold", "--first-inference", "0", "--fault", "slow=1") as facts:
        result = run_bedrock(facts, "--requests", "4", "--no-warm", cwd=tmp_path)
    assert result.returncode == 0
    assert llmdyno.load(tmp_path / "r").summary["latency"]["ttft_s"]["min"] > 0.05  # 5 s at 100 times real speed


def test_a_stall_ends_with_the_timeout(tmp_path: Path) -> None:
    with emulated("--cold-start", "0", "--hold", "--fault", "stall=1") as facts:
        result = run_bedrock(facts, "--requests", "2", "--no-warm", "--timeout", "0.5", cwd=tmp_path)
    assert result.returncode == 1
    assert "2 × timeout: the answer was not whole within 0.5 s" in result.stdout


def test_a_model_that_never_comes(tmp_path: Path) -> None:
    with emulated("--cold-start", "10000") as facts:
        result = run_bedrock(facts, "--requests", "2", "--warm-timeout", "50", "--warm-interval", "10", cwd=tmp_path)
    assert result.returncode == 2
    assert "--warm-timeout: the model did not answer within 50 s" in result.stderr
    [cold] = llmdyno.load(tmp_path / "r").summary["cold_starts"]
    assert (cold["cold"], cold["cold_start_s"]) == (True, None)
    assert cold["attempts"] >= 3


ABSENT = "arn:aws:bedrock:us-east-1:123456789012:imported-model/000000000000"


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        ([], {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "AWS credentials: none were found"),
        ([], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "InvalidSignatureException: The request signature we calculated"),
        ([], {"AWS_ACCESS_KEY_ID": "AKIDOTHER"}, "UnrecognizedClientException"),
        (["--model", ABSENT], {}, "ResourceNotFoundException: The imported model"),
        (["--model", "nonsense", "--region", "us-east-1"], {}, "ValidationException: The provided model identifier"),
        (["--model", "nonsense"], {}, "--region: not given"),
        (
            ["--model", "arn:aws:bedrock:us-east-1:123456789012:custom-model/x.y/a1b2c3d4e5f6"],
            {},
            "is a custom model, which cannot be called by itself; deploy it",
        ),
        (["--model", "arn:aws:s3:::bucket"], {}, "is no identifier that Bedrock's runtime takes"),
        (["--region", "eu-central-1"], {}, "--region: 'eu-central-1' is not the model's own; its ARN says us-east-1"),
        (["--profile", "nobody"], {}, "--profile: 'nobody' is not configured"),
        (["--endpoint-url", "http://127.0.0.1:1"], {}, "cannot connect to 127.0.0.1 port 1"),
        (["--route", "chat"], {}, "--route: 'chat' is no route of --api bedrock"),
        (["--chat-template", "absent.json"], {}, "--chat-template: absent.json cannot be read"),
        (["--chat-template", "alpaca"], {}, "--chat-template: 'alpaca' does not fit"),
        (["--base-url", "http://h"], {}, "--base-url: is for OpenAI-compatible servers"),
    ],
)
def test_bad_input_gets_one_line_with_the_remedy(
    bedrock: dict[str, str], tmp_path: Path, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    result = run_bedrock(bedrock, "--requests", "2", *arguments, cwd=tmp_path, **environ)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Measuring ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_the_endpoint_may_come_from_awss_own_variable(bedrock: dict[str, str], tmp_path: Path) -> None:
    line = [
        "run",
        "--api",
        "bedrock",
        "--model",
        bedrock["model"],
        *SMALL,
        "--requests",
        "2",
        "--warm-interval",
        "1",
    ]
    result = command(*line, cwd=tmp_path, **KEYS, **NO_FILES, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=bedrock["root"])
    assert result.returncode == 0, result.stderr
    for file in (tmp_path / "r").rglob("*.*"):
        assert SECRET_KEY.encode() not in file.read_bytes()
        assert ACCESS_KEY.encode() not in file.read_bytes()


def test_warm(tmp_path: Path) -> None:
    with emulated("--cold-start", "30", "--idle", "5000", "--verify-signatures") as facts:
        line = ["warm", "--api", "bedrock", "--model", facts["model"], "--endpoint-url", facts["root"]]
        result = command(*line, "--warm-interval", "2", "--out", "r", cwd=tmp_path, **KEYS, **NO_FILES)
        again = command(*line, "--out", "s", cwd=tmp_path, **KEYS, **NO_FILES)
    assert result.returncode == 0, result.stderr
    assert "s from the first attempt to the first answer" in result.stdout
    assert "Verdict" not in result.stdout
    assert "none seen: the first attempt was answered" in again.stdout
    assert llmdyno.load(tmp_path / "r").summary["requests"]["total"] == 0


def test_a_series_of_cold_starts(tmp_path: Path) -> None:
    with emulated("--cold-start", "30", "--idle", "50") as facts:
        line = ["coldstart", "--repeat", "3", "--idle", "80", "--api", "bedrock", "--model", facts["model"]]
        line += ["--endpoint-url", facts["root"], "--warm-interval", "2", "--out", "r"]
        result = command(*line, cwd=tmp_path, **KEYS, **NO_FILES)
        [copies] = json.loads(truth(facts, "truth/copies")).values()
    assert result.returncode == 0, result.stderr
    assert "3 cold starts, about" in result.stderr
    assert "would bill at most $3.43: 6 windows of five minutes on up to 1 copy" in result.stderr
    found = llmdyno.load(tmp_path / "r").summary["cold_starts"]
    assert [one["cold"] for one in found] == [True] * 3
    assert len(copies["each"]) == 3
    assert all(0.3 <= one["cold_start_s"] < 1 for one in found)
    assert all(100 * one["ready_low_s"] <= 30 <= 100 * one["ready_high_s"] for one in found)
    assert "All of them" in result.stdout


def test_a_series_that_never_finds_it_cold_ends(tmp_path: Path) -> None:
    with emulated("--cold-start", "20", "--idle", "1000") as facts:
        line = ["coldstart", "--repeat", "2", "--idle", "10", "--api", "bedrock", "--model", facts["model"]]
        line += ["--endpoint-url", facts["root"], "--warm-interval", "2", "--out", "r"]
        result = command(*line, cwd=tmp_path, **KEYS, **NO_FILES)
    assert result.returncode == 0
    assert [one["cold"] for one in llmdyno.load(tmp_path / "r").summary["cold_starts"]] == [True, False, False, False]


def test_interrupted_while_warming(tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys

    from tests.support import clean_environ

    with emulated("--cold-start", "10000") as facts:
        line = [sys.executable, "-m", "llmdyno", "run", "--api", "bedrock", "--model", facts["model"]]
        line += ["--endpoint-url", facts["root"], *SMALL, "--requests", "2", "--warm-interval", "5"]
        process = subprocess.Popen(
            line,
            cwd=tmp_path,
            env=clean_environ(**KEYS, **NO_FILES),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        journal = tmp_path / "r" / "journal.jsonl"
        for _ in range(400):
            if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 130, errors
    assert "never answered" in output
    assert llmdyno.load(tmp_path / "r").summary["status"] == "interrupted"


@pytest.mark.parametrize("name", ["warm", "coldstart"])
def test_what_has_no_cold_start_is_refused(tmp_path: Path, name: str) -> None:
    result = command(name, "--base-url", "http://127.0.0.1:9/v1", "--model", "m", cwd=tmp_path)
    assert result.returncode == 2
    assert "has no cold start to measure; use --api bedrock" in result.stderr
    assert list(tmp_path.iterdir()) == []


FOUNDATION = "us.anthropic.claude-3-5-sonnet-20241022-v2:0"


def test_a_foundation_model_with_an_api_key(tmp_path: Path) -> None:
    """It needs no waking. The tier that served each request is kept, and the key is shown nowhere."""
    key = "bedrock-api-key-of-nobody"
    with emulated("--verify-signatures", "--api-key", key) as facts:
        line = ["--model", FOUNDATION, "--region", "us-east-1", "--api-key", key, "--service-tier", "priority"]
        no_keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        result = run_bedrock(facts, *line, "--requests", "4", cwd=tmp_path, **no_keys)
    assert result.returncode == 0, result.stderr
    assert "EMULATED" in result.stdout
    told = "model: an inference profile · foundation model: anthropic.claude-3-5-sonnet-20241022-v2:0 · service tier:"
    assert told in " ".join(result.stdout.split())
    run = llmdyno.load(tmp_path / "r")
    assert (run.succeeded, run.summary["cold_starts"]) == (4, [])
    assert run.measured.requests["service_tier"].tolist() == ["priority"] * 4
    assert run.timeline.requests["request"].tolist() == [0, 1, 2, 3]
    assert run.model_facts is not None
    assert (run.model_facts.arn, run.model_facts.kind) == (FOUNDATION, "inference-profile")
    for file in (tmp_path / "r").rglob("*.*"):
        assert key.encode() not in file.read_bytes()
    assert key not in result.stdout + result.stderr
