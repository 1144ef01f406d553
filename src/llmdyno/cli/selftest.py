"""``llmdyno selftest``: find the load that this machine can drive and still measure to a millisecond."""

from __future__ import annotations

import argparse

DESCRIPTION = (
    "Find the load that this machine can drive and still measure to a millisecond. It raises the streams and the rate "
    "against a null server, and compares the figures with that server's record. llmdyno run warns of a load beyond the "
    "result. It takes a minute."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flag."""
    parser.add_argument("--quick", action="store_true", help="do only a few steps, and do not keep the result")


def call(arguments: argparse.Namespace) -> int:
    """Measure, show each step when it is done, and return the exit code."""
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
