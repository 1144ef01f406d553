"""The refusals of all services together.

It takes the modules of this folder and gives one :class:`~llmdyno.protocols.dialect.Refusals`. A reader of an old run
needs it, because the run does not say which service refused. The names of different services do not collide.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import llmdyno.protocols
from llmdyno.protocols.dialect import Refusals


@cache
def known_refusals() -> Refusals:
    """The union of every `REFUSALS` in this folder."""
    not_ready: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    remedies: dict[str, str] = {}
    for module in pkgutil.iter_modules(llmdyno.protocols.__path__):
        found = getattr(import_module(f"llmdyno.protocols.{module.name}"), "REFUSALS", None)
        if isinstance(found, Refusals):
            not_ready |= found.not_ready
            throttled |= found.throttled
            statuses |= found.statuses
            remedies |= found.remedies
    return Refusals(not_ready, throttled, statuses, remedies)
