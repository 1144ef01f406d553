"""A million calls of one day through the copies' model; beside it a bare loop over as many ends of calls.

python -m benchmarks.projection
"""

from __future__ import annotations

import heapq
import time

from llmdyno.services.bedrock_import.simulation import CopiesModel, project
from llmdyno.services.traffic import by_shape

CALLS, SERVICE_S, BUDGET_S = 1_000_000, 11.0, 10.0


def bare_s(arrivals_s: list[float]) -> float:
    """Seconds for a loop that pushes each call's end and pops those that are past, and does nothing else."""
    began = time.perf_counter()
    running: list[float] = []
    for moment_s in arrivals_s:
        while running and running[0] <= moment_s:
            heapq.heappop(running)
        heapq.heappush(running, moment_s + SERVICE_S)
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    arrivals = by_shape(CALLS / 24, "flat", 1).arrivals_s.tolist()
    floor_s = bare_s(arrivals)
    print("| copies | calls | s | × bare loop | windows | budget |")
    print("|---|---|---|---|---|---|")
    for most in (3, 10):
        began = time.perf_counter()
        found = project(arrivals, SERVICE_S, CopiesModel(16, max_copies=most))
        took_s = time.perf_counter() - began
        kept = "kept" if took_s <= BUDGET_S else "OVER"
        cells = (most, f"{CALLS:,}", f"{took_s:.1f}", f"{took_s / floor_s:.1f}", f"{found.windows:,}")
        print("| " + " | ".join(map(str, cells)) + f" | {BUDGET_S:g} s, {kept} |")


if __name__ == "__main__":
    main()
