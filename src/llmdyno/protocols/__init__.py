"""Protocols: bytes to events and requests to bytes. PURE.

In: a target and a planned request, or the bytes of a response's body in any pieces. Out: an
:class:`~llmdyno.protocols.dialect.HttpRequest`, or :class:`~llmdyno.protocols.events.Event` values.
Nothing here awaits, reads a clock or opens a socket, and however the bytes were split, the events
are the same. :data:`DIALECTS` is the one table of what can be spoken.
"""

from llmdyno.protocols.bedrock import BODY_FORMATS, invoke_dialect
from llmdyno.protocols.converse import CONVERSE
from llmdyno.protocols.dialect import Dialect
from llmdyno.protocols.openai import CHAT, COMPLETIONS

DIALECTS: dict[tuple[str, str], Dialect] = {
    ("openai", "chat"): CHAT,
    ("openai", "completions"): COMPLETIONS,
    **{("bedrock", body_format): invoke_dialect(body_format) for body_format in BODY_FORMATS},
    ("bedrock", "converse"): CONVERSE,
}
"""Every dialect by (api, route); for Bedrock's invoke route, by (api, body format)."""

__all__ = ["DIALECTS", "Dialect"]
