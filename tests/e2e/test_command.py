"""The whole way through, as a user goes it: the command, its files, its exit codes."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import (
    ENDING,
    FINISH,
    ScriptedServer,
    chunk,
    clean_environ,
    command,
    event,
    response,
    stream_head,
)

import llmdyno
from llmdyno.metrics.request import chunk_tokens, inter_token_gaps, request_metrics

SMALL = ["--input-tokens", "50", "--output-tokens", "30", "--ignore-eos", "--requests", "20", "--concurrency", "4"]
Scripted = Callable[..., ScriptedServer]


def truth_of(emulator: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(emulator.removesuffix("/v1") + "/truth") as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def reset(emulator: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(emulator.removesuffix("/v1") + "/reset", method="POST")):
        pass


def test_the_embedded_run_says_that_it_is_emulated(tmp_path: Path) -> None:
    result = command(
        "run", "--speed", "100", "--requests", "6", "--output-tokens", "40", "--name", "first", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert (
        "Measuring an EMULATED deepseek-r1-distill-llama-8b at 100× real speed: 2 users, closed loop, 6 requests"
        in result.stderr
    )
    assert all("EMULATED" in line for line in result.stderr.splitlines())
    assert "EMULATED endpoint" in result.stdout
    assert "at 100× real speed" in result.stdout
    [path] = (tmp_path / "runs").iterdir()
    assert path.name.endswith("-first")
    assert f"runs/{path.name}" in result.stdout
    run = llmdyno.load(path)
    emulated = dict(run.summary["emulated"])
    assert abs(emulated.pop("since_unix_s") - run.environment.clock.origin_unix_ns / 1e9) < 60
    assert emulated == {"profile": "deepseek-r1-distill-llama-8b", "speed": 100, "embedded": True}
    assert run.summary["requests"]["succeeded"] == 6
    assert sorted(entry.name for entry in (path / "llmperf").iterdir()) == [
        "deepseek-r1-distill-llama-8b_500_40_individual_responses.json",
        "deepseek-r1-distill-llama-8b_500_40_summary.json",
    ]
    shown = command("show", str(path), cwd=tmp_path / "runs")
    assert shown.returncode == 0
    assert shown.stdout.replace(str(path), f"runs/{path.name}") == result.stdout


@pytest.mark.parametrize("route", ["chat", "completions"])
def test_the_client_agrees_with_the_servers_own_record(tmp_path: Path, emulator: str, route: str) -> None:
    reset(emulator)
    result = command(
        "run", "--base-url", emulator, "--route", route, *SMALL, "--warmup", "3", "--out", "r", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "EMULATED" in result.stdout  # a server that says it is an emulator is called one
    run = llmdyno.load(tmp_path / "r")
    assert run.summary["warmup_requests"] == 3
    truth = sorted(truth_of(emulator), key=lambda one: one["arrive"])
    origin = run.timeline.origin_ns
    order = np.argsort(run.timeline.requests["sent_ns"])
    assert len(truth) == len(order) == 23
    for place, one in zip(order, truth, strict=True):
        span = slice(run.timeline.first_chunk[place], run.timeline.first_chunk[place + 1])
        text = run.timeline.chunks["kind"][span] > 0
        arrivals = run.timeline.chunks["arrival_ns"][span][text] + origin
        late = arrivals - np.array(one["t"])
        assert len(late) == 30
        assert late.min() >= 0  # nothing arrives before it was written
        assert np.median(late) < 5_000_000
        assert run.timeline.requests["sent_ns"][place] + origin <= one["arrive"]
    figures = request_metrics(run.measured)
    assert figures.output_tokens.tolist() == [30] * 20
    assert run.summary["tokens"]["output_tokens_from"] == {"server": 20}
    gaps, counts = inter_token_gaps(run.measured, chunk_tokens(run.measured, figures))
    assert counts is None
    assert len(gaps) == 20 * 29
    assert (gaps >= 0).all()


def test_spec_file_flags_and_python_give_the_same_run(tmp_path: Path, emulator: str) -> None:
    first = command("run", "--base-url", emulator, *SMALL, "--seed", "5", "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    again = command("run", "a/spec.toml", "--out", "b", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    over = command(
        "run", "a/spec.toml", "--requests", "3", "--concurrency=1", "--no-ignore-eos", "--out=c", cwd=tmp_path
    )
    assert over.returncode == 0, over.stderr
    spec_a, spec_b, spec_c = (
        tomllib.loads((tmp_path / name / "spec.toml").read_text(encoding="utf-8")) for name in "abc"
    )
    prompts = {spec.pop("prompts_seed") for spec in (spec_a, spec_b, spec_c)}
    assert len(prompts) == 3  # each run has fresh prompts, of the same lengths
    assert spec_a == spec_b
    assert (spec_c["load"]["requests"], spec_c["load"]["concurrency"], spec_c["seed"]) == (3, 1, 5)
    assert spec_c["workload"]["ignore_eos"] is False
    lines: list[Any] = []
    snapshots: list[Any] = []
    spec = llmdyno.Spec(
        base_url=emulator, input_tokens=50, output_tokens=30, ignore_eos=True, requests=20, concurrency=4, seed=5,
        out=str(tmp_path / "d"),
    )  # type: ignore[arg-type]  # fmt: skip
    run = llmdyno.run(spec, watch=snapshots.append, on_start=lines.append)
    spec_d = tomllib.loads((run.path / "spec.toml").read_text(encoding="utf-8"))
    assert spec_d.pop("prompts_seed") not in prompts
    assert spec_d == spec_a
    assert run.succeeded == 20
    assert snapshots[-1].done == 20
    assert "EMULATED" in lines[0].endpoint
    columns = [llmdyno.load(tmp_path / name).timeline.requests for name in "abd"]
    for name in ("input_tokens", "max_tokens"):
        assert columns[0][name].tolist() == columns[1][name].tolist() == columns[2][name].tolist()


def test_a_repeated_run_sends_fresh_prompts_unless_asked_for_the_same(scripted: Scripted, tmp_path: Path) -> None:
    server = scripted([stream_head(), event("a"), event("b"), ENDING])
    flags = ("--model", "m", "--concurrency", "1", "--requests", "3", "--input-tokens", "40", "--output-tokens", "2")
    first = command("run", "--base-url", server.url, *flags, "--keep-answers", "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    again = command("run", "a/spec.toml", "--out", "b", cwd=tmp_path)
    same = command("run", "a/spec.toml", "--same-prompts", "--no-keep-answers", "--out", "c", cwd=tmp_path)
    assert (again.returncode, same.returncode) == (0, 0)
    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    texts = [body["messages"][0]["content"] for body in sent if body["max_tokens"] == 2][-9:]
    assert texts[:3] == texts[6:]
    assert not set(texts[:3]) & set(texts[3:6])
    assert "the very prompts of an earlier run, as asked" in same.stdout
    compared = command("compare", "a", "c", cwd=tmp_path)
    assert "B sent the prompts of a run before it" in compared.stdout
    kept = [json.loads(line) for line in (tmp_path / "b" / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["request"], line["text"], line["finish_reason"]) for line in kept] == [
        (number, "ab", "length") for number in range(3)
    ]
    assert not (tmp_path / "c" / "answers.jsonl").exists()


def test_a_directory_that_is_taken_is_refused_before_anything_is_sent(scripted: Scripted, tmp_path: Path) -> None:
    server = scripted([response(b"{}")])
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").touch()
    with pytest.raises(llmdyno.InputError, match=r"--out: .* already exists"):
        llmdyno.run(llmdyno.Spec(base_url=server.url, model="m", requests=1, out=str(tmp_path / "taken")))
    assert server.accepted == 0


def test_the_async_twin_and_its_cancellation(tmp_path: Path, emulator: str) -> None:
    async def main() -> None:
        spec = llmdyno.Spec(base_url=emulator, requests=4, output_tokens=10, out=str(tmp_path / "a"))  # type: ignore[arg-type]
        run = await llmdyno.run_async(spec, watch=None, on_start=None)
        assert run.succeeded == 4
        long = llmdyno.Spec(
            base_url=emulator, requests=4, output_tokens=50_000, out=str(tmp_path / "b"), ignore_eos=True
        )  # type: ignore[arg-type]
        task = asyncio.ensure_future(llmdyno.run_async(long))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    cut = llmdyno.load(tmp_path / "b")
    assert cut.summary["status"] == "interrupted"
    assert cut.summary["requests"]["cancelled"] == 2


def without_prompts(text: str) -> list[str]:
    """The lines of a dry run, except for the seed of the prompts: each run has a new one."""
    return [line for line in text.splitlines() if not line.startswith("prompts_seed = ")]


def test_a_dry_run_sends_nothing(tmp_path: Path, emulator: str) -> None:
    reset(emulator)
    result = command(
        "run",
        "--base-url",
        emulator,
        "--model",
        "m",
        *SMALL,
        "--warmup",
        "2",
        "--api-key",
        "sk-x",
        "--dry-run",
        cwd=tmp_path,
    )
    assert result.returncode == 0
    spec = tomllib.loads(result.stdout)
    assert spec["load"].items() >= {"concurrency": 4, "requests": 20, "warmup": 2}.items()
    assert "# warmup: 2 requests, 100 tokens in, at most 60 tokens out" in result.stdout
    assert "# measured: 20 requests, 1,000 tokens in, at most 600 tokens out" in result.stdout
    assert "sk-x" not in result.stdout
    assert truth_of(emulator) == []
    assert list(tmp_path.iterdir()) == []
    timed = command("run", "--base-url", emulator, "--duration", "9", "--dry-run", cwd=tmp_path)
    assert "as many requests as fit into 9 s" in timed.stdout
    (tmp_path / "spec.toml").write_text(result.stdout, encoding="utf-8")
    again = command("run", "spec.toml", "--dry-run", cwd=tmp_path)
    assert without_prompts(again.stdout) == without_prompts(result.stdout)


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts llmdyno and does not wait; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "llmdyno", *arguments]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(line, cwd=cwd, env=clean_environ(), stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("embedded", "number", "code"),
    [
        (True, signal.SIGINT, 130),
        (False, signal.SIGINT, 130),
        (False, signal.SIGTERM, 130),
        (False, signal.SIGHUP, 130),
    ],
)
def test_ctrl_c_ends_a_run_cleanly(
    tmp_path: Path, start: Start, emulator: str, embedded: bool, number: signal.Signals, code: int
) -> None:
    where = ["--speed", "40", "--output-tokens", "1600"] if embedded else ["--base-url", emulator]
    tokens = [] if embedded else ["--requests", "500", "--output-tokens", "400"]
    process = start("run", *where, *tokens, "--out", "r", cwd=tmp_path)
    journal = tmp_path / "r" / "journal.jsonl"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b'"phase":"measured"') >= 3)
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert "Interrupted. The figures cover what was measured until then." in output
    assert "2 cancelled in flight" in output
    assert "Traceback" not in errors
    run = llmdyno.load(tmp_path / "r")
    assert run.summary["status"] == "interrupted"
    assert run.succeeded >= 3
    assert run.summary["requests"]["cancelled"] == 2
    assert run.summary["requests"]["failed"] == 0
    assert not journal.exists()


def children_of(process: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == process:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_run_is_readable_and_takes_its_emulator_along(tmp_path: Path, start: Start) -> None:
    process = start("run", "--speed", "40", "--output-tokens", "1600", "--requests", "50", "--out", "r", cwd=tmp_path)
    journal = tmp_path / "r" / "journal.jsonl"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b'"phase":"measured"') >= 3)
    [child] = children_of(process.pid)
    process.kill()
    process.communicate()
    shown = command("show", "r", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "This run never ended; read back from its journal." in shown.stdout
    assert llmdyno.load(tmp_path / "r").succeeded >= 3
    wait_for(lambda: not Path(f"/proc/{child}").exists())


def test_failures_during_the_load_are_recorded_and_the_rest_goes_on(tmp_path: Path, scripted: Scripted) -> None:
    good = [stream_head() + event("a"), event("b") + ENDING]
    busy = [response(b'{"error":{"message":"busy, blue says sk-secret"}}', "429 Too Many Requests")]
    server = scripted(good, busy, good, [stream_head() + event("a"), "close"], good)
    result = command(
        "run", "--base-url", server.url, "--requests", "10", "--concurrency", "1", "--api-key", "sk-secret",
        "--header", "X-Team: blue", "--extra-body", '{"temperature": 0}', "--out", "r", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0
    assert "8 succeeded, 2 failed" in result.stdout
    assert "1 × http_status 429: busy, blue says ***" in result.stdout
    assert "1 × broken_stream" in result.stdout
    assert "errors present: 2 of 10" in result.stdout
    assert b"Authorization: Bearer sk-secret" in server.requests[0]
    assert b"X-Team: blue" in server.requests[0]
    assert b'"temperature":0' in server.requests[0]
    for file in (tmp_path / "r").rglob("*.*"):
        assert b"sk-secret" not in file.read_bytes()


def test_a_run_whose_requests_all_failed(tmp_path: Path, scripted: Scripted) -> None:
    server = scripted([response(b'{"error":{"message":"no such model"}}', "404 Not Found")])
    result = command("run", "--base-url", server.url, "--model", "m", "--requests", "4", "--out", "r", cwd=tmp_path)
    assert result.returncode == 1
    assert "llmdyno: every request failed" in result.stderr
    assert "4 × http_status 404: no such model" in result.stdout
    assert llmdyno.load(tmp_path / "r").summary["requests"]["failed"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "frobnicate: there is no such command"),
        (["rum"], "did you mean run?"),
        (["run", "--concurency", "3"], "--concurency: there is no such flag; did you mean --concurrency?"),
        (["run", "--concurrency"], "has no value; what fits: --concurrency N"),
        (["run", "--concurrency", "0"], "--concurrency: '0' does not fit; what fits: a whole number from 1 up"),
        (["run", "--input-tokens", "normal(5)"], "--input-tokens: 'normal(5)' does not fit"),
        (["run", "--base-url", "http://127.0.0.1:1/v1"], "neither --requests nor --duration"),
        (["run", "--base-url", "http://127.0.0.1:1/v1", "--requests", "1"], "cannot connect to 127.0.0.1 port 1"),
        (["run", "--base-url", "http://no.such.host.invalid/v1", "--requests", "1"], "cannot look up"),
        (["run", "--model", "m"], "--model: is for a server of your own"),
        (["run", "--api", "openai", "--requests", "1"], "--base-url: not given"),
        (["run", "--deployment", "p"], "--deployment: 'p' is not known"),
        (["run", "--out", "/proc/none"], "--out: /proc/none cannot be written"),
        (["run", "absent.toml"], "absent.toml: cannot be read"),
        (["run", "--tokenizer", "no/such"], "--tokenizer: 'no/such' is neither"),
        (["run", "--concurrency", "999999"], "ephemeral ports"),
        (["show", "absent"], "absent: is not a run directory"),
        (["show"], "RUN: not given; give RUN (a run directory)"),
        (["serve", "--port", "x"], "--port: 'x' does not fit"),
        (["serve", "--host", "203.0.113.1"], "cannot listen on 203.0.113.1"),
        (["serve", "--speed", "-1"], "--speed: '-1' does not fit"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = command(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.startswith("llmdyno: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path, emulator: str) -> None:
    """A limit on file size stands in for the disk: the journal cannot grow beyond it."""
    result = subprocess.run(
        [sys.executable, "-m", "llmdyno", "run", "--base-url", emulator, "--requests", "500", "--output-tokens", "40",
         "--out", "r"],
        cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "llmdyno: r: cannot be written (File too large); to see what was measured: llmdyno show r"
    )
    assert "Traceback" not in result.stderr
    shown = command("show", "r", cwd=tmp_path)
    assert "This run never ended; read back from its journal." in shown.stdout
    assert llmdyno.load(tmp_path / "r").succeeded > 5


def test_a_key_that_the_server_refuses(tmp_path: Path, start: Start) -> None:
    server = start("serve", "--port", "0", "--speed", "100", "--api-key", "right", cwd=tmp_path)
    assert server.stdout is not None
    url = [server.stdout.readline() for _ in range(2)][1].split()[-1]
    wrong = command("run", "--base-url", url, "--requests", "2", "--api-key", "sk-other", "--out", "r", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == (
        f"llmdyno: {url}/models: the server answered 401 (the API key is wrong or missing); "
        "give a valid key with --api-key or OPENAI_API_KEY\n"
    )
    unlooked = command(
        "run", "--base-url", url, "--model", "m", "--requests", "2", "--no-preflight", "--out", "r", cwd=tmp_path
    )
    assert unlooked.returncode == 1
    assert "2 × http_status 401 AuthenticationError: the API key is wrong or missing" in unlooked.stdout
    other = command("run", "--base-url", url, "--model", "m", "--requests", "2", "--api-key", "right", cwd=tmp_path)
    assert (other.returncode, other.stderr.partition(" (")[0]) == (2, "llmdyno: --model: the server refuses 'm'")


def test_no_arguments_at_all_and_help(tmp_path: Path) -> None:
    for arguments in ([], ["--help"]):
        result = command(*arguments, cwd=tmp_path)
        assert result.returncode == 0
        assert "measure an endpoint" in result.stdout
    assert command("--version", cwd=tmp_path).stdout == f"llmdyno {llmdyno.__version__}\n"
    run_help = command("run", "--help", cwd=tmp_path).stdout
    assert "--extra-body JSON" in run_help
    assert "OPENAI_API_KEY" in run_help


def test_quiet_says_only_the_summary(tmp_path: Path, emulator: str) -> None:
    result = command("run", "--base-url", emulator, *SMALL, "--quiet", "--out", "r", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Run directory r" in result.stdout


def test_the_key_and_url_come_from_the_environment(tmp_path: Path, scripted: Scripted) -> None:
    server = scripted([stream_head() + event("a"), event("b") + ENDING])
    result = command(
        "run", "--api", "openai", "--requests", "2", "--out", "r", cwd=tmp_path,
        OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-env",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert b"Bearer sk-env" in server.requests[0]
    assert llmdyno.load(tmp_path / "r").model == "m"  # the only one that the server lists


def test_a_socket_a_query_and_a_host_header(tmp_path: Path, scripted: Scripted) -> None:
    """The key in the query goes to the server, and to no other place."""
    server = scripted([stream_head() + event("a"), event("b") + ENDING], unix=str(tmp_path / "s"))
    url, few = "http://gateway/v1?api-version=1&key=hide-me", ("--requests", "2", "--output-tokens", "2")
    line = ["run", "--base-url", url, "--unix-socket", "s", "--header", "Host: named:81", *few, "--out", "run"]
    result = command(*line, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for request in (*server.gets, *server.requests):
        assert b"?api-version=1&key=hide-me HTTP/1.1\r\nHost: named:81\r\n" in request
    assert len(server.requests) == 2
    assert "Measuring m at http://gateway/v1?api-version=1&key=***: " in result.stderr
    assert "through the Unix socket s · with the Host header named:81" in result.stdout
    files = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    shown = command("show", "run", cwd=tmp_path).stdout
    assert not any(b"hide-me" in text for text in (*files, *(t.encode() for t in (result.stderr, shown))))
    assert shown == result.stdout
    again = command("run", "run/spec.toml", "--out", "again", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "this file leaves out: --base-url …" in again.stderr
    assert command("run", "run/spec.toml", "--base-url", url, "--out", "again", cwd=tmp_path).returncode == 0


def test_a_tokenizer_counts_where_the_server_does_not(tmp_path: Path, scripted: Scripted) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    server = scripted([stream_head() + event("one two"), event(" three.") + FINISH + chunk(b"")])
    result = command(
        "run", "--base-url", server.url, "--requests", "2", "--tokenizer", "tokenizer.json", "--out", "r", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    run = llmdyno.load(tmp_path / "r")
    assert run.summary["tokens"]["output_tokens_from"] == {"tokenizer": 2}
    assert run.summary["tokens"]["output_tokens"]["max"] == 4
    assert "prompt tokens by tokenizer.json" in result.stdout


def test_serve_says_what_it_is_and_ends_on_ctrl_c(tmp_path: Path, start: Start) -> None:
    process = start("serve", "--port", "0", "--speed", "3", cwd=tmp_path)
    assert process.stdout is not None
    head = [process.stdout.readline() for _ in range(2)]
    assert (
        head[0] == "EMULATED deepseek-r1-distill-llama-8b at 3× real speed; durations are 3× shorter than in reality\n"
    )
    with urllib.request.urlopen(head[1].split()[-1] + "/models") as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
