"""A transport over our own sockets: a dialect's bytes over HTTP/1.1.

In: turns. Out: their bytes, before the clock starts; exchanges with the kernel's stamps; records. It knows one endpoint
and one dialect. It does not know any service by name.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Generator, Mapping, Sequence

from llmdyno.errors import InputError
from llmdyno.host.stop import Stop
from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest
from llmdyno.spec.spec import Spec
from llmdyno.timeline.record import KERNEL, USER, RequestRecord
from llmdyno.transports.advice import adapted
from llmdyno.transports.assemble import assemble, refusal_of
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Payload
from llmdyno.transports.http1.client import Client, connect_text
from llmdyno.transports.http1.proxy import Proxy, find_proxy
from llmdyno.transports.http1.tls import make_context
from llmdyno.transports.http1.wire import Origin
from llmdyno.workload.session import Messages, Turn

Sign = Callable[[HttpRequest], HttpRequest]
Template = Callable[[Messages], Messages]


class Http1Transport:
    """One endpoint over our own sockets.

    `template` changes a turn's messages before they are encoded. `signed`: requests are signed just before their send.
    `renamed`: fields of the body that the server wants under another name, or left out (None).
    """

    def __init__(
        self,
        client: Client,
        dialect: Dialect,
        envelope: Envelope,
        template: Template,
        clock: Clock,
        *,
        signed: bool,
        renamed: Mapping[str, str | None] | None = None,
    ) -> None:
        self._renamed = renamed or {}
        self.dialect = dialect
        self._client = client
        self._envelope = envelope
        self._template = template
        self._clock = clock
        self._signed = signed
        self.perform = client.perform  # no frame of ours between the engine and the client

    @property
    def clock(self) -> str:
        """`kernel` if the kernel stamps arrivals, else `user`. It stamps none on a Unix socket."""
        return KERNEL if self._clock.kernel_stamps and self._client.stamped else USER

    @property
    def in_flight(self) -> Sequence[Exchange]:
        """The exchanges that are being performed now."""
        return self._client.in_flight

    def prepare(self, turn: Turn) -> Payload:
        """The turn's whole HTTP message, or its request to be signed later."""
        request = self.dialect.encode(self._envelope, self._template(turn.messages), turn.max_tokens)
        if self._renamed:
            request = adapted(request, self._renamed)
        return Payload(unsigned=request) if self._signed else Payload(self._client.serialise(request))

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        """The record of an ended exchange."""
        return assemble(exchange, self.dialect, self._clock, keep_text=keep_text)

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for its refusal; None: the server gave no name."""
        return refusal_of(exchange, self.dialect)

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        """Do nothing: there is only one way to send."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed because the server asked for it."""
        return self._client.asked.notes

    def cancel(self) -> None:
        """Cancel every exchange in flight."""
        self._client.cancel_all()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def proxy_of(spec: Spec, base_url: str) -> Proxy | None:
    """The proxy that the environment names for an endpoint; None: no proxy.

    Raises:
        InputError: the environment names a proxy that cannot be used, or one beside a Unix socket.
    """
    origin = Origin.of(base_url)
    found = find_proxy(origin)
    if found is not None and spec.unix_socket is not None:
        what = f"the environment names the proxy {found.authority} for {origin.host}, and a socket needs none"
        raise InputError("--unix-socket", what, f"unset the proxy's variable, or add {origin.host} to NO_PROXY")
    return found


async def open_client(
    spec: Spec, base_url: str, sign: Sign | None = None, end_mark: bytes = b"", *, adapts: bool = False
) -> Client:
    """Make a client of an endpoint and look up the host's address. The spec says how TLS works.

    `end_mark` is the dialect's. `adapts`: change fields of the body as the server asks.

    Raises:
        InputError: the host has no address, or a socket, TLS file or proxy cannot be used.
    """
    origin, loop = Origin.of(base_url), asyncio.get_running_loop()
    tls = None
    if origin.scheme == "https":
        files = {"ca_file": spec.ca_file, "client_cert": spec.client_cert, "client_key": spec.client_key}
        tls = make_context(**files, insecure=spec.insecure)
    proxy = proxy_of(spec, base_url)
    if spec.unix_socket is not None:
        _check_socket(spec.unix_socket)
    client = Client(
        origin, loop, sign, tls=tls, proxy=proxy, end_mark=end_mark, unix_socket=spec.unix_socket, adapts=adapts
    )
    try:
        await client.resolve()
    except OSError as error:
        raise InputError(str(origin), connect_text(error, origin), "check the URL") from None
    except UnicodeError:
        raise InputError(str(origin), f"no host can be named {origin.host}", "check the URL") from None
    return client


def _check_socket(path: str) -> None:
    """Check that there is a Unix socket at a path.

    Raises:
        InputError: there is none, or this system has no such sockets.
    """
    fits = "give the path of the socket that the server listens on"
    if not hasattr(socket, "AF_UNIX"):
        raise InputError("--unix-socket", "this system has no Unix sockets", "leave it out")
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        reason = str(error.strerror)
        raise InputError("--unix-socket", f"{path}: {reason[:1].lower() + reason[1:]}", fits) from None
    if not stat.S_ISSOCK(mode):
        raise InputError("--unix-socket", f"{path} is no socket", fits)


def envelope_of(spec: Spec, base_url: str, model: str) -> Envelope:
    """The values that every request of a run carries."""
    return Envelope(
        Origin.of(base_url).path,
        model,
        spec.api_key,
        spec.headers,
        spec.extra_body,
        spec.ignore_eos,
        spec.temperature,
        spec.service_tier,
    )
