"""How large is the error of `llmdyno run`, and what does it cost?

    python -m benchmarks.fidelity [--truth-server BINARY] [--floor BINARY] [--streams 64 512] [--api bedrock]

It starts a server that records true times and runs the whole command against it at each number of streams, with 128
tokens a request. It compares each request with the server's record and prints a table. All figures of a row are from
one run on one machine. The errors and the ratio to the floor matter; absolute times do not.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import llmdyno
from benchmarks.truth import TrueRequest, TruthServer

TOKENS = 128
NO_ACCOUNT = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_EC2_METADATA_DISABLED": "true"}
BUDGET_CPU_S, BUDGET_P50_S, BUDGET_P99_S, BUDGET_RATIO = 2.5, 0.0005, 0.001, 1.8


def children_cpu_s() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_floor(floor: str | None, server: TruthServer, streams: int, requests: int) -> float:
    """CPU microseconds a chunk of the floor client."""
    command = [floor] if floor else [sys.executable, str(Path(__file__).with_name("floor.py"))]
    arguments = [str(number) for number in (server.port, streams, requests, TOKENS)] + ([] if floor else [server.model])
    output = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout
    found = re.search(r"cpu_us/chunk=([0-9.]+)", output)
    assert found is not None, output
    return float(found[1])


class Truthful(Protocol):
    """A server that records true times."""

    root: str
    url: str
    model: str
    arn: str

    def reset(self) -> None:
        """Forget every request."""

    def truth(self) -> dict[int, TrueRequest]:
        """Its record of each request, by number."""

    def number_of(self, response_id: str) -> int:
        """The number of the request whose response has this id."""


def measure(
    server: Truthful,
    api: str,
    streams: int,
    requests: int,
    folder: Path,
    more: Mapping[str, str] | None = None,
    *,
    rate: float | None = None,
    flags: Sequence[str] = (),
    warmup: int = 0,
) -> dict[str, Any]:
    """Compare one run of the command with the truth.

    It is a closed loop, or an open loop if there is a `rate`. `more` is added to the command's environment.
    """
    server.reset()
    before = children_cpu_s()
    command = [sys.executable, "-m", "llmdyno", "run", "--quiet"]
    if api == "bedrock":
        command += ["--api", "bedrock", "--endpoint-url", server.root, "--model", server.arn, "--no-warm"]
    elif api.startswith("litellm-"):
        command += ["--api", "litellm", "--litellm-mode", api.removeprefix("litellm-"), "--endpoint-url", server.root]
        command += ["--model", f"bedrock/llama/{server.arn}", "--no-warm", "--no-preflight"]
    else:
        command += ["--base-url", server.url, "--model", server.model, "--ignore-eos"]
    load = ["--concurrency", str(streams)] if rate is None else ["--rate", repr(rate)]
    out = folder / f"{api}-{streams}-{'open' if rate else 'closed'}-{len(list(folder.glob('*')))}"
    command += [*load, "--requests", str(requests), "--output-tokens", str(TOKENS), "--out", str(out), *flags]
    if warmup:  # users send it, in an open loop too
        command += ["--warmup", str(warmup), *(["--concurrency", str(warmup)] if rate is not None else [])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **NO_ACCOUNT, **(more or {})})
    cpu_s = children_cpu_s() - before
    run, truth = llmdyno.load(out), server.truth()
    assert run.succeeded == requests == len(truth) - warmup
    timeline, figures = run.measured, run.figures
    ttft, e2e, gap = [], [], []
    text = timeline.chunks["kind"] > 0
    # Responses over the event stream have no id, so those requests are matched in the order of their sends.
    sends = np.argsort(np.argsort(timeline.requests["sent_ns"]))
    arrivals = sorted(truth.values(), key=lambda one: one.arrive_ns)
    for index, name in enumerate(timeline.requests["response_id"]):
        true = truth[server.number_of(name)] if api == "openai" else arrivals[sends[index]]
        written = np.array(true.written_ns)
        span = slice(timeline.first_chunk[index], timeline.first_chunk[index + 1])
        arrival = timeline.chunks["arrival_ns"][span][text[span]]
        ttft.append((figures.ttft_s[index], (written[0] - true.arrive_ns) / 1e9))
        e2e.append((figures.end_to_end_latency_s[index], (true.end_ns - true.arrive_ns) / 1e9))
        gap.append(np.stack([np.diff(arrival) / 1e9, np.diff(written) / 1e9], axis=1))
    process = np.array(run.environment.process.cpu_s)
    return {
        "cpu_s": cpu_s,
        "hot_us": (process[-1, 1] - process[0, 1]) / (requests * TOKENS) * 1e6,
        "ttft": np.array(ttft),
        "gap": np.concatenate(gap),
        "e2e": np.array(e2e),
        "peak": run.summary["throughput"]["peak_concurrency"],
        "verdict": run.summary["verdict"],
        "late_p99_s": run.summary["latency"].get("send_lateness_s", {}).get("p99"),
    }


def error_text(pairs: np.ndarray[Any, Any]) -> str:
    """Reported − true at p50 and p99 of both distributions; then the median and p99 of the requests' own errors; ms."""
    reported, true = pairs[:, 0], pairs[:, 1]
    at = [np.percentile(reported, q) - np.percentile(true, q) for q in (50, 99)]
    own = np.percentile(np.abs(reported - true), (50, 99))
    return " / ".join(f"{1e3 * value:+.2f}" for value in at) + "  (" + " / ".join(f"{1e3 * v:.2f}" for v in own) + ")"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth-server", default=os.environ.get("LLMDYNO_TRUTH_SERVER"))
    parser.add_argument("--floor", default=os.environ.get("LLMDYNO_FLOOR"))
    parser.add_argument("--streams", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--api", choices=["openai", "bedrock"], default="openai")
    parser.add_argument("--waves", type=int, default=2, help="requests a stream")
    arguments = parser.parse_args()
    with TruthServer(arguments.truth_server) as server, tempfile.TemporaryDirectory() as folder:
        floor = "C" if arguments.floor else "Python"
        print(f"server: {server.name}; floor: {floor}; {arguments.api}; {TOKENS} tokens a request")
        for streams in arguments.streams:
            requests = streams * arguments.waves
            floor_us = run_floor(arguments.floor, server, streams, requests)
            row = measure(server, arguments.api, streams, requests, Path(folder))
            ttft = row["ttft"]
            errors = [abs(np.percentile(ttft[:, 0], q) - np.percentile(ttft[:, 1], q)) for q in (50, 99)]
            print(f"\n{streams} streams, {requests} requests; reported − true at p50 / p99, ms (single requests)")
            print(f"  TTFT          {error_text(ttft)}")
            print(f"  gap           {error_text(row['gap'])}")
            print(f"  end-to-end    {error_text(row['e2e'])}")
            print(f"  CPU           {row['cpu_s']:.2f} s for the whole command (budget {BUDGET_CPU_S:g} s at 512)")
            print(
                f"  CPU a chunk   {row['hot_us']:.2f} µs while driving, floor {floor_us:.2f} µs: "
                f"{row['hot_us'] / floor_us:.2f} × (budget {BUDGET_RATIO:g} ×)"
            )
            print(f"  peak          {row['peak']} of {streams} in flight")
            reasons = [reason["text"] for reason in row["verdict"]["reasons"]]
            print(f"  verdict       {'trustworthy' if not reasons else '; '.join(reasons)}")
            fits = errors[0] <= BUDGET_P50_S and errors[1] <= BUDGET_P99_S
            print(f"  TTFT budget   1 ms at p50, 5 ms at p99: {'kept' if fits else 'BROKEN'}")


if __name__ == "__main__":
    main()
