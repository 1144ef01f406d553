"""``llmdyno compare``: finished runs side by side, the first one as the measure."""

from __future__ import annotations

import argparse

from llmdyno.errors import InputError

DESCRIPTION = (
    "Set finished runs side by side: each figure, its difference from the first run's, and whether that is more than "
    "chance. A gateway's overhead, say: a run past it first, then one through it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs."""
    parser.add_argument("directories", nargs="+", metavar="DIR", help="run directories; the first is the measure")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead")


def call(arguments: argparse.Namespace) -> int:
    """Print them.

    Raises:
        InputError: fewer than two, or one that is no run directory.
    """
    if len(arguments.directories) < 2:
        raise InputError("DIR", "one run alone cannot be compared", "name two run directories or more")
    import json

    from llmdyno.reports.compare import compare, print_comparison
    from llmdyno.runs.directory import load

    runs = [load(directory) for directory in arguments.directories]
    found = compare(runs)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print_comparison(found)
    return 0
