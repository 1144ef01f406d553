"""Before a load costs anything on AWS: what it may cost at most, and the user's word where that is beyond the
budget."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmdyno.errors import InputError
from llmdyno.host.loopback import loopback
from llmdyno.spec.spec import Spec

if TYPE_CHECKING:
    from llmdyno.services.service import CostBound

DEFAULT_BUDGET = "5"


def add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    """The budget."""
    group = parser.add_argument_group("budget (loads on Amazon Bedrock)")
    group.add_argument(
        "--budget",
        default=DEFAULT_BUDGET,
        metavar="DOLLARS",
        help=f"ask before a load that may cost more than this (default: {DEFAULT_BUDGET})",
    )
    group.add_argument("--yes", action="store_true", help="do not ask")


def agree(spec: Spec, arguments: argparse.Namespace, *, rounds: int | None = None) -> None:
    """Say what a load on AWS may cost at most, and ask where that is beyond the budget; elsewhere do nothing, but for a
    series of cold starts, of which is said what it would cost there.

    Args:
        spec: the load, settled or not.
        arguments: with `budget`, `yes` and `quiet`.
        rounds: cold starts to measure instead of the load.

    Raises:
        InputError: the user does not agree, or cannot be asked.
    """
    from llmdyno.cli.cost import money

    budget = money(arguments.budget, "--budget", "dollars, such as 5")
    local = not on_aws(spec)
    if local and (rounds is None or spec.api != "bedrock"):
        return
    from llmdyno.services.service import find

    assert spec.model is not None
    found = find("bedrock_import").bound(spec, spec.model, rounds=rounds)
    if local:
        if not arguments.quiet and found.dollars is not None:
            print(
                f"Amazon Bedrock would bill at most ${found.dollars:,.2f}: {found.basis}", file=sys.stderr, flush=True
            )
        return
    decide(found, budget, yes=arguments.yes, quiet=arguments.quiet, ask=_ask if sys.stdin.isatty() else None)


def decide(found: CostBound, budget: Decimal, *, yes: bool, quiet: bool, ask: Callable[[str], bool] | None) -> None:
    """Say it, and ask where it must be asked.

    Args:
        found: the most that the load costs.
        budget: dollars that need no word.
        yes: whether the user gave it beforehand.
        quiet: say nothing that needs no answer.
        ask: asks a question; None: nobody is there to ask.

    Raises:
        InputError: the user does not agree, or cannot be asked.
    """
    if found.dollars is None:
        said = f"what this costs is unknown ({found.unknown}): at most {found.basis}"
    else:
        said = f"at most ${found.dollars:,.2f}: {found.basis}"
    beyond = found.dollars is None or found.dollars > budget
    if not quiet or beyond:
        print(f"Amazon Bedrock bills {said}", file=sys.stderr, flush=True)
    if not beyond or yes:
        return
    if ask is None:
        fits = "--yes goes on, --budget DOLLARS raises it, a shorter load keeps it"
        raise InputError("--budget", f"${budget:,.2f} may not be enough, and nobody is there to ask", fits)
    if not ask("Go on? [y/N] "):
        raise InputError("--budget", "not agreed to, nothing was sent", "a shorter load costs less")


def on_aws(spec: Spec) -> bool:
    """Whether a spec's load goes to Bedrock itself, and not to a server on this machine.

    Raises:
        InputError: Bedrock's endpoint cannot be found.
    """
    if spec.api == "litellm":
        given = spec.litellm_param.get("aws_bedrock_runtime_endpoint") or os.environ.get("AWS_BEDROCK_RUNTIME_ENDPOINT")
        named = spec.endpoint_url or spec.base_url or given
        return ":imported-model/" in str(spec.model) and not (named and loopback(urlsplit(str(named)).hostname or ""))
    if spec.api != "bedrock" or spec.model is None:
        return False
    named = (
        spec.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or os.environ.get("AWS_ENDPOINT_URL")
    )
    if named and loopback(urlsplit(named).hostname or ""):
        return False
    from llmdyno.aws.session import check_model, find_endpoint
    from llmdyno.measure import settle

    settle(spec)  # what contradicts itself is said before what it would cost
    check_model(spec.model)
    url = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, spec.model).url
    return not loopback(urlsplit(url).hostname or "")


def _ask(question: str) -> bool:
    return input(question).strip().lower() in ("y", "yes")
