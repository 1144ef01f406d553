"""``llmdyno coldstart``: measure a series of cold starts."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Measure a series of cold starts: wake the model, wait until it has scaled to zero, wake it again. A round that "
    "finds the model awake does not count. If the series is stopped, the measured rounds are kept. It takes the flags "
    "of llmdyno run."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run, and this command's own."""
    from llmdyno.experiments.coldstart import COLDSTART

    drive.add_arguments(parser, COLDSTART)


def call(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.coldstart import COLDSTART

    return drive.call(arguments, COLDSTART)
