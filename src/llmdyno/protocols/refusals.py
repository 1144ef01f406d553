"""Every refusal that any dialect's service names. PURE.

In: the folder's dialects, found by name. Out: one :class:`~llmdyno.protocols.dialect.Refusals`, for a reader of old
records that does not know which service refused: the names of different services do not collide.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import llmdyno.protocols
from llmdyno.protocols.dialect import Refusals


@cache
def known_refusals() -> Refusals:
    """The names of all services together."""
    not_ready: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()
    remedies: dict[str, str] = {}
    for module in pkgutil.iter_modules(llmdyno.protocols.__path__):
        found = getattr(import_module(f"llmdyno.protocols.{module.name}"), "REFUSALS", None)
        if isinstance(found, Refusals):
            not_ready |= found.not_ready
            throttled |= found.throttled
            remedies |= found.remedies
    return Refusals(not_ready, throttled, remedies=remedies)
