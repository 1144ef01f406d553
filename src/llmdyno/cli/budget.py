"""Before a load costs anything: what it may cost at most, and the user's agreement where that is beyond the budget."""

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
    """Tell what a load on a managed service may cost at most, and ask where that is beyond the budget.

    On this machine nothing is billed. Of a series of cold starts there, it tells what the service would bill.

    Args:
        spec: the load, resolved.
        rounds: cold starts to measure instead of the load.
        budget: dollars that need no agreement.
        yes: whether the user has agreed beforehand.
        quiet: tell nothing that needs no answer.

    Raises:
        InputError: the user does not agree, or cannot be asked.
    """
    from llmdyno.services.service import find
    from llmdyno.targets.target import managed_service, target_module

    name = managed_service(spec)
    if name is None or spec.speed is not None:
        return
    url = target_module(spec.api).url(spec, os.environ)
    local = url is not None and loopback(urlsplit(url).hostname or "")
    if local and rounds is None:
        return
    service = find(name)
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
    """Tell the bound, and ask where it must be asked.

    Args:
        bound: the most that the load costs.
        biller: who bills it.
        budget: dollars that need no agreement.
        yes: whether the user has agreed beforehand.
        quiet: tell nothing that needs no answer.
        ask: asks a question; None: nobody is there to ask.

    Raises:
        InputError: the user does not agree, or cannot be asked.
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
        fits = "--yes goes on, --budget DOLLARS raises it, a shorter load keeps it"
        raise InputError("--budget", f"${budget:,.2f} may not be enough, and nobody is there to ask", fits)
    if not ask("Go on? [y/N] "):
        raise InputError("--budget", "you did not agree, and nothing was sent", "a shorter load costs less")


def _ask(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
