"""``llmdyno coldstart``: a series of cold starts, with what it will take said beforehand."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Measure a series of cold starts: wake the model, wait until it has gone idle, wake it again. A round that "
    "finds it awake does not count. What was measured is kept when the series is stopped. Takes the flags of "
    "llmdyno run."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run, and this command's own."""
    from llmdyno.experiments.coldstart import COLDSTART

    drive.add_arguments(parser, COLDSTART)


def call(arguments: argparse.Namespace) -> int:
    """Carry it out; returns the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.coldstart import COLDSTART

    return drive.call(arguments, COLDSTART)
