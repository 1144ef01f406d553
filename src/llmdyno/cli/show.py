"""``llmdyno show DIR``: a finished run, printed again from its files alone."""

from __future__ import annotations

import argparse

DESCRIPTION = (
    "Print a finished run again, from its files alone, with what later commands found of it (scaling, capacity, cost). "
    "A run that was killed is read from its journal."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The directory."""
    parser.add_argument("directory", metavar="DIR", help="a run directory")


def call(arguments: argparse.Namespace) -> int:
    """Print it.

    Raises:
        InputError: it is no run directory.
    """
    from pathlib import Path

    from rich.console import Console

    from llmdyno.reports.console import print_summary
    from llmdyno.reports.cost import print_cost
    from llmdyno.reports.scaling import print_capacity, print_scaling
    from llmdyno.runs.directory import load, load_json

    console, path = Console(highlight=False), Path(arguments.directory)
    print_summary(load(path), console)
    for name, show in (("scaling", print_scaling), ("capacity", print_capacity)):
        if (found := load_json(path, f"{name}.json")) is not None:
            show(found, console)
    if (found := load_json(path, "cost.json")) is not None:
        print_cost(found, path, console)
    return 0
