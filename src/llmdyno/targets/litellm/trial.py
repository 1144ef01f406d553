"""Chooses between our sockets ("wire") and the library ("sdk"), from one request each way before the load. PURE.

In: the record of a request that our sockets sent, the record of a request that the library sent, and the text that the
library's parser finds in our answer's bytes. Out: whether our sockets send the load, and why. It sends nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmdyno.errors import InputError
from llmdyno.protocols.events import EMPTY
from llmdyno.timeline.record import OK, RequestRecord

PROMPT, TOKENS = "Say hello in a few words.", 16
"""The prompt and the max_tokens of the two requests."""

_PASSING = (408, 424, 429)
"""Refusals that are not the fault of the request itself."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether our sockets send the load, and notes that say why."""

    wire: bool
    notes: tuple[str, ...]


def choose(wire: RequestRecord | None, sdk: RequestRecord | None, parsed: str | None) -> Choice:
    """Choose between our sockets and the library.

    Args:
        wire: the record of our own request, with its text; None: our sockets were not tried.
        sdk: the record of the library's request, with its text; None: the library was not tried.
        parsed: the text that the library's parser finds in our answer's bytes; None: `wire` already has that text.

    Raises:
        InputError: the endpoint refuses for a reason that waiting does not cure.
    """
    tried = [record for record in (wire, sdk) if record is not None]
    if all(_refused(record) for record in tried):
        record = tried[0]
        name = record.error_type or record.http_status or record.error_kind
        fits = "check the model, the keys and the parameters (--no-preflight skips this look)"
        raise InputError("endpoint", f"{name}: {record.error_message}", fits)
    if wire is None:
        assert sdk is not None
        return Choice(False, ("mode: sdk", *_without_text(sdk)))
    if sdk is None:
        return Choice(True, ("mode: wire",))
    if not _answered(wire):
        if not _answered(sdk):
            return Choice(True, (f"mode: wire (neither way could be tried: {wire.error_message})",))
        return Choice(False, (f"mode: sdk (on the wire the first request failed: {wire.error_message})",))
    if not _answered(sdk):
        return Choice(True, (f"mode: wire (LiteLLM's own call failed: {sdk.error_message})",))
    ours, theirs = _plain(wire.text), _plain(sdk.text)
    if theirs and not ours:
        return Choice(False, ("mode: sdk (on the wire no text could be read)",))
    if parsed is not None and _plain(parsed) and _plain(parsed) != ours:
        return Choice(False, ("mode: sdk (our decoder and LiteLLM's read different texts from the same bytes)",))
    return Choice(True, ("mode: wire", *_without_text(sdk if ours else None), *_counts(wire, sdk)))


def _refused(record: RequestRecord) -> bool:
    status = record.http_status or 0
    return record.state != OK and 400 <= status < 500 and status not in _PASSING


def _answered(record: RequestRecord) -> bool:
    """Whether a whole answer came. One without text tells more about the way than about the endpoint."""
    return record.state == OK or record.error_kind == EMPTY


def _without_text(sdk: RequestRecord | None) -> tuple[str, ...]:
    lost = sdk is not None and _answered(sdk) and not _plain(sdk.text)
    return ("LiteLLM's own client loses this route's text",) if lost else ()


def _counts(wire: RequestRecord, sdk: RequestRecord) -> tuple[str, ...]:
    ours, theirs = wire.server_input_tokens, sdk.server_input_tokens
    if ours is None or theirs is None or ours == theirs:
        return ()
    return (f"LiteLLM counts {theirs} input tokens, and the service counts {ours}",)


def _plain(text: str | None) -> str:
    """The text without spaces and without the tags around reasoning, because LiteLLM removes them."""
    return "".join(re.sub(r"</?think>", "", text or "").split())
