"""``llmdyno warm``: wake an imported model and measure its cold start."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Send one request at a time until an imported model answers, and measure its cold start. It takes the flags of "
    "llmdyno run. The default endpoint is the embedded emulator."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run."""
    drive.add_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.warm import WARM_UP

    return drive.call(arguments, WARM_UP)
