"""Protocols: bytes to events and requests to bytes. PURE.

In: a target and a planned request, or the bytes of a response's body in any pieces. Out: an
:class:`~llmdyno.protocols.dialect.HttpRequest`, or :class:`~llmdyno.protocols.events.Event` values.
Nothing here awaits, reads a clock or opens a socket, and however the bytes were split, the events
are the same. :data:`DIALECTS` is the one table of what can be spoken.
"""

from llmdyno.protocols.dialect import Dialect
from llmdyno.protocols.openai import CHAT, COMPLETIONS

DIALECTS: dict[tuple[str, str], Dialect] = {
    ("openai", "chat"): CHAT,
    ("openai", "completions"): COMPLETIONS,
}
"""Every dialect by (api, route)."""

__all__ = ["DIALECTS", "Dialect"]
