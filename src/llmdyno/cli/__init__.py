"""The command line: it finds the command, calls it, and turns errors into one line and an exit code.

Exit codes: 0 done; 1 every request failed, an answer is wrong, or a file cannot be written; 2 the input cannot be used;
3 ``--strict``, and the verdict has a reason for doubt; 130 stopped by Ctrl-C, SIGTERM or SIGHUP, after everything that
was measured was written. The module of a command is imported when the command is called. It imports the modules that do
the work even later.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import io
import keyword
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, TextIO

from llmdyno._version import __version__
from llmdyno.cli.masked import masked_output, shown
from llmdyno.cli.parser import Parser
from llmdyno.errors import InputError, Unwritten, one_line
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import argument_secrets, environ_secrets, without_shapes

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
_OF_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)
"""What the system says if our output cannot be written: the file that it goes to is full, the terminal is gone."""
_NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_closed_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every character of a name
    with masked_output(Masker((*argument_secrets(arguments), *environ_secrets(os.environ)))):
        return _main(arguments)


def _main(arguments: list[str]) -> int:
    try:
        try:
            return _dispatch(arguments)
        finally:
            sys.stdout.flush()  # here, where an error can still be told
    except InputError as error:
        _complain(without_shapes(str(error)))
        return 2
    except BrokenPipeError:  # the reader of our output has closed it, such as `head`
        _drop(sys.stdout)
        return 0
    except OSError as error:
        if error.errno in _NO_PATH:
            bad = InputError(str(error.filename), f"no file can have this path ({error.strerror})", "name another")
            _complain(without_shapes(str(bad)))
            return 2
        return _failed(error)
    except MemoryError:
        short = InputError(
            "memory", "this machine has too little for that input", "use shorter prompts, or fewer users"
        )
        _complain(str(short))
        return 2
    except KeyboardInterrupt:
        _complain("stopped")
        return 130
    except Exception:  # a fault of ours: Python would print it outside of the mask
        traceback.print_exc()
        return 1


def _failed(error: OSError) -> int:
    """Say what the system could not do, and return the exit code."""
    if error.filename is None and error.errno in _OF_OUTPUT:
        _drop(sys.stdout)
        _complain(f"standard output: cannot be written ({error.strerror})")
    elif isinstance(error, Unwritten):
        _complain(str(error))
    else:
        _complain(f"{error.filename or 'system'}: {error.strerror or error}")
    return 1


def _complain(text: str) -> None:
    """Print one line on standard error, if anybody can read it."""
    try:
        print(f"llmdyno: {text}", file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Throw away what a stream still holds. Otherwise Python fails again when it flushes the stream at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Open a standard stream that the caller closed. The next file would get its number, and its output too."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


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
        raise InputError(shown(arguments[0]), "there is no such command", fits)
    parser.parse_args(arguments)
    parser.print_help()
    return 0
