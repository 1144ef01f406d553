"""``llmdyno models``: imported models, listed, shown, deleted."""

from __future__ import annotations

import argparse
import sys

from llmdyno.cli.aws_flags import add_aws_arguments, aws_of

DESCRIPTION = "List imported models; show one; delete one (asks first, or --yes)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which."""
    parser.add_argument("action", nargs="?", default="list", choices=["list", "show", "delete"])
    parser.add_argument("model", nargs="?", metavar="NAME", help="a model's name or ARN, for show and delete")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    add_aws_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Do it.

    Raises:
        InputError: the service refuses, or the name is missing.
    """
    from llmdyno.errors import InputError

    if arguments.action != "list" and arguments.model is None:
        raise InputError("NAME", f"not given, and {arguments.action} needs it", "llmdyno models lists the names")
    from llmdyno.services.bedrock_import.models import delete, describe, list_models, units_text

    with aws_of(arguments) as aws:
        if arguments.action == "list":
            models = list_models(aws)
            for model in models:
                converse = "converse" if model.get("instructSupported") else "invoke only"
                created = f"{model['creationTime']:%Y-%m-%d %H:%M}"
                facts = (model["modelName"], model.get("modelArchitecture", "?"), converse, created, model["modelArn"])
                print("  ".join(facts))
            if not models:
                print(f"no imported models in {aws.region}", file=sys.stderr)
            return 0
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


def _agreed(name: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"Delete the imported model {name}? It cannot be undone. Type its name: ").strip() == name
