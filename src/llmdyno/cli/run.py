"""``llmdyno run``: measure an endpoint and print a summary."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Measure an endpoint, and write a run directory. Without arguments, it measures the embedded emulator for a short "
    "time. A flag overrides the spec file."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run."""
    drive.add_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.load import LOAD

    return drive.call(arguments, LOAD)
