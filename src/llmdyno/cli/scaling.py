"""``llmdyno scaling``: a step of load, and how the deployment answers it."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "A step of load: users from few to many, held, and back. How long until latency is back within bounds, what was "
    "refused meanwhile, how copies came and went. Takes the flags of llmdyno run but those of its load; bounds are "
    "--slo, or what was usual before the step."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run, and this command's own."""
    from llmdyno.experiments.scaling import SCALING

    drive.add_arguments(parser, SCALING)


def call(arguments: argparse.Namespace) -> int:
    """Carry it out; returns the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.scaling import SCALING

    return drive.call(arguments, SCALING)
