"""Other tools on the same server, from virtual environments that the caller has: ``--tool servebench=/path/to/venv``.

In: a tool's name, its environment, a server that keeps the truth. Out: its own TTFT figures beside the server's record,
the CPU seconds of its process tree, the most streams that the server saw at once. A tool is two functions: from what is
asked to a command, and from what that command leaves to TTFTs.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fidelity import TOKENS, children_cpu_s
from benchmarks.truth import TruthServer


@dataclass(frozen=True)
class Asked:
    """What a tool is asked to do."""

    venv: Path
    url: str
    model: str
    streams: int
    requests: int
    out: Path


@dataclass(frozen=True)
class Tool:
    """How a tool is called, and how its TTFTs are read: every one, or p50 and p99 where it gives no more; ms."""

    package: str
    command: Callable[[Asked], list[str]]
    ttfts_ms: Callable[[Asked], list[float]]
    percentiles_only: bool = False


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


TOOLS = {
    "servebench": Tool("servebench", _servebench, _servebench_ttfts),
    "llmeter": Tool("llmeter", _llmeter, _json_ttfts),
}


def run_tool(name: str, venv: Path, server: TruthServer, streams: int, requests: int, folder: Path) -> dict[str, Any]:
    """Run one tool once.

    Raises:
        SystemExit: there is no such tool.
    """
    if name not in TOOLS:
        raise SystemExit(f"--tool: {name!r} is not known; what fits: {', '.join(TOOLS)}")
    tool = TOOLS[name]
    out = folder / f"{name}-{streams}"
    out.mkdir()
    asked = Asked(venv, server.url, server.model, streams, requests, out)
    server.reset()
    before = children_cpu_s()
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        tool.command(asked), cwd=out, env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    row: dict[str, Any] = {"tool": name, "version": _version(venv, tool.package), "streams": streams}
    if done.returncode:
        return {**row, "text": f"failed: {(done.stderr or done.stdout).strip().splitlines()[-1][:120]}"}
    truth = server.truth().values()
    true_ms = [(one.written_ns[0] - one.arrive_ns) / 1e6 for one in truth if one.written_ns]
    reported = tool.ttfts_ms(asked)
    if not reported:
        return {**row, "text": "failed: it reports no TTFT"}
    at = reported if tool.percentiles_only else [float(np.percentile(reported, q)) for q in (50, 99)]
    errors = [value - float(np.percentile(true_ms, q)) for value, q in zip(at, (50, 99), strict=True)]
    moments = sorted([(one.arrive_ns, 1) for one in truth] + [(one.end_ns, -1) for one in truth])
    peak = int(np.cumsum([step for _, step in moments]).max())
    cpu_s = children_cpu_s() - before
    text = f"{errors[0]:+.1f} / {errors[1]:+.1f} | – | – | {cpu_s:.1f} | – | – | {peak} | –"
    return {**row, "ttft": errors, "cpu_s": round(cpu_s, 1), "peak": peak, "text": text}


def _version(venv: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    found = subprocess.run([str(venv / "bin" / "python"), "-c", code], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
