"""``llmdyno selftest``: how much load this machine can drive and still measure to a millisecond."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmdyno.experiments.selftest import Step

DESCRIPTION = (
    "Measure this machine: rising streams and rates against a null server in a process of its own, and how far off "
    "each figure is from that server's record. The result is kept, and llmdyno run warns of a load beyond it. A minute."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No more than whether to go on to the end."""
    parser.add_argument("--quick", action="store_true", help="a few steps only")


def call(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    from llmdyno.experiments.selftest import RATES, STREAMS, remember, selftest

    heads = (
        ("reached", 10),
        ("chunks/s", 10),
        ("TTFT error", 12),
        ("gap error", 11),
        ("send late", 11),
        ("read lag", 10),
    )
    print(" " * 18 + "".join(f"{head:>{width}}" for head, width in heads) + f"{'CPU':>6}")
    print(" " * 38 + "".join(f"{'p99, ms':>{width}}" for _, width in heads[2:]))
    streams, rates = (STREAMS[:5:2], RATES[:3]) if arguments.quick else (STREAMS, RATES)
    found = selftest(_print, streams, rates)
    print(
        f"\nWithin 1 ms on this machine: {found['streams']} streams, {found['chunks_per_s']:,.0f} chunks/s, "
        f"{found['rate']:g} requests/s"
    )
    if not arguments.quick:  # what was not tried is not beyond the range
        print(f"Kept in {remember(found)}")
    return 0


def _print(step: Step) -> None:
    what = f"{step.asked:g} streams" if step.kind == "streams" else f"{step.asked:g} requests/s"
    cells = (step.ttft_error_p99_s, step.gap_error_p99_s, step.send_lateness_p99_s, step.read_lag_p99_s)
    ttft, gap, late, lag = (f"{1e3 * value:.2f}" if value is not None else "–" for value in cells)
    line = f"{what:>18}{step.reached:>10,.0f}{step.chunks_per_s:>10,.0f}{ttft:>12}{gap:>11}{late:>11}{lag:>10}"
    print(line + f"{100 * step.cpu_share:>5.0f}%" + (f"  beyond: {step.beyond}" if step.beyond else ""), flush=True)
