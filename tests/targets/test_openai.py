"""``--api openai``: what it settles and refuses, its look at a server, one request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import ENDING, ScriptedServer, event, response, stream_head
from tests.targets.helpers import FOREIGN, look, refusal, refused_look, send, settled

from llmdyno.targets import openai

Scripted = Callable[..., ScriptedServer]
REFUSED = {
    "deployment": ("--deployment", "is for the embedded emulator", "leave it out, or leave out --base-url and --api"),
    "speed": ("--speed", "is for the embedded emulator", "leave it out, or leave out --base-url and --api"),
    "region": ("--region", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "profile": ("--profile", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "endpoint_url": ("--endpoint-url", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "service_tier": ("--service-tier", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "litellm_param": ("--litellm-param", "is for --api litellm, and this is openai", "use --extra-body"),
    "litellm_mode": ("--litellm-mode", "is for --api litellm, and this is openai", "leave it out"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_another_apis_key_is_refused_with_a_remedy(key: str) -> None:
    assert refusal(base_url="http://h:1/v1", requests=1, **{key: FOREIGN[key]}) == REFUSED[key]


def test_the_environment_gives_the_url_and_the_key() -> None:
    environ = {"OPENAI_BASE_URL": "http://h:1/v1", "OPENAI_API_KEY": "k"}
    spec = settled(environ, api="openai", model="m", requests=1)
    assert (spec.base_url, spec.api_key, spec.route) == ("http://h:1/v1", "k", "chat")


def test_what_is_given_goes_before_the_environment() -> None:
    environ = {"OPENAI_BASE_URL": "http://other/v1", "OPENAI_API_KEY": "other"}
    spec = settled(environ, base_url="http://h:1/v1", api_key="k", route="completions", requests=1)
    assert (spec.base_url, spec.api_key, spec.route) == ("http://h:1/v1", "k", "completions")


@pytest.mark.parametrize("environ", [{}, {"OPENAI_BASE_URL": ""}])
def test_without_a_url_it_is_refused(environ: dict[str, str]) -> None:
    assert refusal(environ, api="openai", requests=1) == ("--base-url", "not given", "give it, or set OPENAI_BASE_URL")


def test_a_bad_variable_is_named() -> None:
    assert refusal({"OPENAI_BASE_URL": "nonsense"}, api="openai", requests=1)[0] == "OPENAI_BASE_URL"


def test_there_is_no_service_and_the_url_is_the_base() -> None:
    spec = settled(base_url="http://h:1/v1", requests=1)
    assert openai.service(spec) is None
    assert openai.url(spec, {}) == "http://h:1/v1"


def test_the_look_names_the_only_model(scripted: Scripted) -> None:
    models = response(b'{"data":[{"id":"m"}]}', more="Server: s/1\r\nx-llmdyno-emulated: profile=p; speed=4\r\n")
    server = scripted([], models=models)
    spec, found = look(settled(base_url=server.url, requests=1, api_key="k"))
    assert server.asked == [b"GET /v1/models HTTP/1.1"]
    assert (spec.model, found.model, found.models, found.server) == ("m", "m", ("m",), "s/1")
    assert (found.base_url, found.address, found.dialect) == (server.url, f"127.0.0.1:{server.port}", "openai chat")
    assert found.emulated is not None
    assert (found.emulated.profile, found.emulated.speed, found.emulated.embedded) == ("p", 4.0, False)


def test_two_models_and_none_named(scripted: Scripted) -> None:
    server = scripted([], models=response(b'{"data":[{"id":"a"},{"id":"b"}]}'))
    spec = settled(base_url=server.url, requests=1)
    assert refused_look(spec) == ("--model", "not given, and the server lists a, b", "name the model")


def test_a_refused_key_names_the_ways_to_give_one(scripted: Scripted) -> None:
    denied = response(b'{"error":{"message":"bad key sk-x1y2z3"}}', "401 Unauthorized")
    server = scripted([], models=denied)
    assert refused_look(settled(base_url=server.url, requests=1, api_key="sk-x1y2z3")) == (
        f"http://127.0.0.1:{server.port}/v1/models",
        "the server answered 401 (bad key ***)",
        "give a valid key with --api-key or OPENAI_API_KEY",
    )


def test_without_a_look_nobody_is_asked_and_a_model_is_needed(scripted: Scripted) -> None:
    server = scripted([])
    spec, found = look(settled(base_url=server.url, requests=1, model="m", preflight=False))
    assert (spec.model, found.model, found.models, server.asked) == ("m", "m", None, [])
    nameless = settled(base_url=server.url, requests=1, preflight=False)
    what = "not given, and with --no-preflight nothing looks it up"
    assert refused_look(nameless) == ("--model", what, "name the model")


def test_its_target_sends_what_the_spec_says(scripted: Scripted) -> None:
    server = scripted([stream_head() + event("a"), event("b") + ENDING])
    spec, found = look(settled(base_url=server.url, requests=1, api_key="k", temperature=0.5, ignore_eos=True))
    record = send(spec, found)
    assert (record.state, record.text, record.server_output_tokens) == ("ok", "ab", 2)
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"Authorization: Bearer k" in head
    sent = json.loads(body)
    assert sent["messages"] == [{"role": "user", "content": "Hello"}]
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["ignore_eos"]) == ("m", 5, 0.5, True)


def test_the_load_carries_what_the_look_found_out(scripted: Scripted) -> None:
    refusal = response(b'{"error":"max_tokens is unsupported, use max_completion_tokens"}', "400 X")
    good = [stream_head() + event("a"), event("b") + ENDING]
    server = scripted([refusal], good, models=response(b"", "404 X"))
    spec, found = look(settled(base_url=server.url, requests=1, model="m"))
    assert (found.renamed, len(found.notes)) == ((("max_tokens", "max_completion_tokens"),), 2)
    assert send(spec, found).state == "ok"
    sent = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    assert (sent.get("max_tokens"), sent["max_completion_tokens"]) == (None, 5)


@pytest.mark.parametrize(
    "models",
    [response(b'{"data":[{"id":"m"}]}'), response(b'{"data":[{"id":"m"},{"id":"n"}]}'), response(b"", "403 X")],
)
@pytest.mark.parametrize("preflight", [True, False])
def test_a_field_that_the_server_wants_is_found_out_however_the_look_ends(
    scripted: Scripted, models: bytes, preflight: bool
) -> None:
    refusal = response(b'{"error":"max_tokens is unsupported, use max_completion_tokens"}', "400 X")
    good = [stream_head() + event("a"), event("b") + ENDING]
    server = scripted([refusal], good, models=models)
    spec, found = look(settled(base_url=server.url, requests=1, model="m", preflight=preflight))
    asked_itself = preflight and b"403" in models
    assert len(server.requests) == (2 if asked_itself else 0)
    record = send(spec, found)
    assert (record.state, record.resends, record.resend_reason is None) == ("ok", 0, asked_itself)
    assert len(server.requests) == (3 if asked_itself else 2)
    assert json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])["max_completion_tokens"] == 5


def test_a_socket_needs_a_url(tmp_path: Path) -> None:
    fits = "add --base-url, such as http://localhost/v1"
    what = "needs a URL for the path and the Host header of requests"
    assert refusal(unix_socket="/s", requests=1) == ("--unix-socket", what, fits)
    spec = settled({"OPENAI_BASE_URL": "http://h/v1"}, unix_socket="/s", requests=1)
    assert (spec.api, spec.base_url, spec.unix_socket) == ("openai", "http://h/v1", "/s")


def test_a_server_on_a_unix_socket(scripted: Scripted, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = scripted([stream_head() + event("a"), event("b") + ENDING], unix=path)
    spec, found = look(settled(base_url="http://h/v1?a=b", unix_socket=path, requests=1, headers={"Host": "n"}))
    assert found.notes == (f"through the Unix socket {path}", "with the Host header n")
    assert send(spec, found).state == "ok"
    for request in (server.gets[0], server.requests[0]):
        assert b"?a=b HTTP/1.1\r\nHost: n\r\n" in request
