"""What helps against a refusal, from what the server said."""

from __future__ import annotations

import json

import pytest

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.transports.advice import adapted, adapted_body, change_for, redirect_text, remedy_for


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("not 'max_tokens', but 'max_completion_tokens'", ("max_tokens", "max_completion_tokens", 0)),
        ("Extra inputs are not permitted: stream_options", ("stream_options", None, 0)),
        ("max_output_tokens: Expected a value >= 16, but got 1", ("", None, 16)),
        ("max_tokens must be at least 4", ("", None, 4)),
        ("minimum value is 8 for max_tokens", ("", None, 8)),
    ],
)  # fmt: skip
def test_a_change_that_the_server_asks_for(said: str, change: tuple[str, str | None, int]) -> None:
    found = change_for(said, 1)
    assert found is not None
    assert found[:3] == change
    assert found.note


@pytest.mark.parametrize(
    "said",
    [
        "the model m does not exist",
        "max_tokens must be at least 1",
        "max_completion_tokens is too large",
        "temperature must be at least 2",
        "maximum context length is 16 tokens, you requested 28 tokens",
    ],
)
def test_no_change_is_asked_for(said: str) -> None:
    assert change_for(said, 1) is None


def test_remedies() -> None:
    assert "max_completion_tokens" in str(remedy_for("use max_completion_tokens, not max_tokens"))
    assert remedy_for("Unrecognized argument: ignore_eos") == "leave out --ignore-eos"
    assert remedy_for("This model's maximum context length is 16 tokens") is None


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("https://h/v2/chat/completions", "use --base-url https://h/v2"),
        ("http://h:8/completions", "use --base-url http://h:8"),
        ("/v2/messages", "use a --base-url with the path /v2"),
        ("/v2/messages/", "with a 307 or 308 redirect only"),
        ("/sso", "which is no path of this API"),
        ("", "which is no path of this API"),
        (
            "https://h/v2/messages?a=b&key=c",
            "redirected to https://h/v2/messages?a=b&key=***: use --base-url https://h/v2?a=b&key=***",
        ),
        ("/v2/messages?a=b", "use a --base-url with the path /v2?a=b"),
        ("//h/v2/messages", "use --base-url http://h/v2"),
    ],
)
def test_redirects(location: str, text: str) -> None:
    assert redirect_text(location).endswith(text) or text in redirect_text(location)


def test_a_slash_at_the_end_at_another_server() -> None:
    assert redirect_text("https://h/v1/messages/", "http://h").endswith("use --base-url https://h/v1")
    assert redirect_text("//h/v1/messages/", "https://h").endswith("with a 307 or 308 redirect only")


def test_an_adapted_request() -> None:
    request = HttpRequest("POST", "/p", {"A": "b"}, b'{"a":1,"b":2,"c":null}')
    found = adapted(request, {"a": "z", "b": None})
    assert (found.method, found.path, found.headers) == ("POST", "/p", {"A": "b"})
    assert json.loads(found.body) == {"z": 1, "c": None}
    assert adapted(request, {"d": None}) is request
    assert adapted_body(b"[1]", {"a": None}) is None
    assert adapted_body(b"\xff", {"a": None}) is None
