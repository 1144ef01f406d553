"""One transport with two ways to send: our sockets send the requests that LiteLLM makes, or LiteLLM sends them itself.

In: a transport for each way. Out: the transport that was chosen. After the wake phase and before the load, one request
each way decides. The engine does not know the choice; it drives one transport.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from llmdyno.host.stop import Stop
from llmdyno.spec.masking import NOTHING, Masker
from llmdyno.targets.litellm.trial import PROMPT, TOKENS, choose
from llmdyno.timeline.record import OK, RequestRecord
from llmdyno.transports.assemble import built, reread
from llmdyno.transports.conceal import conceal_record
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.transports.http1.transport import Http1Transport, Template
from llmdyno.transports.library import LibraryTransport
from llmdyno.workload.session import Turn, user_message

if TYPE_CHECKING:
    from llmdyno.targets.litellm.library import LiteLLM

MEDIA_TYPE = "text/event-stream"


class LiteLLMTransport:
    """Sends through our sockets or through LiteLLM.

    `wire`: our sockets (None: LiteLLM must send itself). `sdk`: LiteLLM. `mode`: the spec's choice: `auto`, `wire` or
    `sdk`. `try_first`: whether a trial decides. `mask` masks secrets in what the trial tells.
    """

    def __init__(
        self,
        wire: Http1Transport | None,
        sdk: LibraryTransport,
        library: LiteLLM,
        template: Template,
        *,
        mode: str,
        try_first: bool,
        timeout_s: float,
        mask: Masker = NOTHING,
    ) -> None:
        self._wire = wire
        self._mask = mask
        self._sdk = sdk
        self._library = library
        self._template = template
        self._mode = mode
        self._try_first = try_first
        self._timeout_s = timeout_s
        self._decided = mode != "auto" or not try_first
        self._sends: Http1Transport | LibraryTransport = wire if wire is not None else sdk

    @property
    def clock(self) -> str:
        """The clock of the chosen way."""
        return self._sends.clock

    @property
    def in_flight(self) -> Sequence[Exchange]:
        """The exchanges that are being performed now."""
        return self._sends.in_flight

    def prepare(self, turn: Turn) -> Payload:
        """What the way needs that sends it; before it is decided, what either way needs."""
        if self._decided or self._wire is None:
            return self._sends.prepare(turn)
        return dataclasses.replace(self._wire.prepare(turn), messages=self._template(turn.messages))

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        """Send an exchange's request the chosen way."""
        await self._sends.perform(exchange, timeout_s)

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        """The record of an ended exchange."""
        return self._sends.read(exchange, keep_text=keep_text)

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for its refusal; None: the server gave no name."""
        return self._sends.refusal(exchange)

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        """Send one request each way and choose. If the run ends early, send nothing more and choose nothing.

        Raises:
            InputError: the endpoint refuses both.
        """
        if stop.stopping:
            return ()
        if not self._try_first:
            return (f"mode: {'wire' if self._wire is not None else 'sdk'} (not tried beforehand)",)
        return await self._try_both(stop)

    async def _try_both(self, stop: Stop) -> tuple[str, ...]:
        turn = Turn(0, "trial", user_message(PROMPT), 0, TOKENS)
        wire = sdk = parsed = None
        if self._wire is not None:
            wire, parsed = await self._try_wire(self._wire, turn)
        if not stop.stopping and (self._mode == "auto" or self._wire is None):
            sdk = await self._try(self._sdk, Payload(messages=turn.messages), turn)
        if stop.stopping:
            return ()
        choice = choose(wire, sdk, parsed)
        if not choice.wire:
            self._sends = self._sdk
        self._decided = True
        return choice.notes

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of our own sockets."""
        return () if self._wire is None else self._wire.notes

    def cancel(self) -> None:
        """Cancel every exchange in flight, also those of a trial."""
        self._sdk.cancel()
        if self._wire is not None:
            self._wire.cancel()

    def close(self) -> None:
        """Close all connections."""
        self._sdk.close()
        if self._wire is not None:
            self._wire.close()

    async def _try_wire(self, transport: Http1Transport, turn: Turn) -> tuple[RequestRecord, str | None]:
        """Try our sockets.

        Returns:
            The record with its text, and the text that LiteLLM's parser finds in the same bytes (None: the record's
            text already comes from that parser, or the request failed).
        """
        exchange = Exchange(Prepared.of(turn, transport.prepare(turn)), 0)
        await transport.perform(exchange, self._timeout_s)
        exchange.conceal(self._mask)
        pieces = list(exchange.pieces)
        record = built(transport.read(exchange, keep_text=True))
        conceal_record(record, self._mask)
        if record.body is not None:
            reread(record, lambda body: self._library.read(body, MEDIA_TYPE), keep_text=True)
            conceal_record(record, self._mask)
            return record, None
        if record.state != OK:
            return record, None
        events = self._library.read(pieces, transport.dialect.media_type or MEDIA_TYPE)
        return record, "".join(event.text for event in events)

    async def _try(self, transport: LibraryTransport, payload: Payload, turn: Turn) -> RequestRecord:
        exchange = Exchange(Prepared.of(turn, payload), 0)
        await transport.perform(exchange, self._timeout_s)
        exchange.conceal(self._mask)
        record = built(transport.read(exchange, keep_text=True))
        conceal_record(record, self._mask)
        return record
