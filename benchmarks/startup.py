"""How long until `llmdyno` responds, and until its first request reaches the server?

    python -m benchmarks.startup [--truth-server BINARY] [--times 9]

It prints medians, and the start of a bare interpreter in the same run. The time of the first request is the server's
record of its arrival.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.truth import TruthServer


def spawn_s(command: list[str]) -> float:
    """How long a command takes, in seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def first_request_s(server: TruthServer, out: Path) -> float:
    """The time from the start of the process to the arrival of its first request, in seconds."""
    server.reset()
    command = [sys.executable, "-m", "llmdyno", "run", "--quiet", "--base-url", server.url, "--model", server.model]
    command += ["--requests", "100", "--concurrency", "50", "--output-tokens", "2", "--ignore-eos", "--out", str(out)]
    began_ns = time.monotonic_ns()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (min(request.arrive_ns for request in server.truth().values()) - began_ns) / 1e9


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth-server", default=os.environ.get("LLMDYNO_TRUTH_SERVER"))
    parser.add_argument("--times", type=int, default=9)
    arguments = parser.parse_args()
    python = [sys.executable]
    llmdyno = [str(Path(sys.executable).with_name("llmdyno"))]
    bare_s = statistics.median(spawn_s([*python, "-c", "pass"]) for _ in range(arguments.times))
    rows: list[tuple[str, float, float | None]] = [("python -c pass", bare_s, None)]
    for flags, budget_s in ((["--version"], 0.3), (["--help"], 0.3), (["run", "--help"], 0.3)):
        median_s = statistics.median(spawn_s([*llmdyno, *flags]) for _ in range(arguments.times))
        rows.append((f"llmdyno {' '.join(flags)}", median_s, budget_s))
    with TruthServer(arguments.truth_server) as server, tempfile.TemporaryDirectory() as folder:
        times = [first_request_s(server, Path(folder) / str(number)) for number in range(arguments.times)]
        rows.append(("llmdyno run: first request", statistics.median(times), 0.8))
    for name, median_s, budget in rows:
        note = "" if budget is None else f"  {median_s / bare_s:5.1f} × a bare interpreter; budget {budget:g} s"
        print(f"{name:<28} {median_s:6.3f} s{note}")


if __name__ == "__main__":
    main()
