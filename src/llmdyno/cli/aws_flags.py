"""Flags that every command on AWS's control plane takes."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmdyno.aws.clients import Aws


def add_aws_arguments(parser: argparse.ArgumentParser) -> None:
    """Region, profile, endpoint."""
    group = parser.add_argument_group("AWS (credentials come from AWS's own chain)")
    group.add_argument("--region", metavar="NAME", help="the AWS region (default: AWS's own configuration)")
    group.add_argument("--profile", metavar="NAME", help="the AWS profile")
    group.add_argument("--endpoint-url", metavar="URL", help="one URL for all services, as llmdyno serve has")


@contextlib.contextmanager
def aws_of(arguments: argparse.Namespace) -> Iterator[Aws]:
    """The clients that the flags ask for, closed behind.

    Raises:
        InputError: boto3 is missing, or the region, or the profile.
    """
    from llmdyno.aws.clients import Aws
    from llmdyno.spec.keys import read_value

    if arguments.endpoint_url is not None:
        arguments.endpoint_url = read_value("endpoint_url", arguments.endpoint_url, "--endpoint-url")
    aws = Aws(arguments.region, arguments.profile, arguments.endpoint_url)
    try:
        yield aws
    finally:
        aws.close()
