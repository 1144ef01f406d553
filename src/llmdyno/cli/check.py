"""``llmdyno check``: ask questions with known answers, alone and under load."""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Ask questions with known answers at temperature 0: numbers in words, a line to repeat, a JSON object, an answer "
    "that must end at max_tokens. Each question is asked alone first and then under load, and both answers are "
    "compared. It takes the flags of llmdyno run; the default endpoint is the embedded emulator. The exit code is 1 if "
    "an answer is wrong."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run, and this command's own."""
    from llmdyno.experiments.check import CHECK

    drive.add_arguments(parser, CHECK)


def call(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.check import CHECK

    return drive.call(arguments, CHECK)
