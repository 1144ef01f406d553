"""The instrument as a command: open loop, traces, --strict, TLS, and what the machine itself can do."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trustme
from tests.offline import Offline
from tests.support import ENDING, Action, ScriptedServer, command, event, response, stream_head

import llmdyno
from llmdyno.experiments.selftest import beyond_range
from llmdyno.spec.spec import Spec

pytestmark = pytest.mark.alone

SMALL = ["--input-tokens", "50", "--output-tokens", "20", "--quiet", "--out", "r"]


def test_an_open_loop_against_the_emulator(tmp_path: Path, emulator: str) -> None:
    line = ["run", "--base-url", emulator, *SMALL, "--rate", "40", "--arrivals", "poisson", "--duration", "2s"]
    result = command(*line, "--seed", "4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    requests = run.measured.requests
    assert 50 < len(requests["request"]) < 120
    assert (np.diff(requests["planned_ns"]) >= 0).all()
    assert (requests["sent_ns"] >= requests["planned_ns"]).all()
    latency = run.summary["latency"]
    assert latency["ttft_scheduled_s"]["p50"] >= latency["ttft_s"]["p50"]
    assert run.summary["load"] == "open"
    assert "open loop, 40 requests/s (poisson), 2 s" in result.stdout
    assert "Send after planned" in result.stdout
    assert "from its send" in result.stdout
    assert sum(one["sent"] for one in run.summary["slices"]) == len(requests["request"])
    # The same seed plans the same instants.
    again = command("run", "r/spec.toml", "--quiet", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    offsets = [one.measured.requests["planned_ns"] for one in (run, llmdyno.load(tmp_path / "again"))]
    assert (np.diff(offsets[0]) == np.diff(offsets[1])).all()


def test_a_trace_is_replayed(tmp_path: Path, emulator: str) -> None:
    entries = [{"timestamp": n * 0.2, "input_tokens": 30 + n, "output_tokens": 5 + n} for n in range(6)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    line = ["run", "--base-url", emulator, *SMALL, "--arrivals", "replay", "t.jsonl", "--time-scale", "0.5"]
    result = command(*line, "--ignore-eos", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "replay of t.jsonl × 0.5" in result.stdout
    assert "lengths from the trace" in result.stdout
    requests = llmdyno.load(tmp_path / "r").measured.requests
    assert requests["max_tokens"].tolist() == [5, 6, 7, 8, 9, 10]
    assert requests["input_tokens"].tolist() == [30, 31, 32, 33, 34, 35]
    assert np.diff(requests["planned_ns"]).tolist() == pytest.approx([100_000_000] * 5, abs=1)


def test_failures_are_in_the_tail_on_the_console(scripted: Callable[..., ScriptedServer], tmp_path: Path) -> None:
    good: list[Action] = [stream_head() + event("a"), event("b") + ENDING]
    bad: list[Action] = [response(b'{"error":{"message":"busy"}}', "503 Service Unavailable")]
    server = scripted(*([good] * 14), *([bad] * 6))
    line = ["run", "--base-url", server.url, "--model", "m", "--no-preflight", "--rate", "50", "--requests", "20"]
    result = command(*line, *SMALL, "--strict", cwd=tmp_path)
    assert result.returncode == 3  # errors are present, and the user wanted to know
    assert "failed" in next(line for line in result.stdout.splitlines() if line.startswith("Time to first token"))
    found = llmdyno.load(tmp_path / "r").summary["latency"]["ttft_scheduled_s"]
    assert found["count"] == 20
    assert "p90" in found["in_failures"]


def test_strict_is_content_with_a_good_measurement(tmp_path: Path, emulator: str) -> None:
    line = ["run", "--base-url", emulator, *SMALL, "--requests", "40", "--strict"]
    result = command(*line, cwd=tmp_path)
    trustworthy = llmdyno.load(tmp_path / "r").summary["verdict"]["trustworthy"]
    assert result.returncode == (0 if trustworthy else 3)


def test_an_unverified_certificate_is_said_everywhere(scripted: Callable[..., ScriptedServer], tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    good: list[Action] = [stream_head() + event("a"), event("b") + ENDING]
    server = scripted(good, wrap=lambda sock: context.wrap_socket(sock, server_side=True))
    line = ["run", "--base-url", f"https://localhost:{server.port}/v1", "--model", "m", "--requests", "3", *SMALL]
    refused = command(*line, cwd=tmp_path)
    assert refused.returncode == 2
    assert "does not verify" in refused.stderr
    insecure = command(*line, "--insecure", cwd=tmp_path)
    assert insecure.returncode == 0, insecure.stderr
    assert "certificate is not verified" in insecure.stderr
    assert "NOT VERIFIED" in insecure.stdout
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusted = command(*line[:-1], "t", "--ca-file", "ca.pem", cwd=tmp_path)
    assert trusted.returncode == 0, trusted.stderr
    latency = llmdyno.load(tmp_path / "t").summary["latency"]
    assert latency["tls_s"]["count"] >= 1
    assert latency["connect_s"]["count"] == latency["tls_s"]["count"]
    assert latency["time_to_headers_s"]["p50"] <= latency["ttft_s"]["p50"]


def test_the_selftest_and_the_warning_that_comes_of_it(tmp_path: Path) -> None:
    offline = Offline(tmp_path)
    result = command("selftest", "--quick", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path), **offline.environ)
    assert result.returncode == 0, result.stderr
    assert offline.looked_up == []
    lines = [line for line in result.stdout.splitlines() if " streams " in line or " requests/s " in line]
    assert lines[0].split()[:3] == ["1", "streams", "1"]
    assert "Within 1 ms on this machine" in result.stdout
    assert not (tmp_path / "llmdyno").exists()  # what was not tried is not beyond the range


def test_a_load_beyond_the_range_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wide, narrow = Spec(concurrency=65, requests=1), Spec(concurrency=64, requests=1)
    assert beyond_range(wide) is None  # nothing was tested
    (tmp_path / "llmdyno").mkdir()
    file = tmp_path / "llmdyno" / "selftest.json"
    file.write_text('{"streams": 64, "rate": 100.0}', encoding="utf-8")
    told = "65 users may be too many for this machine: its last selftest reached 64 streams with an error below 1 ms"
    assert beyond_range(wide) == told
    assert beyond_range(narrow) is None
    assert "101 requests/s" in str(beyond_range(Spec(rate=101.0, requests=1)))
    assert "200 requests/s" in str(beyond_range(Spec(ramp="1:200:5s")))
    assert beyond_range(Spec(rate=99.0, requests=1)) is None
    file.write_text("{", encoding="utf-8")
    assert beyond_range(wide) is None
    file.write_text('{"streams": 1, "rate": 1.0}', encoding="utf-8")
    line = ["run", "--speed", "100", "--requests", "2", "--no-warm", *SMALL]
    result = command(*line, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert "llmdyno: 2 users may be too many for this machine: its last selftest reached 1 streams" in result.stderr
