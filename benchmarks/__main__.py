"""Everything in one table: how far off, what it costs, how exact the sends are, memory, start-up.

    python -m benchmarks [--truth-server BINARY] [--floor BINARY] [--out benchmarks/results]
        [--tool NAME=VENV] [--tokenizer FOLDER]

About five minutes. Each row is one run of the whole command against a server that keeps the truth, which shares the
machine's cores; errors are reported − true. The rows over TLS are against the null server of ``llmdyno selftest``,
whose arrivals are its own reads there. Needs the extra `test` (trustme makes the certificate).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import trustme

from benchmarks.fidelity import (
    BUDGET_CPU_S,
    BUDGET_P50_S,
    BUDGET_P99_S,
    BUDGET_RATIO,
    TOKENS,
    Truthful,
    measure,
    run_floor,
)
from benchmarks.startup import first_request_s, spawn_s
from benchmarks.tools import TOOLS, run_tool
from benchmarks.truth import GAP_MS, TTFT_MS, TrueRequest, TruthServer
from llmdyno import __version__, run
from llmdyno.experiments.selftest import NullServer, measure_step

STREAMS = (1, 64, 512, 2000)
MEMORY_BUDGET_MB, SEND_BUDGET_S, HELP_BUDGET_S, FIRST_BUDGET_S = 150, 0.001, 0.3, 0.8
_REQUEST_S = (TTFT_MS + TOKENS * GAP_MS) / 1e3


class NullTruth(Truthful):
    """The null server as one that keeps the truth."""

    def __init__(self, server: NullServer) -> None:
        self._server = server
        self.root, self.url, self.model = server.root, server.url, f"null-{TTFT_MS}-{GAP_MS}"

    def reset(self) -> None:
        self._server.ask("/reset", "POST")

    def truth(self) -> dict[int, TrueRequest]:
        seen = map(json.loads, self._server.ask("/truth").splitlines())
        return {one["n"]: TrueRequest(one["n"], one["arrive"], one["end"], one["t"]) for one in seen}

    def number_of(self, response_id: str) -> int:
        return int(response_id.rpartition("-")[2], 16)


def errors_ms(pairs: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Reported − true at p50 and p99 of both distributions, ms."""
    at = [1e3 * (np.percentile(pairs[:, 0], q) - np.percentile(pairs[:, 1], q)) for q in (50, 99)]
    return float(at[0]), float(at[1])


def fidelity_rows(server: TruthServer, floor: str | None, folder: Path) -> list[dict[str, Any]]:
    """Closed and open loop, server-sent events and event stream, plain and over TLS."""
    rows = []
    for loop, api, streams_of in (
        ("closed", "openai", STREAMS),
        ("closed", "bedrock", STREAMS),
        ("open", "openai", STREAMS),
        ("open", "bedrock", STREAMS),
    ):
        for streams in streams_of:
            requests = max(4, 2 * streams)
            rate = streams / _REQUEST_S if loop == "open" else None
            floor_us = run_floor(floor, server, streams, requests) if (loop, api) == ("closed", "openai") else None
            rows.append(_row(server, loop, api, "plain", streams, requests, folder, rate, floor_us))
    pem = folder / "server.pem"
    certificate = trustme.CA().issue_cert("127.0.0.1")
    pem.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    with NullServer(str(pem)) as null:
        for loop, streams in (("closed", 1), ("closed", 64), ("closed", 512), ("open", 64), ("open", 512)):
            rate = streams / _REQUEST_S if loop == "open" else None
            rows.append(_row(NullTruth(null), loop, "openai", "TLS", streams, max(4, 2 * streams), folder, rate, None))
    return rows


def _row(
    server: Truthful,
    loop: str,
    api: str,
    wire: str,
    streams: int,
    requests: int,
    folder: Path,
    rate: float | None,
    floor_us: float | None,
) -> dict[str, Any]:
    flags = ("--insecure", "--no-preflight") if wire == "TLS" else ()
    # The null server shakes hands one after the other, which would hold its reads up: it is connected to beforehand.
    warmup = streams if wire == "TLS" else 0
    found = measure(server, api, streams, requests, folder, rate=rate, flags=flags, warmup=warmup)
    row = {
        "loop": loop,
        "stream": "server-sent events" if api == "openai" else "event stream",
        "wire": wire,
        "streams": streams,
        "requests": requests,
        **{name: errors_ms(found[name]) for name in ("ttft", "gap", "e2e")},
        "cpu_s": round(found["cpu_s"], 2),
        "chunk_us": round(found["hot_us"], 2),
        "floor_us": floor_us,
        "peak": found["peak"],
        "verdict": [reason["reason"] for reason in found["verdict"]["reasons"]],
    }
    ratio = f"{row['chunk_us'] / floor_us:.2f}" if floor_us else "–"
    cells = (f"{row[name][0]:+.2f} / {row[name][1]:+.2f}" for name in ("ttft", "gap", "e2e"))
    doubts = ", ".join(row["verdict"]) or "trustworthy"
    line = [loop, row["stream"], wire, streams, *cells, f"{row['cpu_s']:.2f}", f"{row['chunk_us']:.1f}", ratio]
    print("| " + " | ".join(map(str, [*line, row["peak"], doubts])) + " |", flush=True)
    return row


def memory_mb(binary: str | None, folder: Path) -> float:
    """The largest resident size of a run of a million chunks, MB."""
    server = TruthServer(binary, ttft_ms=50, gap_ms=10)
    with server:
        command = [sys.executable, "-m", "llmdyno", "run", "--quiet", "--base-url", server.url, "--model", server.model]
        command += ["--ignore-eos", "--concurrency", "512", "--requests", "8192", "--output-tokens", str(TOKENS)]
        watcher = (
            "import resource,subprocess,sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        )
        watcher += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        line = [sys.executable, "-c", watcher, *command, "--out", str(folder / "memory")]
        return int(subprocess.run(line, check=True, capture_output=True, text=True).stdout) * 1024 / 1e6


def main() -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth-server", default=os.environ.get("LLMDYNO_TRUTH_SERVER"))
    parser.add_argument("--floor", default=os.environ.get("LLMDYNO_FLOOR"))
    parser.add_argument("--out", default=str(Path(__file__).with_name("results")))
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=VENV", help="; ".join(TOOLS))
    parser.add_argument("--tokenizer", type=Path, help="a folder with a tokenizer, for tools that want one")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    found: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "llmdyno": __version__,
        "python": platform.python_version(),
        "host": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
        "server": "a server in C" if arguments.truth_server else "llmdyno serve (Python)",
        "floor": "C" if arguments.floor else "Python",
    }
    print("; ".join(f"{name} {value}" for name, value in found.items()))
    print(
        f"\nReported − true at p50 / p99, ms; {TOKENS} tokens a request, TTFT about {TTFT_MS} ms, {GAP_MS} ms a token\n"
    )
    heads = ["loop", "stream", "wire", "streams", "TTFT", "gap", "end-to-end", "CPU s", "CPU µs a chunk", "× floor"]
    print("| " + " | ".join([*heads, "peak", "verdict"]) + " |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with TruthServer(arguments.truth_server) as server:
            found["fidelity"] = fidelity_rows(server, arguments.floor, folder)
            starts = [first_request_s(server, folder / f"start-{number}") for number in range(7)]
            found["tools"] = []
            for given in arguments.tool:
                tool, _, venv = given.partition("=")
                for streams, requests in ((64, 256), (512, 1024)):
                    row = run_tool(tool, Path(venv), server, streams, requests, folder, arguments.tokenizer)
                    found["tools"].append(row)
                    named = f"{tool} {row['version']} | server-sent events | plain | {streams}"
                    print(f"| {named} | {row['text']} |", flush=True)
        with NullServer() as null:
            steps = [measure_step(run, null, "rate", rate, folder / f"rate-{rate}") for rate in (100, 1000)]
        found["send_lateness_p99_ms"] = {int(step.asked): 1e3 * (step.send_lateness_p99_s or 0) for step in steps}
        found["memory_mb"] = memory_mb(arguments.truth_server, folder)
    python_s = statistics.median(spawn_s([sys.executable, "-c", "pass"]) for _ in range(7))
    help_s = statistics.median(spawn_s([sys.executable, "-m", "llmdyno", "--help"]) for _ in range(7))
    found["start_s"] = {"python": python_s, "help": help_s, "first_request": statistics.median(starts)}
    _print_bars(found)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{time.strftime('%Y%m%d-%H%M')}.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\nKept in {path}")


def _print_bars(found: dict[str, Any]) -> None:
    """Each budget, what was met, and whether it was kept."""
    by = {(row["loop"], row["stream"], row["wire"], row["streams"]): row for row in found["fidelity"]}
    main_row = by["closed", "server-sent events", "plain", 512]
    late, start = found["send_lateness_p99_ms"], found["start_s"]
    ratio = main_row["chunk_us"] / main_row["floor_us"]
    bars = [
        ("whole command, 512 streams, CPU s", main_row["cpu_s"], BUDGET_CPU_S),
        ("CPU a chunk, × floor", ratio, BUDGET_RATIO),
        ("TTFT error p50 at 512 streams, ms", abs(main_row["ttft"][0]), 1e3 * BUDGET_P50_S),
        ("TTFT error p99 at 512 streams, ms", abs(main_row["ttft"][1]), 1e3 * BUDGET_P99_S),
        ("send after planned p99 at 100/s, ms", late[100], 1e3 * SEND_BUDGET_S),
        ("send after planned p99 at 1,000/s, ms", late[1000], 1e3 * SEND_BUDGET_S),
        ("memory of a million chunks, MB", found["memory_mb"], MEMORY_BUDGET_MB),
        (f"--help, s ({start['help'] / start['python']:.1f} × a bare interpreter)", start["help"], HELP_BUDGET_S),
        ("first request sent, s", start["first_request"], FIRST_BUDGET_S),
    ]
    print("\n| bar | met | budget | |")
    print("|---|---|---|---|")
    for name, met, budget in bars:
        print(f"| {name} | {met:.2f} | {budget:g} | {'kept' if met <= budget else 'OVER'} |")


if __name__ == "__main__":
    main()
