"""Other tools on the same server, each from its own virtual environment: ``--tool servebench=/path/to/venv``.

In: a tool's name, its environment, a server that records true times. Out: the error of the TTFTs that it reports, the
CPU seconds of its process tree, and the largest number of streams at once. A tool is two functions: one makes the
command, the other reads TTFTs from what the command leaves.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fidelity import TOKENS, children_cpu_s
from benchmarks.truth import TruthServer

_PATIENCE_S = 600


@dataclass(frozen=True)
class Asked:
    """What a tool is asked to do; `tokenizer` is a folder with a tokenizer, for tools that need one."""

    venv: Path
    url: str
    model: str
    streams: int
    requests: int
    out: Path
    tokenizer: Path | None = None


@dataclass(frozen=True)
class Tool:
    """How a tool is called, and how the TTFT of each request (ms) is read from what it leaves."""

    package: str
    command: Callable[[Asked], list[str]]
    ttfts_ms: Callable[[Asked], list[float]]
    wants_tokenizer: bool = False


def _servebench(asked: Asked) -> list[str]:
    line = [str(asked.venv / "bin" / "servebench"), "run", "--url", asked.url, "--model", asked.model]
    line += ["--concurrency", str(asked.streams), "--num-requests", str(asked.requests), "--output-len", str(TOKENS)]
    return [*line, "--input-len", "500", "--warmup", "0", "--csv-requests", str(asked.out / "requests.csv")]


def _servebench_ttfts(asked: Asked) -> list[float]:
    with (asked.out / "requests.csv").open(encoding="utf-8") as file:
        return [float(row["ttft_ms"]) for row in csv.DictReader(file) if row["ok"] == "True"]


_LLMETER = """
import asyncio, json, sys
from llmeter.endpoints import OpenAICompletionStreamEndpoint
from llmeter.runner import Runner
url, model, streams, requests, tokens, out = sys.argv[1:]
async def main():
    endpoint = OpenAICompletionStreamEndpoint(model_id=model, api_key="none", base_url=url)
    payload = OpenAICompletionStreamEndpoint.create_payload("a " * 500, max_tokens=int(tokens))
    payload["extra_body"] = {"ignore_eos": True}
    runner = Runner(endpoint, output_path=None)
    result = await runner.run(payload=payload, n_requests=int(requests) // int(streams), clients=int(streams))
    json.dump([1e3 * one.time_to_first_token for one in result.responses if not one.error], open(out, "w"))
asyncio.run(main())
"""


def _llmeter(asked: Asked) -> list[str]:
    numbers = [str(asked.streams), str(asked.requests), str(TOKENS), str(asked.out / "ttfts.json")]
    return [str(asked.venv / "bin" / "python"), "-c", _LLMETER, asked.url, asked.model, *numbers]


def _json_ttfts(asked: Asked) -> list[float]:
    return [float(value) for value in json.loads((asked.out / "ttfts.json").read_text(encoding="utf-8"))]


def _vllm(asked: Asked) -> list[str]:
    root = asked.url.removesuffix("/v1")
    line = [str(asked.venv / "bin" / "vllm"), "bench", "serve", "--backend", "openai-chat", "--base-url", root]
    line += ["--endpoint", "/v1/chat/completions", "--model", asked.model, "--tokenizer", str(asked.tokenizer)]
    line += ["--dataset-name", "random", "--input-len", "500", "--output-len", str(TOKENS), "--ignore-eos"]
    line += ["--num-prompts", str(asked.requests), "--max-concurrency", str(asked.streams)]
    return [*line, "--save-result", "--save-detailed", "--result-dir", str(asked.out), "--result-filename", "vllm.json"]


def _vllm_ttfts(asked: Asked) -> list[float]:
    found = json.loads((asked.out / "vllm.json").read_text(encoding="utf-8"))
    return [1e3 * ttft for ttft, error in zip(found["ttfts"], found["errors"], strict=True) if not error]


def _guidellm(asked: Asked) -> list[str]:
    line = [str(asked.venv / "bin" / "guidellm"), "run", "--disable-console"]
    line += ["--backend", f"kind=openai_http,target={asked.url.removesuffix('/v1')},model={asked.model}"]
    line += ["--profile", f"kind=concurrent,streams={asked.streams}"]
    line += ["--constraint", f"kind=max_requests,count={asked.requests}"]
    line += ["--tokenizer", f"kind=huggingface_auto,model={asked.tokenizer}"]
    line += ["--data", f"kind=synthetic_text,prompt_tokens=500,output_tokens={TOKENS}"]
    return [*line, "--output", f"kind=json,path={asked.out / 'guidellm.json'}"]


def _guidellm_ttfts(asked: Asked) -> list[float]:
    found = json.loads((asked.out / "guidellm.json").read_text(encoding="utf-8"))
    return [float(one["time_to_first_token_ms"]) for one in found["benchmarks"][0]["requests"]["successful"]]


def _aiperf(asked: Asked) -> list[str]:
    """It takes a tokenizer by a hub's name only: the folder is laid into a cache of the hub's, where it looks first."""
    assert asked.tokenizer is not None
    cache = asked.out / "hub" / "models--local--tokenizer"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    shutil.copytree(asked.tokenizer, cache / "snapshots" / ("0" * 40))
    line = [str(asked.venv / "bin" / "aiperf"), "profile", "-m", asked.model, "--url", asked.url.removesuffix("/v1")]
    line += ["--endpoint-type", "chat", "--streaming", "--concurrency", str(asked.streams), "--ui-type", "none"]
    line += ["--request-count", str(asked.requests), "--num-dataset-entries", "64", "--tokenizer", "local/tokenizer"]
    line += ["--prompt-input-tokens-mean", "500", "--prompt-output-tokens-mean", str(TOKENS), "--use-legacy-max-tokens"]
    line += ["--extra-inputs", "ignore_eos:true", "--export-level", "records"]
    return [*line, "--output-artifact-dir", str(asked.out / "aiperf")]


def _aiperf_ttfts(asked: Asked) -> list[float]:
    (path,) = (asked.out / "aiperf").rglob("profile_export.jsonl")
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    found = (record["metrics"].get("time_to_first_token") for record in records)
    return [float(one["value"]) for one in found if one is not None]


TOOLS = {
    "servebench": Tool("servebench", _servebench, _servebench_ttfts),
    "llmeter": Tool("llmeter", _llmeter, _json_ttfts),
    "aiperf": Tool("aiperf", _aiperf, _aiperf_ttfts, wants_tokenizer=True),
    "guidellm": Tool("guidellm", _guidellm, _guidellm_ttfts, wants_tokenizer=True),
    "vllm": Tool("vllm", _vllm, _vllm_ttfts, wants_tokenizer=True),
}


def run_tool(
    name: str,
    venv: Path,
    server: TruthServer,
    streams: int,
    requests: int,
    folder: Path,
    tokenizer: Path | None = None,
) -> dict[str, Any]:
    """Run one tool once.

    Raises:
        SystemExit: there is no such tool, or it needs a tokenizer.
    """
    if name not in TOOLS:
        raise SystemExit(f"--tool: {name!r} is not known; what fits: {', '.join(TOOLS)}")
    tool = TOOLS[name]
    if tool.wants_tokenizer and tokenizer is None:
        raise SystemExit(f"--tool {name}: needs a tokenizer; give --tokenizer FOLDER (with tokenizer.json)")
    out = folder / f"{name}-{streams}"
    out.mkdir()
    asked = Asked(venv, server.url, server.model, streams, requests, out.resolve(), tokenizer)
    server.reset()
    before = children_cpu_s()
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(asked.out / "hub"), "TRANSFORMERS_OFFLINE": "1"}
    environ = {**os.environ, **offline, "OPENAI_API_KEY": "none"}
    row: dict[str, Any] = {"tool": name, "version": _version(venv, tool.package), "streams": streams}
    line = tool.command(asked)
    try:
        done = subprocess.run(
            line, cwd=out, env=environ, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {**row, "text": f"failed: not done after {_PATIENCE_S} s"}
    if done.returncode:
        return {**row, "text": f"failed: {(done.stderr or done.stdout).strip().splitlines()[-1][:120]}"}
    truth = server.truth().values()
    true_ms = [(one.written_ns[0] - one.arrive_ns) / 1e6 for one in truth if one.written_ns]
    reported = tool.ttfts_ms(asked)
    if not reported:
        return {**row, "text": "failed: it reports no TTFT"}
    at = [float(np.percentile(reported, q)) for q in (50, 99)]
    errors = [value - float(np.percentile(true_ms, q)) for value, q in zip(at, (50, 99), strict=True)]
    changes = sorted([(one.arrive_ns, 1) for one in truth] + [(one.end_ns, -1) for one in truth])
    peak = int(np.cumsum([step for _, step in changes]).max())
    cpu_s = children_cpu_s() - before
    left_out = f"{len(reported)} of {len(truth)} requests reported" if len(reported) < len(truth) else "–"
    text = f"{errors[0]:+.1f} / {errors[1]:+.1f} | – | – | {cpu_s:.1f} | – | – | {peak} | {left_out}"
    found = {"ttft": errors, "cpu_s": round(cpu_s, 1), "peak": peak, "reported": len(reported), "text": text}
    return {**row, **found}


def _version(venv: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    found = subprocess.run([str(venv / "bin" / "python"), "-c", code], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
