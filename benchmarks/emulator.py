"""What the emulator can sustain: chunks a second, CPU a chunk, and how late its tokens are.

    python -m benchmarks.emulator [--rates 10000 20000] [--seconds 5]

llmdyno drives the emulator at the wanted rate of chunks. Lateness is written − due, from the emulator's own record.
Both share the machine's cores, so the figures are a lower bound.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.fidelity import NO_ACCOUNT
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES

STREAMS = 100
BUDGET_LATE_MS, BUDGET_RATE = 5.0, 20_000


def ask(url: str, method: str = "GET") -> bytes:
    """The body of one of the emulator's own routes."""
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
        return bytes(answer.read())


def measure(rate: int, seconds: float, route: str) -> None:
    """Drive the emulator at one rate and print a line."""
    profile = PROFILES[DEFAULT_PROFILE]
    speed = rate * (profile.gap_s + profile.gap_per_stream_s * (STREAMS - 1)) / STREAMS
    streams = STREAMS
    tokens = int(seconds * rate / streams)
    more = ["--cold-start", "0", "--hold", "--requests-per-copy", "1000", "--first-inference", "0"]
    with (
        EmbeddedEmulator(DEFAULT_PROFILE, speed=speed, seed=1, more=more) as running,
        tempfile.TemporaryDirectory() as folder,
    ):
        facts = running.ready()
        ask(facts["root"] + "/reset", "POST")
        before = json.loads(ask(facts["root"] + "/truth/lateness"))["cpu_s"]
        command = [sys.executable, "-m", "llmdyno", "run", "--quiet", "--out", str(Path(folder) / "r")]
        if route == "invoke":
            command += ["--api", "bedrock", "--endpoint-url", facts["root"], "--model", facts["model"], "--no-warm"]
            command += ["--body-format", "bedrock-completion", "--extra-body", '{"ignore_eos": true}']
        else:
            command += ["--base-url", facts["url"], "--ignore-eos"]
        command += ["--concurrency", str(streams), "--requests", str(streams), "--output-tokens", str(tokens)]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **NO_ACCOUNT})
        wall_s = time.monotonic() - began
        found = json.loads(ask(facts["root"] + "/truth/lateness"))
        starts = [json.loads(line) for line in ask(facts["root"] + "/truth").splitlines()]
    span_s = (max(one["t"][-1] for one in starts) - min(one["t"][0] for one in starts)) / 1e9
    sustained = found["tokens"] / span_s
    cpu_us = (found["cpu_s"] - before) / found["tokens"] * 1e6
    print(
        f"{route}: wanted {rate:>6,} chunks/s: {sustained:>8,.0f} sustained over {span_s:.1f} s by {streams} streams; "
        f"late p50 {found['p50_ms']:.2f} ms, p99 {found['p99_ms']:.2f} ms (bound {BUDGET_LATE_MS:g} at 10,000); "
        f"{cpu_us:.1f} µs of CPU a chunk, {1e6 / cpu_us:,.0f} chunks/s a core (bound {BUDGET_RATE:,}); {wall_s:.1f} s"
    )


def main() -> None:
    """Print a line for each rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[10_000, 20_000])
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    for rate in arguments.rates:
        for route in ("chat", "invoke"):
            measure(rate, arguments.seconds, route)


if __name__ == "__main__":
    main()
