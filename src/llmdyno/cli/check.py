"""``llmdyno check``: does the deployment answer right, alone and under load?"""

from __future__ import annotations

import argparse

from llmdyno.cli import drive

DESCRIPTION = (
    "Ask questions whose right answers are known, each alone and again under load at temperature 0: numbers in "
    "words, a line to repeat, a JSON object, an answer that must end at max_tokens; and whether both answers are "
    "the same. Takes the flags of llmdyno run; without arguments, the embedded emulator is asked. Exit code 1 where "
    "one is wrong."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run, and this command's own."""
    from llmdyno.experiments.check import CHECK

    drive.add_arguments(parser, CHECK)


def call(arguments: argparse.Namespace) -> int:
    """Carry it out; returns the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    from llmdyno.experiments.check import CHECK

    return drive.call(arguments, CHECK)
