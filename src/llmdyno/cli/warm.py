"""``llmdyno warm``: wake an imported model and say how long it took."""

from __future__ import annotations

import argparse

from llmdyno.cli import run
from llmdyno.cli.budget import agree
from llmdyno.cli.coldstart import check_wakes

DESCRIPTION = (
    "Send one request at a time until an imported model answers, and measure its cold start. Takes the flags of "
    "llmdyno run; without arguments, the embedded emulator's model is woken."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a run."""
    run.add_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Warm the model up.

    Raises:
        InputError: the input cannot be used, or the model did not come.
    """
    from llmdyno.executors.inline import Program
    from llmdyno.measure import settle

    spec = settle(run.spec_of(arguments, {"requests": 1}))
    check_wakes(spec)
    agree(spec, arguments, rounds=1)
    result = run.carry_out(spec, Program(load=False), quiet=arguments.quiet)
    return 130 if result.interrupted else 0
