"""``llmdyno run``: flags and a TOML file to a spec, a spec to a run, a run to a printed summary."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Measure an endpoint. Without arguments, a short run against the embedded emulator. What a spec file says, "
    "flags override."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run."""
    drive.add_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Carry it out; returns the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.load import LOAD

    return drive.call(arguments, LOAD)
