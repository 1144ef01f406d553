"""The contract of a transport: it owns everything between a turn and its record.

A transport prepares a turn before the clock, performs exchanges, and reads ended exchanges into records. Between a
send and its last byte it stamps and appends, and does nothing else. ``http1`` is our own sockets; ``library`` is a
client library in their place.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from llmdyno.host.stop import Stop
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.exchange import Exchange, Payload
from llmdyno.workload.session import Turn


class Transport(Protocol):
    """What the engine drives."""

    @property
    def clock(self) -> str:
        """Who stamps arrivals: `kernel`, `user` or `sdk`."""
        ...

    @property
    def in_flight(self) -> Sequence[Exchange]:
        """The exchanges under way."""
        ...

    def prepare(self, turn: Turn) -> Payload:
        """A turn's payload, made before the clock: bytes, or a request that is signed just before its send."""
        ...

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        """Send an exchange's request and wait until its answer has ended; a failure is noted in the exchange."""
        ...

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        """The record of an ended exchange, built in slices so that the sockets are served in between."""
        ...

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's own name for its refusal of an ended exchange; None: it gives none."""
        ...

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        """Settle, after waking and before the load, how requests are sent; returns notes for the report.

        Raises:
            InputError: the endpoint refuses for a reason that waiting does not cure.
        """
        ...

    def cancel(self) -> None:
        """End every exchange under way as cancelled."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...
