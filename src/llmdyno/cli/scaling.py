"""``llmdyno scaling``: measure how a deployment reacts to a step of load."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Measure how a deployment reacts to a step of load: few users, then many, then few again. The report says when "
    "latency is back within bounds, what was refused until then, and how copies came and went. The bounds are --slo, "
    "or follow from the latency before the step. It takes the flags of llmdyno run, except those of the load."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run, and this command's own."""
    from llmdyno.experiments.scaling import SCALING

    drive.add_arguments(parser, SCALING)


def call(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.scaling import SCALING

    return drive.call(arguments, SCALING)
