"""How long the model of the copies takes for a day with a million calls, compared with a bare loop over the calls.

python -m benchmarks.projection [--calls 1000000]
"""

from __future__ import annotations

import argparse
import heapq
import time

from llmdyno.services.bedrock_import.simulation import CopiesModel, project
from llmdyno.services.traffic import by_shape

CALLS, SERVICE_S, BUDGET_S = 1_000_000, 11.0, 10.0


def bare_s(arrivals_s: list[float]) -> float:
    """Seconds for a loop that pushes the end of each call, pops the ends that are past, and does nothing else."""
    began = time.perf_counter()
    running: list[float] = []
    for time_s in arrivals_s:
        while running and running[0] <= time_s:
            heapq.heappop(running)
        heapq.heappush(running, time_s + SERVICE_S)
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=CALLS)
    calls = parser.parse_args().calls
    arrivals = by_shape(calls / 24, "flat", 1).arrivals_s.tolist()
    floor_s = bare_s(arrivals)
    print("| copies | calls | s | × bare loop | windows | budget |")
    print("|---|---|---|---|---|---|")
    for most in (3, 10):
        began = time.perf_counter()
        found = project(arrivals, SERVICE_S, CopiesModel(16, max_copies=most))
        took_s = time.perf_counter() - began
        kept = "kept" if took_s <= BUDGET_S else "OVER"
        cells = (most, f"{calls:,}", f"{took_s:.1f}", f"{took_s / floor_s:.1f}", f"{found.windows:,}")
        print("| " + " | ".join(map(str, cells)) + f" | {BUDGET_S:g} s, {kept} |")


if __name__ == "__main__":
    main()
