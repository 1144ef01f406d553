"""``llmdyno capacity``: rising numbers of users, and how many one copy carries within bounds."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Rising numbers of users, one after the other in one run: the number at which time to first token or the gaps "
    "leave their bounds (--slo), or calls are refused, and how sure that is. Takes the flags of llmdyno run but "
    "those of its load."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run, and this command's own."""
    from llmdyno.experiments.capacity import CAPACITY

    drive.add_arguments(parser, CAPACITY)


def call(arguments: argparse.Namespace) -> int:
    """Carry it out; returns the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.capacity import CAPACITY

    return drive.call(arguments, CAPACITY)
