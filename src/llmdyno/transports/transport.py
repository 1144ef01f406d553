"""The contract of a transport: it sends turns and returns records.

In: turns, before the clock starts; exchanges to perform, while it runs. Out: the raw facts of each exchange, and its
record. A transport prepares the bytes of a turn, sends them, stamps every arrival, and turns an ended exchange into a
record. Between the send and the last byte it only stamps and appends; it decodes nothing. A transport does not know
load shapes, phases or metrics.

``http1`` uses our own sockets. ``library`` uses a client library instead.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from llmdyno.host.stop import Stop
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.exchange import Exchange, Payload
from llmdyno.workload.session import Turn


class Transport(Protocol):
    """The interface that the engine drives. One transport sends to one endpoint."""

    @property
    def clock(self) -> str:
        """Which clock stamps arrivals: `kernel`, `user` (at the socket read) or `sdk` (in a client library)."""
        ...

    @property
    def in_flight(self) -> Sequence[Exchange]:
        """The exchanges that are being performed now."""
        ...

    def prepare(self, turn: Turn) -> Payload:
        """Make a turn's payload, before it is due to be sent.

        The payload is the bytes of the request, a request that is signed just before its send, or messages for a
        library.

        Raises:
            InputError: the request cannot be made.
        """
        ...

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        """Send an exchange's request, and wait until its answer has ended.

        A failure raises nothing. The exchange holds it.

        Args:
            exchange: holds the prepared request, and gets the raw facts.
            timeout_s: how long the whole exchange may take, connecting included.
        """
        ...

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        """Build the record of an ended exchange.

        Args:
            exchange: an ended exchange.
            keep_text: whether the record holds the answer's text.

        Yields:
            After each slice of work (about 0.1 ms), so that the caller can serve its sockets.

        Returns:
            The record.
        """
        ...

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for the refusal in an ended exchange; None: the server gave no name."""
        ...

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        """Decide how requests are sent. The engine calls this once, after the wake phase and before the load.

        Args:
            stop: ends the run early; nothing more is sent then.

        Returns:
            Notes for the report.

        Raises:
            InputError: the endpoint refuses for a reason that waiting does not cure.
        """
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided while requests were sent, for the report."""
        ...

    def cancel(self) -> None:
        """Cancel every exchange in flight. Each one ends, and its record says that it was cancelled."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...
