"""Flags that every command on AWS's control plane takes, and the lines of progress that it prints.

In: parsed arguments. Out: clients, or how to ask a service. It knows no command.
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
    """Region, profile, endpoint."""
    group = parser.add_argument_group("AWS (credentials come from AWS's own chain)")
    group.add_argument("--region", metavar="NAME", help="the AWS region (default: AWS's own configuration)")
    group.add_argument("--profile", metavar="NAME", help="the AWS profile")
    group.add_argument("--endpoint-url", metavar="URL", help="one URL for all services, such as llmdyno serve prints")


@contextlib.contextmanager
def aws_of(arguments: argparse.Namespace) -> Iterator[Aws]:
    """The clients that the flags ask for, closed at the end.

    Raises:
        InputError: boto3 is missing, no region is known, or the profile does not exist.
    """
    from llmdyno.aws.clients import Aws

    aws = Aws(arguments.region, arguments.profile, endpoint_url_of(arguments))
    try:
        yield aws
    finally:
        aws.close()


def endpoint_url_of(arguments: argparse.Namespace) -> str | None:
    """The URL that the flags give for all services.

    Raises:
        InputError: it is no URL.
    """
    from llmdyno.spec.keys import read_flag
    from llmdyno.spec.readers import url

    given = arguments.endpoint_url
    return None if given is None else read_flag(url, given, "--endpoint-url")


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)
