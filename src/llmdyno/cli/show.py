"""``llmdyno show DIR``: a finished run, printed again from its files alone."""

from __future__ import annotations

import argparse

DESCRIPTION = "Print a finished run again, from its files alone. A run that was killed is read from its journal."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The directory."""
    parser.add_argument("directory", metavar="DIR", help="a run directory")


def call(arguments: argparse.Namespace) -> int:
    """Print it.

    Raises:
        InputError: it is no run directory.
    """
    from rich.console import Console

    from llmdyno.report.console import print_summary
    from llmdyno.results.directory import load

    print_summary(load(arguments.directory), Console(highlight=False))
    return 0
