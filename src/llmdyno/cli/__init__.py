"""The command line: it finds the command, calls it, and turns errors into one line and an exit code.

Exit codes: 0 done; 1 every request failed, or an answer is wrong; 2 the input cannot be used; 3 ``--strict``, and the
verdict has a reason for doubt; 130 stopped by Ctrl-C or SIGTERM, after everything that was measured was written. The
module of a command is imported when the command is called. It imports the modules that do the work even later.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import keyword
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from llmdyno._version import __version__
from llmdyno.cli.parser import Parser
from llmdyno.errors import InputError, one_line

COMMANDS = {
    "run": "measure an endpoint (default: the embedded emulator)",
    "warm": "wake an imported model and measure its cold start",
    "coldstart": "measure a series of cold starts",
    "import": "import a model folder into Amazon Bedrock",
    "models": "list, show or delete imported models",
    "check": "ask questions with known answers, alone and under load",
    "compare": "compare finished runs",
    "scaling": "measure how a deployment reacts to a step of load",
    "capacity": "find how many users one copy serves within bounds",
    "cost": "show what a run cost, and what a day of traffic would cost",
    "llmperf": "run LLMPerf's two programs, with the same flags and files",
    "show": "print a finished run again, from its files",
    "selftest": "find the load that this machine can measure precisely",
    "serve": "serve an emulated deployment on this machine",
}
_NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every character of a name
    try:
        return _dispatch(arguments)
    except InputError as error:
        print(f"llmdyno: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # the reader of our output has closed it, such as `head`
            return 0
        if error.errno in _NO_PATH:
            bad = InputError(str(error.filename), f"no file can have this path ({error.strerror})", "name another")
            print(f"llmdyno: {bad}", file=sys.stderr)
            return 2
        print(f"llmdyno: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        if error.filename is not None:
            print(f"llmdyno: to see what was measured: llmdyno show {error.filename}", file=sys.stderr)
        return 1
    except MemoryError:
        short = InputError(
            "memory", "this machine has too little for that input", "use shorter prompts, or fewer users"
        )
        print(f"llmdyno: {short}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("llmdyno: stopped", file=sys.stderr)
        return 130


def _joined(arguments: list[str]) -> list[str]:
    """Join the two words of ``--arrivals replay FILE`` into one value."""
    for index in range(len(arguments) - 2):
        if arguments[index : index + 2] == ["--arrivals", "replay"]:
            return [*arguments[: index + 1], f"replay {arguments[index + 2]}", *arguments[index + 3 :]]
    return arguments


def command_module(name: str) -> Any:
    """The module of a command: `DESCRIPTION`, `add_arguments`, `call`."""
    return import_module(f"llmdyno.cli.{name}{'_' * keyword.iskeyword(name)}")


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0]
        module = command_module(name)
        parser = Parser(prog=f"llmdyno {name}", description=module.DESCRIPTION, allow_abbrev=False)
        module.add_arguments(parser)
        return int(module.call(parser.parse_args(_joined(arguments[1:]))))
    commands = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog="llmdyno",
        usage="llmdyno COMMAND [ARGUMENTS]",
        description="A dynamometer for LLM endpoints.",
        epilog=f"commands:\n{commands}\n\nllmdyno COMMAND --help shows the arguments of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"llmdyno {__version__}")
    if arguments and not arguments[0].startswith("-"):
        close = difflib.get_close_matches(one_line(arguments[0], 100), COMMANDS, n=1)
        fits = f"did you mean {close[0]}?" if close else "commands: " + ", ".join(COMMANDS)
        raise InputError(arguments[0], "there is no such command", fits)
    parser.parse_args(arguments)
    parser.print_help()
    return 0
