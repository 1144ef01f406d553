"""``llmdyno selftest``: how much load this machine can drive and still measure to a millisecond."""

from __future__ import annotations

import argparse

DESCRIPTION = (
    "Measure this machine: rising numbers of streams and rates against a null server in a process of its own, and the "
    "error of each figure against that server's record. The result is kept, and llmdyno run warns of a load beyond it. "
    "Takes a minute."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How far to go."""
    parser.add_argument("--quick", action="store_true", help="take a few steps only, and keep nothing")


def call(arguments: argparse.Namespace) -> int:
    """Measure, and show each step as it ends."""
    from dataclasses import asdict

    from llmdyno.experiments.selftest import RATES, STREAMS, remember, selftest
    from llmdyno.measure import run
    from llmdyno.reports.console import Page
    from llmdyno.reports.selftest import show_head, show_result, show_step

    page = Page()
    show_head(page)
    streams, rates = (STREAMS[:5:2], RATES[:3]) if arguments.quick else (STREAMS, RATES)
    found = selftest(run, lambda step: show_step(asdict(step), page), streams, rates)
    # A quick test did not try the larger loads. Its result must not mark them as beyond this machine.
    show_result(found, page, None if arguments.quick else remember(found))
    return 0
