"""``llmdyno compare``: finished runs side by side, each against the first."""

from __future__ import annotations

import argparse

from llmdyno.errors import InputError

DESCRIPTION = (
    "Compare finished runs: each figure, its difference from the first run's, and whether it may be chance. "
    "To find a gateway's overhead, name a run past the gateway first and a run through it second."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs."""
    parser.add_argument(
        "directories", nargs="+", metavar="RUN", help="run directories; the others are compared with the first"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Compare them.

    Raises:
        InputError: there are fewer than two, or one is not a run directory.
    """
    if len(arguments.directories) < 2:
        raise InputError("RUN", "one run cannot be compared", "name two run directories or more")
    import json

    from llmdyno.reports.compare import compare, show
    from llmdyno.reports.console import Page
    from llmdyno.runs.directory import load

    runs = [load(directory) for directory in arguments.directories]
    found = compare(runs)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        show(found, Page())
    return 0
