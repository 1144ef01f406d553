"""``llmdyno compare``: compare finished runs with the first one."""

from __future__ import annotations

import argparse

from llmdyno.errors import InputError

DESCRIPTION = (
    "Compare finished runs: each figure, its difference from the first run, and whether that may be chance. "
    "To find the overhead of a gateway, first name a run without the gateway, then a run through it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run directories and the format."""
    parser.add_argument(
        "directories", nargs="+", metavar="RUN", help="run directories; each is compared with the first"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Compare the runs and return the exit code.

    Raises:
        InputError: there are fewer than two runs, or a path is not a run directory.
    """
    if len(arguments.directories) < 2:
        raise InputError("RUN", "there is only one run", "name two or more run directories")
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
