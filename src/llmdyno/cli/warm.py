"""``llmdyno warm``: wake an imported model and say how long it took."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Send one request at a time until an imported model answers, and measure its cold start. Takes the flags of "
    "llmdyno run; without arguments, the embedded emulator's model is woken."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run."""
    drive.add_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Carry it out; returns the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.warm import WARM_UP

    return drive.call(arguments, WARM_UP)
