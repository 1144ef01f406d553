"""The flags of every command that asks AWS's control plane, and the lines of progress that it prints.

In: parsed arguments. Out: AWS clients. It does not know any command.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmdyno.aws.clients import Aws


def add_aws_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the region, the profile and the endpoint URL."""
    group = parser.add_argument_group("AWS (credentials come from AWS's own chain)")
    group.add_argument("--region", metavar="NAME", help="use this AWS region (default: AWS's own configuration)")
    group.add_argument("--profile", metavar="NAME", help="use this AWS profile")
    group.add_argument("--endpoint-url", metavar="URL", help="use this URL for all services, such as llmdyno serve's")


@contextlib.contextmanager
def aws_of(arguments: argparse.Namespace) -> Iterator[Aws]:
    """The AWS clients for the flags. They are closed when the context ends.

    Raises:
        InputError: a flag does not fit, boto3 is missing, no region is known, or the profile does not exist.
    """
    from llmdyno.aws.clients import Aws

    aws = Aws(_text(arguments, "region"), _text(arguments, "profile"), endpoint_url_of(arguments))
    try:
        yield aws
    finally:
        aws.close()


def _text(arguments: argparse.Namespace, name: str) -> str | None:
    from llmdyno.spec.keys import read_flag
    from llmdyno.spec.readers import text

    given = getattr(arguments, name)
    return None if given is None else read_flag(text, given, f"--{name}")


def endpoint_url_of(arguments: argparse.Namespace) -> str | None:
    """The URL of ``--endpoint-url``; None: the user did not give it.

    Raises:
        InputError: it is not a URL.
    """
    from llmdyno.spec.keys import read_flag
    from llmdyno.spec.readers import url

    given = arguments.endpoint_url
    return None if given is None else read_flag(url, given, "--endpoint-url")


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)
