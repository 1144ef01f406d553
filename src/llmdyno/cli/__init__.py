"""The command line: argv to a call, its result to print and an exit code.

Exit codes: 0 done; 1 every request failed; 2 the input cannot be used; 3 --strict, and the verdict has reasons;
130 stopped by Ctrl-C or SIGTERM, with everything measured until then written. A command's module is imported when the
command is called, and the modules that do its work later still.
"""

from __future__ import annotations

import argparse
import difflib
import keyword
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import NoReturn

from llmdyno._version import __version__
from llmdyno.errors import InputError

COMMANDS = {
    "run": "measure an endpoint and write a run directory; without arguments, the embedded emulator",
    "warm": "send one request at a time until an imported model answers, and measure its cold start",
    "coldstart": "measure a series of cold starts: wait until the model has gone idle, wake it, repeat",
    "import": "import a model folder into Amazon Bedrock",
    "models": "list, show or delete imported models",
    "check": "ask questions with known answers, alone and under load",
    "compare": "set finished runs side by side",
    "scaling": "a step of load: how long until latency is back within bounds, how copies come and go",
    "capacity": "rising numbers of users: how many one copy carries within bounds",
    "cost": "what a run on an imported model costs, and what a day of traffic would",
    "llmperf": "LLMPerf's two programs, with its flags, files and console output",
    "show": "print a finished run again, from its files alone",
    "selftest": "measure how much load this machine can drive and still measure to a millisecond",
    "serve": "serve an emulated deployment on this machine",
}


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error and the nearest flag for an unknown one."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with exit code 2."""
        _, marker, rest = message.partition("unrecognized arguments: ")
        if marker:
            unknown = rest.split()[0]
            flags = list(_flags(self))
            close = difflib.get_close_matches(unknown.partition("=")[0], flags, n=1)
            hint = f"did you mean {close[0]}?" if close else f"see {self.prog} --help"
            message = f"{unknown}: there is no such {'flag' if unknown.startswith('-') else 'argument'}; {hint}"
        print(f"llmdyno: {message}", file=sys.stderr)
        raise SystemExit(2)


def _flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A parser's flags, and those of its subcommands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _flags(below)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except InputError as error:
        print(f"llmdyno: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # the reader of our output left, as `head` does
            return 0
        print(f"llmdyno: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        if error.filename is not None:
            print(f"llmdyno: what was measured until then: llmdyno show {error.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("llmdyno: stopped", file=sys.stderr)
        return 130


def _joined(arguments: list[str]) -> list[str]:
    """``--arrivals replay FILE`` has one value, of two words."""
    for index in range(len(arguments) - 2):
        if arguments[index : index + 2] == ["--arrivals", "replay"]:
            return [*arguments[: index + 1], f"replay {arguments[index + 2]}", *arguments[index + 3 :]]
    return arguments


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0]
        module = import_module(f"llmdyno.cli.{name}{'_' * keyword.iskeyword(name)}")
        parser = Parser(prog=f"llmdyno {name}", description=module.DESCRIPTION, allow_abbrev=False)
        module.add_arguments(parser)
        return int(module.call(parser.parse_args(_joined(arguments[1:]))))
    commands = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog="llmdyno",
        usage="llmdyno COMMAND [ARGUMENTS]",
        description="A dynamometer for LLM endpoints.",
        epilog=f"commands:\n{commands}\n\nllmdyno COMMAND --help tells a command's arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"llmdyno {__version__}")
    if arguments and not arguments[0].startswith("-"):
        close = difflib.get_close_matches(arguments[0], COMMANDS, n=1)
        fits = f"did you mean {close[0]}?" if close else "commands: " + ", ".join(COMMANDS)
        raise InputError(arguments[0], "there is no such command", fits)
    parser.parse_args(arguments)
    parser.print_help()
    return 0
