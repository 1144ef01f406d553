"""The parser of flags: argparse, with errors that say which flag, what is wrong and what fits.

In: a command line. Out: parsed arguments, or one line on standard error and exit code 2. It knows no command. It never
prints the value of a flag that it does not know, because that may be a key.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from typing import NoReturn

from llmdyno.errors import InputError, one_line
from llmdyno.spec.secrets import without_shapes

_ABOUT = re.compile(r"argument (?P<name>.+?): (?P<problem>(?:expected|ignored|invalid|not allowed).*)", re.DOTALL)
_ONE_OF = re.compile(r"one of the arguments (?P<names>.+) is required", re.DOTALL)
_REQUIRED = "the following arguments are required: "
_UNKNOWN = "unrecognized arguments: "
_LONGEST_FLAG = 100
"""A longer word is near no flag."""


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line. For an unknown flag, the error names the nearest flag."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with code 2."""
        print(f"llmdyno: {without_shapes(str(_explained(self, message)))}", file=sys.stderr)
        raise SystemExit(2)


def _explained(parser: argparse.ArgumentParser, message: str) -> InputError:
    """argparse's message as an error of ours."""
    if message.startswith(_UNKNOWN):
        return _unknown(parser, message.removeprefix(_UNKNOWN))
    if message.startswith(_REQUIRED):
        missing = message.removeprefix(_REQUIRED).split(", ")[0]
        return InputError(missing, "not given", f"give {_usage(parser, missing)}")
    if found := _ONE_OF.fullmatch(message):
        names = " or ".join(found["names"].split())
        return InputError(names, "not given", "give one")
    if found := _ABOUT.fullmatch(message):
        return _about(parser, found["name"], found["problem"])
    return InputError(parser.prog, one_line(message), f"see {parser.prog} --help")


def _about(parser: argparse.ArgumentParser, name: str, problem: str) -> InputError:
    """What is wrong with an argument that there is."""
    if problem.startswith("expected"):
        flag = name.partition("/")[0]
        dash = f"; a value that begins with - follows an =, as in {flag}=-1" if flag.startswith("-") else ""
        return InputError(name, "has no value", f"what fits: {_usage(parser, name)}{dash}")
    if problem.startswith("ignored"):
        return InputError(name, "takes no value", f"what fits: {name.replace('/', ' or ')} alone")
    if problem.startswith("not allowed"):
        other = problem.rpartition("argument ")[2]
        return InputError(f"{name} and {other}", "one excludes the other", "give one")
    given = one_line(re.sub(r" \(choose from.*", "", problem, flags=re.DOTALL).partition("invalid choice: ")[2], 200)
    action = _named(parser, name)
    choices = ", ".join(map(str, action.choices)) if action is not None and action.choices else ""
    return InputError(name, f"{given or 'the value'} does not fit", f"what fits: {choices or _usage(parser, name)}")


def _unknown(parser: argparse.ArgumentParser, rest: str) -> InputError:
    """A flag or an argument that there is not. What follows its `=` is not shown."""
    unknown = (rest.split() or [""])[0].partition("=")[0]
    if not unknown.startswith("-"):
        return InputError(unknown or "''", "there is no such argument", f"see {parser.prog} --help")
    known = list(_flags(parser)) if len(unknown) <= _LONGEST_FLAG else []
    close = difflib.get_close_matches(unknown, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"see {parser.prog} --help"
    return InputError(unknown, "there is no such flag", hint)


def _usage(parser: argparse.ArgumentParser, name: str) -> str:
    """An argument with its value and its help: ``--model NAME (ask for this model)``."""
    action = _named(parser, name)
    if action is None:
        return name
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    shown = f"{name.partition('/')[0]} {value}" if action.option_strings else name
    about = (action.help or "").partition(";")[0].partition(" (default")[0].replace("%%", "%")
    return f"{shown} ({about})" if about else shown


def _named(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    """The argument that argparse's message calls by this name."""
    for action in parser._actions:
        if name in ("/".join(action.option_strings), action.metavar, action.dest):
            return action
    return None


def _flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The flags of a parser and of its subcommands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _flags(below)
