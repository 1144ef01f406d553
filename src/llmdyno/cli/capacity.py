"""``llmdyno capacity``: find how many users one copy serves within bounds."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Find how many users one copy serves. One run tries rising numbers of users, until latency is beyond its bounds "
    "(--slo) or calls are refused. The report also says how sure the result is. It takes the flags of llmdyno run, "
    "except those of the load."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run, and this command's own."""
    from llmdyno.experiments.capacity import CAPACITY

    drive.add_arguments(parser, CAPACITY)


def call(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.capacity import CAPACITY

    return drive.call(arguments, CAPACITY)
