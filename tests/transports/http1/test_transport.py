"""Our own sockets as a transport: payloads before the clock, and what it tells of itself."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support import ENDING, event, response, stream_head
from tests.transports.http1.sockets import GOOD, InLoop, Scripted

from llmdyno import InputError, Spec
from llmdyno.host.stop import Stop
from llmdyno.protocols.dialect import HttpRequest
from llmdyno.protocols.openai import CHAT
from llmdyno.transports.assemble import built
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.transports.http1.transport import Http1Transport, Sign, envelope_of, open_client
from llmdyno.workload.session import Message, Messages, Turn, user_message

TURN = Turn(4, "measured", user_message("why"), 3, 9)


def loud(messages: Messages) -> Messages:
    return tuple(Message(message.role, message.content.upper()) for message in messages)


async def opened(url: str, sign: Sign | None = None, *, adapts: bool = False, **keys: Any) -> Http1Transport:
    spec = Spec(base_url=url, model="m", api_key="k", temperature=0.0, **keys)
    client, clock = await open_client(spec, url, sign, adapts=adapts), Clock()
    clock.close()
    return Http1Transport(client, CHAT, envelope_of(spec, url, "m"), loud, clock, signed=sign is not None)


def signed(request: HttpRequest) -> HttpRequest:
    return dataclasses.replace(request, headers={**request.headers, "X-Signature": "s"})


def exchange_of(transport: Http1Transport) -> Exchange:
    return Exchange(Prepared.of(TURN, transport.prepare(TURN)), 0)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def test_a_turn_is_whole_bytes_before_the_clock(free_port: int) -> None:
    async def main() -> None:
        transport = await opened(f"http://127.0.0.1:{free_port}/v1")
        wire = transport.prepare(TURN).wire
        head, _, body = wire.partition(b"\r\n\r\n")
        assert head.startswith(f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{free_port}\r\n".encode())
        assert b"\r\nAuthorization: Bearer k\r\n" in head
        assert b"\r\nContent-Length: %d" % len(body) in head
        sent = json.loads(body)
        assert (sent["messages"], sent["max_tokens"], sent["temperature"]) == (
            [{"role": "user", "content": "WHY"}], 9, 0.0,
        )  # fmt: skip
        assert await transport.decide(Stop()) == ()
        transport.close()

    run(main)


def test_a_signature_is_made_at_the_send(scripted: Scripted) -> None:
    server = scripted(GOOD)

    async def main() -> None:
        transport = await opened(server.url, signed)
        payload = transport.prepare(TURN)
        assert (payload.wire, payload.unsigned is not None) == (b"", True)
        assert payload.size == len(payload.unsigned.body if payload.unsigned else b"")
        exchange = Exchange(Prepared.of(TURN, payload), 0)
        await transport.perform(exchange, 5.0)
        record = built(transport.read(exchange, keep_text=True))
        assert (record.state, record.text, record.request) == ("ok", "ab", 4)
        assert record.sign_ns is not None
        assert 0 < record.sign_ns < 1_000_000_000
        transport.close()

    run(main)
    assert b"\r\nX-Signature: s\r\n" in server.requests[0]


def test_the_name_of_a_refusal(scripted: Scripted) -> None:
    server = scripted([response(b'{"error":{"type":"rate_limited","message":"slow"}}', "429 Too Many Requests")], GOOD)

    async def main() -> None:
        transport = await opened(server.url)
        refused, good = exchange_of(transport), exchange_of(transport)
        for exchange in (refused, good):
            await transport.perform(exchange, 5.0)
        assert (transport.refusal(refused), transport.refusal(good)) == ("rate_limited", None)
        assert built(transport.read(refused, keep_text=False)).error_type == "rate_limited"
        transport.close()

    run(main)


def test_a_redirect_that_was_followed_is_a_note(scripted: Scripted) -> None:
    server = scripted([response(b"", "308 X", more="Location: /v2/chat\r\n")], GOOD)

    async def main() -> None:
        transport = await opened(server.url)
        assert transport.notes == ()
        await transport.perform(exchange_of(transport), 5.0)
        assert transport.notes == ("the server redirects /v1/chat/completions to /v2/chat, and requests follow",)
        transport.close()

    run(main)


def test_signed_requests_follow_nothing(scripted: Scripted) -> None:
    server = scripted([response(b"", "307 X", more="Location: /v2/chat\r\n")])

    async def main() -> None:
        transport = await opened(server.url, signed)
        exchange = exchange_of(transport)
        await transport.perform(exchange, 5.0)
        assert (exchange.status, transport.notes) == (307, ())
        transport.close()

    run(main)
    assert len(server.requests) == 1


def test_a_field_that_was_changed_is_a_note(scripted: Scripted) -> None:
    server = scripted([response(b'{"error":"max_tokens: use max_completion_tokens"}', "400 X")], GOOD)

    async def main() -> None:
        transport = await opened(server.url, adapts=True)
        exchange = exchange_of(transport)
        await transport.perform(exchange, 5.0)
        note = "the server wants max_completion_tokens in place of max_tokens: requests carry that"
        assert transport.notes == (note,)
        record = built(transport.read(exchange, keep_text=True))
        assert (record.state, record.resend_reason) == ("ok", f"{note} (it answered 400)")
        transport.close()

    run(main)
    assert json.loads(server.requests[1].partition(b"\r\n\r\n")[2])["max_completion_tokens"] == 9


# --- Unix sockets


def test_a_unix_socket_has_no_kernel_stamps(scripted: Scripted, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = scripted(GOOD, unix=path)

    async def main() -> None:
        transport = await opened("http://api.example/v1?a=b", unix_socket=path)
        exchange = exchange_of(transport)
        await transport.perform(exchange, 5.0)
        assert (transport.clock, built(transport.read(exchange, keep_text=False)).clock) == ("user", "user")
        transport.close()

    run(main)
    assert server.requests[0].startswith(b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: api.example\r\n")


def test_a_path_without_a_socket(tmp_path: Path) -> None:
    fits = "give the path of the socket that the server listens on"
    for path, problem in ((tmp_path / "none", f"{tmp_path}/none: no such file or directory"),
                          (tmp_path, f"{tmp_path} is no socket")):  # fmt: skip
        with pytest.raises(InputError) as caught:
            asyncio.run(opened("http://h/v1", unix_socket=str(path)))
        assert str(caught.value) == f"--unix-socket: {problem}; {fits}"


def test_a_unix_socket_and_a_proxy(monkeypatch: pytest.MonkeyPatch, scripted: Scripted, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    scripted(GOOD, unix=path)
    monkeypatch.setenv("http_proxy", "http://p:3128")
    with pytest.raises(InputError) as caught:
        asyncio.run(opened("http://far.example/v1", unix_socket=path))
    assert str(caught.value) == (
        "--unix-socket: the environment names the proxy p:3128 for far.example, and a socket needs none; "
        "unset the proxy's variable, or add far.example to NO_PROXY"
    )
    monkeypatch.setenv("no_proxy", "far.example")
    asyncio.run(opened("http://far.example/v1", unix_socket=path)).close()
    asyncio.run(opened("http://localhost/v1", unix_socket=path)).close()


def test_cancelling_ends_what_is_in_flight(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted([stream_head() + event("a"), 30.0], [stream_head() + event("a") + ENDING])

    async def main() -> None:
        transport = await opened(server.url)
        exchange = exchange_of(transport)
        sending = asyncio.ensure_future(transport.perform(exchange, 60.0))
        while not exchange.reads:
            await asyncio.sleep(0.005)
        assert transport.in_flight == [exchange]
        transport.cancel()
        await sending
        record = built(transport.read(exchange, keep_text=True))
        assert (record.state, record.error_kind, record.text, transport.in_flight) == ("cancelled", None, "a", [])
        after = exchange_of(transport)
        await transport.perform(after, 5.0)
        assert (built(transport.read(after, keep_text=False)).state, after.reused) == ("ok", False)
        transport.close()

    in_loop(main())


def test_cancelling_ends_connecting_too(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(GOOD)  # it waits for the end of a request head, and never sees one

    async def main() -> None:
        transport = await opened(server.url.replace("http://", "https://"))
        exchange = exchange_of(transport)
        sending = asyncio.ensure_future(transport.perform(exchange, 60.0))
        while exchange.connected_ns is None:
            await asyncio.sleep(0.005)
        transport.cancel()
        await sending
        record = built(transport.read(exchange, keep_text=False))
        assert (record.state, record.sent_ns, record.end_ns is not None) == ("cancelled", None, True)
        transport.close()

    in_loop(main())


def test_a_host_without_an_address() -> None:
    with pytest.raises(InputError, match=r"^http://nowhere\.invalid/v1: cannot look up nowhere\.invalid"):
        asyncio.run(opened("http://nowhere.invalid/v1"))


def test_the_size_of_a_payload() -> None:
    assert Payload(b"12345").size == 5
    assert Payload(unsigned=HttpRequest("POST", "/", {"A": "b"}, b"1234")).size == 4
    assert Payload(messages=(Message("user", "ab"), Message("user", "c"))).size == 3
