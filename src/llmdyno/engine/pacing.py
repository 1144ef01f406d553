"""Warms a model up: one request at a time until it answers, each attempt a record of its own.

In: requests, a client, a patience. Out: nothing but the records, from which the cold start is computed;
or an :class:`~llmdyno.errors.InputError`, when the endpoint refuses for a reason that waiting does not cure.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from llmdyno.engine.recorder import Recorder
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Dialect, error_text
from llmdyno.transports.clock import monotonic_ns
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.library import SdkClient

WARMED_ANSWERS = 2
"""The first answer of a cold model is slower than the next: both are wanted."""

_REMEDIES = {
    "AccessDeniedException": "allow bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on it",
    "UnrecognizedClientException": "check the access key; is it one of this account?",
    "InvalidSignatureException": "check the secret key and this host's clock",
    "ExpiredTokenException": "log in again: the session token ran out",
    "ResourceNotFoundException": "check the ARN and the region",
    "ValidationException": "check the model, --route, --body-format and --extra-body",
    "MissingAuthenticationTokenException": "set AWS credentials, or name a --profile",
}


def refusal_of(exchange: Exchange, dialect: Dialect) -> str | None:
    """The server's name for its refusal, as a client library said it or as the answer's bytes say it."""
    if exchange.failure is not None and exchange.failure.type is not None:
        return exchange.failure.type
    return dialect.error_type(exchange.headers, b"".join(exchange.pieces))


class Warmer:
    """Sends attempts, round after round, until `stop`. `answered` and `refused` count those of the present round."""

    def __init__(self, client: Client | SdkClient, recorder: Recorder, dialect: Dialect, timeout_s: float) -> None:
        self.answered = self.refused = 0
        self._client = client
        self._recorder = recorder
        self._dialect = dialect
        self._timeout_s = timeout_s
        self._stopped = asyncio.Event()

    @property
    def stopped(self) -> bool:
        """Whether it was ended."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End it now."""
        self._stopped.set()
        self._client.cancel_all()

    async def pause(self, length_s: float) -> bool:
        """Wait, or until it is ended; whether it was."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), length_s)
        return self.stopped

    async def run(self, attempts: Iterator[Prepared], number: int, *, patience_s: float, interval_s: float) -> None:
        """One round: attempt after attempt, until the model has answered twice, or has not answered for `patience_s`.

        Its records carry the round's `number` as their user.

        Raises:
            InputError: it was refused for a reason that waiting does not cure, or the patience ran out.
        """
        self.answered = self.refused = 0
        deadline_ns = monotonic_ns() + int(patience_s * 1e9)
        for prepared in attempts:
            exchange = Exchange(prepared, number)
            await self._client.perform(exchange, self._timeout_s)
            self._recorder.add(exchange)
            if self.stopped:
                return
            if exchange.failure is None and exchange.status is not None and 200 <= exchange.status < 300:
                self.answered += 1
                if self.answered == WARMED_ANSWERS:
                    return
                continue
            self.refused += 1
            self._judge(exchange)
            if monotonic_ns() > deadline_ns:
                raise InputError(
                    "--warm-timeout",
                    f"the model did not answer within {patience_s:g} s ({self.refused} attempts)",
                    "give it longer, or look at its state",
                )
            if await self.pause(interval_s):
                return

    def _judge(self, exchange: Exchange) -> None:
        if exchange.failure is not None and exchange.status is None:
            if exchange.failure.kind in ("connect", "tls"):
                raise InputError("endpoint", exchange.failure.message, "check the URL, the region and the network")
            return
        name = refusal_of(exchange, self._dialect) or ""
        status = exchange.status or 0
        if name in _REMEDIES or (400 <= status < 500 and status not in (408, 424, 429)):
            message = exchange.failure.message if exchange.failure else error_text(b"".join(exchange.pieces))
            remedy = _REMEDIES.get(name, "check the model and the credentials")
            raise InputError("endpoint", f"{name or status}: {message or 'no message'}", remedy)
