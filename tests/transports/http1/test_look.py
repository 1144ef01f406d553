"""A look at an endpoint before the load: what it finds, and the error for an endpoint that cannot be measured."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
from typing import Any

import pytest
from tests.support import MODELS, Action, ScriptedServer, response
from tests.transports.http1.sockets import GOOD, Scripted, talkative

from llmdyno import InputError
from llmdyno.protocols.dialect import Envelope
from llmdyno.protocols.openai import CHAT
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import url_secrets
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.look import Api, look
from llmdyno.transports.http1.wire import Origin

API = Api("an OpenAI-compatible server", {"Accept": "application/json"}, "--api-key or OPENAI_API_KEY")


async def look_at(url: str, model: str = "m", api_key: str | None = "sk-secret") -> Any:
    origin = Origin.of(url)
    client = Client(origin, asyncio.get_running_loop())
    await client.resolve()
    try:
        mask = Masker(url_secrets(url))
        return await look(client, origin, Envelope(origin.path, model, api_key), CHAT, API, timeout_s=0.5, mask=mask)
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


PAGE = response(b"<html>", media_type="text/html")
DENIED = response(b'{"error":"no *** here"}', "401 Unauthorized")
ELSEWHERE = response(b"", "302 X", more="Location: https://h/login\r\n")
TWO_MODELS = response(b'{"data":[{"id":"a"},{"id":"b"}]}')


@pytest.mark.parametrize(
    ("models", "answer", "model", "message"),
    [
        (PAGE, [PAGE], "m", "is not an OpenAI-compatible server: .*/v1/chat/completions answered with text/html"),
        (PAGE, GOOD, "", "is not an OpenAI-compatible server.*text/html"),
        (response(b'{"a":1}'), GOOD, "", "is not an OpenAI-compatible server"),
        (DENIED, GOOD, "", r"/v1/models: the server answered 401 \(no .* here\).*--api-key"),
        (DENIED, [DENIED], "m", r"/v1/chat/completions: the server answered 401 \(no .* here\).*--api-key"),
        (
            NOT_FOUND, [NOT_FOUND], "m",
            r"is not an OpenAI-compatible server: http://127\.0\.0\.1:\d+/v1/chat/completions answered 404",
        ),
        (response(b'{"data":[]}'), GOOD, "", "--model: not given, and the server lists no models"),
        (NOT_FOUND, [ELSEWHERE], "m", "302.*check --base-url and the key"),
        (NOT_FOUND, [response(b'{"error":"quota"}', "402 X")], "m", r"402 \(quota\).*--no-preflight"),
        (NOT_FOUND, [response(b'{"error":"ignore_eos: no"}', "400 X")], "m", "ignore_eos: no.*leave out --ignore-eos"),
        (NOT_FOUND, [response(b'{"error":"temperature: no"}', "400 X")], "m", "leave out --temperature"),
        (NOT_FOUND, [response(b'{"error":"top_p: needed"}', "422 X")], "m", r"422 \(top_p: needed\).*--extra-body"),
        (NOT_FOUND, ["close"], "m", "before any byte of an answer|kept connection"),
        (NOT_FOUND, [response(b'{"error":"no model m"}', "404 X")], "m", "--model: the server refuses 'm'"),
        (NOT_FOUND, [response(b'{"error":"key"}', "403 Forbidden")], "m", "chat/completions: the server answered 403"),
        (TWO_MODELS, [response(b'{"error":"no"}', "400 X")], "m", "refuses 'm'.*it lists a, b"),
        (TWO_MODELS, GOOD, "", "--model: not given, and the server lists a, b"),
        (NOT_FOUND, GOOD, "", "--model: not given, and the server has no list"),
        (b"garbage\r\n\r\n", GOOD, "", "not HTTP/1.1"),
        (b"garbage\r\n\r\n", [b"garbage\r\n\r\n"], "m", "not HTTP/1.1"),
    ],
)  # fmt: skip
def test_an_endpoint_that_does_not(
    scripted: Scripted, models: bytes, answer: list[Action], model: str, message: str
) -> None:
    server = scripted(answer, models=models)
    with pytest.raises(InputError, match=message) as caught:
        asyncio.run(look_at(server.url, model))
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("models", "note"),
    [
        (DENIED, r"GET /v1/models answered 401 \(no \*\*\* here\)"),
        (response(b'{"error":"scope"}', "403 Forbidden"), r"GET /v1/models answered 403 \(scope\)"),
        (PAGE, "GET /v1/models answered with text/html that is no list"),
        (response(b"ok", media_type="text/plain"), "answered with text/plain that is no list"),
        (response(b'{"models":[{"name":"m"}]}'), "answered with application/json that is no list"),
        (response(b"[" * 100_000), "answered with application/json that is no list"),
        (response(b"", "500 Oops"), "GET /v1/models answered 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", r"gave no answer \(the answer was not whole within 0.5 s\)"),
        (b"garbage\r\n\r\n", "gave no answer .the answer is not HTTP/1.1"),
    ],
)
def test_an_odd_list_of_models_is_a_note(scripted: Scripted, models: bytes, note: str) -> None:
    server = scripted(GOOD, models=models)
    found = asyncio.run(look_at(server.url))
    assert (found.models, found.renamed, len(found.notes)) == (None, {}, 1)
    assert re.search(note, found.notes[0])
    assert len(server.requests) == 1


def test_an_empty_list_of_models(scripted: Scripted) -> None:
    server = scripted(GOOD, models=response(b'{"data":[]}'))
    assert asyncio.run(look_at(server.url)).models == []
    assert len(server.requests) == 1


def test_a_list_that_comes_compressed(scripted: Scripted) -> None:
    packed = response(gzip.compress(MODELS), more="Content-Encoding: gzip\r\n")
    assert asyncio.run(look_at(scripted([], models=packed).url)).models == ["m"]


@pytest.mark.parametrize("answer", [[response(b'{"error":"busy"}', "503 X")], [response(b"", "429 X")], [2.0]])
def test_what_may_pass_is_a_note(scripted: Scripted, answer: list[Action]) -> None:
    found = asyncio.run(look_at(scripted(answer, models=NOT_FOUND).url))
    assert len(found.notes) == 2
    assert re.search("was answered 503 .busy|was answered 429|did not answer a request within 0.5 s", found.notes[1])


def test_the_look_changes_a_request_as_the_server_asks(scripted: Scripted) -> None:
    server = scripted(
        [response(b'{"error":"max_tokens is not supported, use max_completion_tokens"}', "400 X")],
        [response(b'{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs"}]}', "422 X")],
        [response(b'{"error":"tokens: expected a value >= 16, but got 1"}', "400 X")],
        GOOD,
        models=NOT_FOUND,
    )
    found = asyncio.run(look_at(server.url))
    assert found.renamed == {"max_tokens": "max_completion_tokens", "stream_options": None}
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in bodies] == [
        (1, None), (None, 1), (None, 1), (None, 16),
    ]  # fmt: skip
    assert ["stream_options" in body for body in bodies] == [True, True, False, False]
    assert len(found.notes) == 4


def test_a_change_that_does_not_help_is_made_once(scripted: Scripted) -> None:
    server = scripted([response(b'{"error":"stream_options"}', "400 X")], models=NOT_FOUND)
    with pytest.raises(InputError, match=r'--extra-body \'\{"stream_options": null\}\' leaves it out'):
        asyncio.run(look_at(server.url))
    assert len(server.requests) == 2


def test_a_base_that_lacks_v1(scripted: Scripted) -> None:
    class AtRoot(ScriptedServer):
        def _answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
            sock.sendall(response(MODELS) if head.startswith(b"GET /v1/models") else NOT_FOUND)
            return True

    server = AtRoot([[]])
    try:
        with pytest.raises(InputError, match=r"did you mean --base-url http://127\.0\.0\.1:\d+/v1\?a=b \?$"):
            asyncio.run(look_at(server.url.removesuffix("/v1") + "?a=b"))
    finally:
        server.close()


def test_an_endpoint_that_is_not_there(free_port: int) -> None:
    with pytest.raises(InputError, match=rf"cannot connect to 127\.0\.0\.1 port {free_port}: connection refused"):
        asyncio.run(look_at(f"http://127.0.0.1:{free_port}/v1"))
    with talkative() as port, pytest.raises(InputError, match=r"TLS with 127\.0\.0\.1:.* failed"):
        asyncio.run(look_at(f"https://127.0.0.1:{port}/v1"))


def test_a_key_in_a_header_is_not_shown_either(scripted: Scripted) -> None:
    denied = response(b'{"error":"no access with sk-header"}', "401 Unauthorized")
    server = scripted([denied], models=denied)

    async def refused() -> None:
        origin = Origin.of(server.url)
        client = Client(origin, asyncio.get_running_loop())
        await client.resolve()
        try:
            envelope = Envelope(origin.path, "m", None, {"Authorization": "Bearer sk-header"})
            await look(client, origin, envelope, CHAT, API, timeout_s=0.5, mask=Masker(["sk-header"]))
        finally:
            client.close()

    with pytest.raises(InputError, match=r"no access with \*\*\*"):
        asyncio.run(refused())


def test_a_query_goes_with_every_question(scripted: Scripted) -> None:
    server = scripted(GOOD, models=NOT_FOUND)
    asyncio.run(look_at(server.url + "?api-version=1&key=hide-me"))
    assert [line.split(b" ")[1] for line in server.asked] == [
        b"/v1/models?api-version=1&key=hide-me",
        b"/v1/chat/completions?api-version=1&key=hide-me",
    ]


@pytest.mark.parametrize("model", ["", "m"])
def test_no_secret_of_the_query_is_in_an_error(scripted: Scripted, model: str) -> None:
    denied = response(b'{"error":"the key hide-me is no good"}', "401 X")
    with pytest.raises(InputError) as caught:
        asyncio.run(look_at(scripted([denied], models=denied).url + "?key=hide-me", model))
    assert "?key=***: the server answered 401 (the key *** is no good)" in str(caught.value)
    assert "hide-me" not in str(caught.value)


@pytest.mark.parametrize("model", ["", "m"])
def test_a_server_that_wants_https(scripted: Scripted, model: str) -> None:
    elsewhere = response(b"", "308 X", more="Location: https://h.example/v1/{}?a=b\r\n")
    models, answer = (elsewhere.replace(b"{}", path) for path in (b"models", b"chat/completions"))
    with pytest.raises(InputError, match=r"308; redirected to .*: use --base-url https://h\.example/v1\?a=b$"):
        asyncio.run(look_at(scripted([answer], models=models).url, model))


def test_a_list_that_is_reached_by_a_redirect() -> None:
    class Slash(ScriptedServer):
        def _answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
            self.requests.append(head)
            slash = head.startswith(b"GET /v1/models/")
            sock.sendall(response(MODELS) if slash else response(b"", "307 X", more="Location: /v1/models/?key=k\r\n"))
            return True

    server = Slash([[]])
    try:
        found = asyncio.run(look_at(server.url + "?key=k"))
    finally:
        server.close()
    note = "the server redirects /v1/models?key=*** to /v1/models/?key=***, and requests follow"
    assert (found.models, found.notes, len(server.requests)) == (["m"], (note,), 2)


def test_a_list_whose_body_stays_open(scripted: Scripted) -> None:
    models = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    models += b"%x\r\n%b\r\n" % (len(MODELS), MODELS)
    server = scripted(GOOD, models=models)

    async def main() -> Any:
        origin = Origin.of(server.url)
        client = Client(origin, asyncio.get_running_loop(), end_mark=CHAT.end_mark)
        await client.resolve()
        try:
            return await look(client, origin, Envelope(origin.path, "m"), CHAT, API, timeout_s=5)
        finally:
            client.close()

    assert asyncio.run(main()).models == ["m"]
    assert server.requests == []
