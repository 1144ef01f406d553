"""What LiteLLM costs on the Bedrock route: our dialect, LiteLLM's requests on our sockets, LiteLLM's own client.

    python -m benchmarks.through_litellm [--truth-server BINARY] [--floor BINARY] [--streams 64]

All run against one server that records true times. LLMPerf's method follows with two users, as in its published runs.
It needs the extra `litellm`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.fidelity import NO_ACCOUNT, TOKENS, children_cpu_s, error_text, measure, run_floor
from benchmarks.truth import TruthServer

WAYS = ("bedrock", "litellm-wire", "litellm-sdk", "litellm-sdk, no look-up")
NO_LOOK_UP = {"HTTPS_PROXY": "http://127.0.0.1:9"}
"""LiteLLM looks up the template of an imported Llama model at huggingface.co with every request. Without a name server
each look-up takes seconds. With this proxy the look-up is refused at once, so the rest shows."""

_WIDTH = 23
BUDGET_WIRE = 1.2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth-server", default=os.environ.get("LLMDYNO_TRUTH_SERVER"))
    parser.add_argument("--floor", default=os.environ.get("LLMDYNO_FLOOR"))
    parser.add_argument("--streams", type=int, nargs="+", default=[64])
    parser.add_argument("--waves", type=int, default=4, help="requests a stream")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the table has their medians")
    arguments = parser.parse_args()
    with TruthServer(arguments.truth_server) as server, tempfile.TemporaryDirectory() as folder:
        print(f"server: {server.name}; {TOKENS} tokens a request; reported − true at p50 / p99, ms (single requests)")
        for streams in arguments.streams:
            requests = streams * arguments.waves
            print(f"\n{streams} streams, {requests} requests, median of {arguments.repeat} rounds")
            floors, hot = [], {way: [] for way in WAYS}  # type: ignore[var-annotated]
            for again in range(arguments.repeat):
                floors.append(run_floor(arguments.floor, server, streams, requests))
                for way in WAYS:
                    api, _, more = way.partition(", ")
                    out = Path(folder) / f"{again}{more}"
                    row = measure(server, api, streams, requests, out, NO_LOOK_UP if more else {})
                    hot[way].append(row["hot_us"])
                    print(
                        f"  {way:<{_WIDTH}} TTFT {error_text(row['ttft'])}; {row['hot_us']:6.1f} µs a chunk; "
                        f"{row['cpu_s']:5.1f} CPU s; peak {row['peak']}"
                    )
            floor_us, ours = float(np.median(floors)), float(np.median(hot["bedrock"]))
            for way in WAYS:
                used = float(np.median(hot[way]))
                ratios = f"{used / ours:5.2f} × --api bedrock, {used / floor_us:5.1f} × floor"
                print(f"  {way:<{_WIDTH}} CPU a chunk {used:6.1f} µs: {ratios}")
            share = float(np.median(hot["litellm-wire"])) / ours
            kept = "kept" if share <= BUDGET_WIRE else "BROKEN"
            print(f"  budget: wire within {BUDGET_WIRE:g} × --api bedrock: {kept}")
        server.reset()
        users, requests, before = 2, 40, children_cpu_s()
        command = [sys.executable, str(Path(__file__).with_name("llmperf_way.py")), server.root]
        command += [f"bedrock/llama/{server.arn}", *(str(number) for number in (users, requests, TOKENS))]
        environ = {**os.environ, **NO_ACCOUNT, **NO_LOOK_UP, "PYTHONWARNINGS": "ignore"}
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout
        reported = np.sort(np.array(json.loads(output))[:, 0])
        true = np.sort([(one.written_ns[0] - one.arrive_ns) / 1e9 for one in server.truth().values()])
        print(f"\nLLMPerf's method, {users} users, {requests} requests")
        print(f"  TTFT {error_text(np.stack([reported, true], axis=1))}; {children_cpu_s() - before:.1f} CPU s")


if __name__ == "__main__":
    main()
