"""A look at an endpoint before the load: what it finds, and the error for an endpoint that cannot be measured."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from tests.support import MODELS, Action, ScriptedServer, response
from tests.transports.http1.sockets import GOOD, Scripted, talkative

from llmdyno import InputError
from llmdyno.protocols.dialect import Envelope
from llmdyno.protocols.openai import CHAT
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.look import Api, look
from llmdyno.transports.http1.wire import Origin

API = Api("an OpenAI-compatible server", {"Accept": "application/json"}, "--api-key or OPENAI_API_KEY")


async def look_at(url: str, model: str = "m", api_key: str | None = "sk-secret") -> Any:
    origin = Origin.of(url)
    client = Client(origin, asyncio.get_running_loop())
    await client.resolve()
    try:
        return await look(client, origin, Envelope(origin.path, model, api_key), CHAT, API, timeout_s=0.5)
    finally:
        client.close()


def test_an_endpoint_that_does(scripted: Scripted) -> None:
    server = scripted(GOOD)
    found = asyncio.run(look_at(server.url))
    assert (found.models, found.emulated) == (["m"], None)
    assert server.requests == []
    assert asyncio.run(look_at(server.url, "")).models == ["m"]


def test_a_model_that_is_not_listed_is_asked_itself(scripted: Scripted) -> None:
    server = scripted(GOOD)
    asyncio.run(look_at(server.url, "an-alias"))
    assert len(server.requests) == 1
    without_list = scripted(GOOD, models=response(b"Not Found", "404 Not Found", "text/html"))
    asyncio.run(look_at(without_list.url))
    assert len(without_list.requests) == 1


NOT_FOUND = response(b'{"detail":"Not Found"}', "404 Not Found")


TWO_MODELS = response(b'{"data":[{"id":"a"},{"id":"b"}]}')


@pytest.mark.parametrize(
    ("models", "answer", "model", "message"),
    [
        (response(b"<html>", media_type="text/html"), GOOD, "m", "is not an OpenAI-compatible server.*text/html"),
        (response(b'{"a":1}'), GOOD, "m", "is not an OpenAI-compatible server"),
        (response(b'{"error":"no *** here"}', "401 Unauthorized"), GOOD, "m", r"401 \(no .* here\).*--api-key"),
        (NOT_FOUND, [NOT_FOUND], "m", "is not an OpenAI-compatible server: /v1/chat/completions answered 404"),
        (NOT_FOUND, [response(b'{"error":"no model m"}', "404 X")], "m", "--model: the server refuses 'm'"),
        (NOT_FOUND, [response(b'{"error":"key"}', "403 Forbidden")], "m", "chat/completions: the server answered 403"),
        (TWO_MODELS, [response(b'{"error":"no"}', "400 X")], "m", "refuses 'm'.*it lists a, b"),
        (TWO_MODELS, GOOD, "", "--model: not given, and the server lists a, b"),
        (NOT_FOUND, GOOD, "", "--model: not given, and the server has no list"),
        (b"garbage\r\n\r\n", GOOD, "m", "not HTTP/1.1"),
    ],
)  # fmt: skip
def test_an_endpoint_that_does_not(
    scripted: Scripted, models: bytes, answer: list[Action], model: str, message: str
) -> None:
    server = scripted(answer, models=models)
    with pytest.raises(InputError, match=message) as caught:
        asyncio.run(look_at(server.url, model))
    assert "sk-secret" not in str(caught.value)


def test_a_base_that_lacks_v1(scripted: Scripted) -> None:
    class AtRoot(ScriptedServer):
        def _answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
            sock.sendall(response(MODELS) if head.startswith(b"GET /v1/models") else NOT_FOUND)
            return True

    server = AtRoot([[]])
    try:
        with pytest.raises(InputError, match=r"did you mean --base-url http://127\.0\.0\.1:\d+/v1"):
            asyncio.run(look_at(server.url.removesuffix("/v1")))
    finally:
        server.close()


def test_an_endpoint_that_is_not_there(free_port: int) -> None:
    with pytest.raises(InputError, match=rf"cannot connect to 127\.0\.0\.1 port {free_port}: connection refused"):
        asyncio.run(look_at(f"http://127.0.0.1:{free_port}/v1"))
    with talkative() as port, pytest.raises(InputError, match=r"TLS with 127\.0\.0\.1:.* failed"):
        asyncio.run(look_at(f"https://127.0.0.1:{port}/v1"))


def test_a_key_in_a_header_is_not_shown_either(scripted: Scripted) -> None:
    server = scripted(GOOD, models=response(b'{"error":"no access with sk-header"}', "401 Unauthorized"))

    async def refused() -> None:
        origin = Origin.of(server.url)
        client = Client(origin, asyncio.get_running_loop())
        await client.resolve()
        try:
            envelope = Envelope(origin.path, "m", None, {"Authorization": "Bearer sk-header"})
            await look(client, origin, envelope, CHAT, API, timeout_s=0.5)
        finally:
            client.close()

    with pytest.raises(InputError, match=r"no access with \*\*\*"):
        asyncio.run(refused())
