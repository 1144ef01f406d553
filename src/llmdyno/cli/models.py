"""``llmdyno models``: list, show or delete imported models."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from llmdyno.cli.aws_flags import add_aws_arguments, aws_of, say

if TYPE_CHECKING:
    from llmdyno.aws.clients import Aws

DESCRIPTION = "List imported models and the account's quotas, show one model, or delete one. It asks before it deletes."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action and the model."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=["list", "show", "delete"], help="what to do (default: list)"
    )
    parser.add_argument("model", nargs="?", metavar="NAME", help="the name or the ARN of the model to show or delete")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    add_aws_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """List, show or delete models, and return the exit code.

    Raises:
        InputError: the service refuses, or the name is missing.
    """
    from llmdyno.errors import InputError

    if arguments.action != "list" and arguments.model is None:
        raise InputError("NAME", f"not given, and {arguments.action} needs it", "llmdyno models shows the names")
    from llmdyno.spec.keys import read_flag
    from llmdyno.spec.readers import text

    if arguments.model is not None:
        read_flag(text, arguments.model, "NAME")
    from llmdyno.services.bedrock_import.models import delete, describe, units_text

    with aws_of(arguments) as aws:
        if arguments.action == "list":
            return _list(aws)
        found = describe(aws, arguments.model)
        if arguments.action == "show":
            for name, value in found.items():
                print(f"{name:<20} {units_text(found) if name == 'customModelUnits' else value}")
            return 0
        if not arguments.yes and not _agreed(found["modelName"]):
            print("nothing was deleted", file=sys.stderr)
            return 1
        delete(aws, found["modelArn"])
        print(f"deleted {found['modelArn']}")
        return 0


def _list(aws: Aws) -> int:
    from llmdyno.services.bedrock_import.models import list_models
    from llmdyno.services.bedrock_import.quotas import read_quotas

    models = list_models(aws)
    for model in models:
        converse = "converse" if model.get("instructSupported") else "invoke only"
        created = f"{model['creationTime']:%Y-%m-%d %H:%M}"
        architecture = model.get("modelArchitecture", "?")
        print("  ".join((model["modelName"], architecture, converse, created, model["modelArn"])))
    if not models:
        print(f"no imported models in {aws.region}", file=sys.stderr)
    say(read_quotas(aws).text(len(models)))
    return 0


def _agreed(name: str) -> bool:
    """Ask for the model's name. Returns False if the user types another text, or if there is no terminal."""
    if not sys.stdin.isatty():
        return False
    return input(f"Delete the imported model {name}? This cannot be undone. Type its name: ").strip() == name
