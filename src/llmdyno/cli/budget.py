"""Shows what a load may cost at most, before it starts, and asks the user if that is more than the budget."""

from __future__ import annotations

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


def confirm_cost(spec: Spec, rounds: int | None, budget: Decimal, *, yes: bool, quiet: bool) -> None:
    """Show what a load on a managed service may cost at most, and ask the user if that is more than the budget.

    An endpoint on this machine bills nothing. For a series of cold starts on it, show what the service would bill.

    Args:
        spec: the resolved spec of the load.
        rounds: how many cold starts the run measures; None: it is a load.
        budget: the dollars that need no question.
        yes: the user has agreed beforehand.
        quiet: print nothing except a question.

    Raises:
        InputError: the user does not agree, or there is no terminal to ask on.
    """
    from llmdyno.services.service import find, service_of_model
    from llmdyno.targets.target import managed_service, target_module

    name = managed_service(spec)
    service = find(name) if name is not None else service_of_model(spec.model)
    if service is None or spec.speed is not None:
        return
    url = target_module(spec.api).url(spec, os.environ)
    local = url is not None and loopback(urlsplit(url).hostname or "")
    if local and rounds is None:
        return
    bound = service.bound(spec, rounds=rounds)
    if local:
        if not quiet and bound.dollars is not None:
            print(
                f"{service.title} would bill at most ${bound.dollars:,.2f}: {bound.basis}", file=sys.stderr, flush=True
            )
        return
    decide(bound, service.title, budget, yes=yes, quiet=quiet, ask=_ask if sys.stdin.isatty() else None)


def decide(
    bound: CostBound, biller: str, budget: Decimal, *, yes: bool, quiet: bool, ask: Callable[[str], bool] | None
) -> None:
    """Show the bound, and ask the user if it is more than the budget.

    Args:
        bound: the most that the load may cost.
        biller: the name of the service that bills it.
        budget: the dollars that need no question.
        yes: the user has agreed beforehand.
        quiet: print nothing except a question.
        ask: asks a question; None: there is no terminal to ask on.

    Raises:
        InputError: the user does not agree, or there is no terminal to ask on.
    """
    if bound.dollars is None:
        told = f"{biller}: the price is unknown ({bound.unknown}); the load uses at most {bound.basis}"
    else:
        told = f"{biller} bills at most ${bound.dollars:,.2f}: {bound.basis}"
    beyond = bound.dollars is None or bound.dollars > budget
    if not quiet or beyond:
        print(told, file=sys.stderr, flush=True)
    if not beyond or yes:
        return
    if ask is None:
        fits = "add --yes to agree, raise --budget, or use a shorter load"
        raise InputError("--budget", f"${budget:,.2f} may not be enough, and there is no terminal to ask on", fits)
    if not ask("Continue? [y/N] "):
        raise InputError("--budget", "you did not agree, and nothing was sent", "a shorter load costs less")


def _ask(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
