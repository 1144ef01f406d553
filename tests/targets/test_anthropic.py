"""``--api anthropic``: what it settles and refuses, its look at a server, one request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support import ANTHROPIC_START, ScriptedServer, chunk, response, stream_head
from tests.targets.helpers import FOREIGN, look, refusal, refused_look, send, settled

from llmdyno.targets import anthropic

Scripted = Callable[..., ScriptedServer]
REFUSED = {
    "deployment": ("--deployment", "is for the embedded emulator", "leave it out, or leave out --base-url and --api"),
    "speed": ("--speed", "is for the embedded emulator", "leave it out, or leave out --base-url and --api"),
    "region": ("--region", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "profile": ("--profile", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "endpoint_url": ("--endpoint-url", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "service_tier": ("--service-tier", "is for Amazon Bedrock", "leave it out, or add --api bedrock"),
    "litellm_param": ("--litellm-param", "is for --api litellm, and this is anthropic", "use --extra-body"),
    "litellm_mode": ("--litellm-mode", "is for --api litellm, and this is anthropic", "leave it out"),
    "route": ("--route", "'chat' is no route of --api anthropic", "what fits: messages"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_another_apis_key_is_refused_with_a_remedy(key: str) -> None:
    assert refusal(api="anthropic", requests=1, **{key: FOREIGN[key]}) == REFUSED[key]


@pytest.mark.parametrize(
    ("environ", "keys", "base_url", "api_key"),
    [
        ({}, {}, "https://api.anthropic.com/v1", None),
        (
            {"ANTHROPIC_BASE_URL": "http://h:1", "ANTHROPIC_API_KEY": "k"},
            {},
            "http://h:1/v1",  # the variable has no /v1, as Anthropic's own clients read it
            "k",
        ),
        ({"ANTHROPIC_BASE_URL": "http://h:1", "ANTHROPIC_API_KEY": "k"}, {"api_key": "g"}, "http://h:1/v1", "g"),
        ({"ANTHROPIC_BASE_URL": "http://h:1/a/?b=c"}, {}, "http://h:1/a/v1?b=c", None),
        ({"ANTHROPIC_BASE_URL": "http://h:1"}, {"base_url": "http://g:2/v1"}, "http://g:2/v1", None),
    ],
)
def test_where_the_url_and_the_key_come_from(
    environ: dict[str, str], keys: dict[str, Any], base_url: str, api_key: str | None
) -> None:
    spec = settled(environ, api="anthropic", model="m", requests=1, **keys)
    assert (spec.base_url, spec.api_key, spec.route) == (base_url, api_key, "messages")
    assert (anthropic.service(spec), anthropic.url(spec, environ)) == (None, base_url)


def test_a_bad_variable_is_named() -> None:
    assert refusal({"ANTHROPIC_BASE_URL": "nonsense"}, api="anthropic", requests=1)[0] == "ANTHROPIC_BASE_URL"


def test_the_look_and_one_request_carry_the_key_and_the_version(scripted: Scripted) -> None:
    events: list[dict[str, Any]] = [
        ANTHROPIC_START,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    frames = b"".join(chunk(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode()) for one in events)
    server = scripted([stream_head() + frames + chunk(b"")], models=response(b'{"data":[{"id":"claude-x"}]}'))
    spec, found = look(settled(api="anthropic", base_url=server.url, api_key="k", requests=1))
    assert (spec.model, found.models, found.dialect) == ("claude-x", ("claude-x",), "anthropic messages")
    record = send(spec, found)
    assert (record.state, record.text, record.server_input_tokens, record.server_output_tokens) == ("ok", "Hi", 25, 4)
    assert server.asked == [b"GET /v1/models HTTP/1.1", b"POST /v1/messages HTTP/1.1"]
    assert b"x-api-key: k" in server.requests[0]
    assert b"anthropic-version: 2023-06-01" in server.requests[0]


def test_a_refused_key_names_the_ways_to_give_one(scripted: Scripted) -> None:
    server = scripted([], models=response(b'{"error":{"message":"invalid x-api-key"}}', "401 Unauthorized"))
    assert refused_look(settled(api="anthropic", base_url=server.url, requests=1)) == (
        f"http://127.0.0.1:{server.port}/v1/models",
        "the server answered 401 (invalid x-api-key)",
        "give a valid key with --api-key or ANTHROPIC_API_KEY",
    )
