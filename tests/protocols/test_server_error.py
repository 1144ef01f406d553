"""What servers say about errors, in bodies of many shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdyno.protocols.events import STREAM_ERROR, Failure
from llmdyno.protocols.server_error import error_text, failure_in, failure_in_words, stray_failure


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error":{"message":"bad model","type":"x"}}', "bad model"),
        (b'{"message":"slow down"}', "slow down"),
        (b'{"detail":[{"msg":"field required"}]}', "field required"),
        (b'{"detail":[{"loc":["body","n"],"msg":"too small"}]}', "body.n: too small"),
        (
            b'{"detail":[{"loc":["body","messages",0,"role"],"msg":"missing"},{"loc":["query","a"],"msg":"bad"}]}',
            "body.messages.0.role: missing; query.a: bad",
        ),
        (b'{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"denied"}]}}', "body.n: denied"),
        (b'{"status":500,"error":"Internal Server Error","message":"no worker"}', "Internal Server Error: no worker"),
        (b'{"errors":[{"message":"a"},{"message":"b"}]}', "a; b"),
        (b'{"error":true,"message":"closed"}', "closed"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b"<html>\n <h1>Bad  Gateway</h1>", "Bad Gateway"),
        (b"<!doctype html><TITLE>502 &amp; more</TITLE><body><h1>x</h1>", "502 & more"),
        (b"<html><body>Access <b>denied</b></body></html>", "Access denied"),
        (b"1 < 2 </title>", "1 < 2 </title>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message":"\\ud83d!"}', "\ufffd!"),
        (b"", ""),
        (b'{"a":1}', '{"a":1}'),
        (b"[" * 100_000, "[" * 300),
        (b'{"error":' * 300 + b'"x"' + b"}" * 300, ('{"error":' * 40)[:300]),
    ],
)  # fmt: skip
def test_the_servers_own_message(body: bytes, text: str) -> None:
    assert error_text(body) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"error": {"message": "full", "type": "overload", "code": 503}}, (503, "full", "overload")),
        ({"error": {"message": "full", "type": "None", "code": "429"}}, (429, "full", None)),
        ({"error": {"message": "x", "code": 10**30}}, (None, "x", None)),
        ({"error": "plain", "error_type": "generation"}, (None, "plain", "generation")),
        ({"choices": [{"delta": {}}], "error": {"message": "late"}}, (None, "late", None)),
        ({"object": "error", "message": "long", "code": 400, "type": "Bad"}, (400, "long", "Bad")),
        ({"type": "error", "error": {"type": "overloaded", "message": "busy"}}, (None, "busy", "overloaded")),
        ({"type": "error"}, (None, "an error event without a message", None)),
        ({"code": "InvalidParameter", "message": "range"}, (None, "range", "InvalidParameter")),
        ({"status": 503, "message": "down"}, (503, "down", None)),
        ({"statusCode": 404, "message": "gone"}, (404, "gone", None)),
        ({"error_code": 336, "error_msg": "quota"}, (336, "quota", None)),
        ({"detail": "Not Found"}, (None, "Not Found", None)),
        ({"success": False, "msg": "no"}, (None, "no", None)),
        ({"base_resp": {"status_code": 1004, "status_msg": "login"}, "choices": None}, (1004, "login", None)),
        ({"message": "x", "__type": "com.amazon#Throttled"}, (None, "x", "Throttled")),
    ],
)
def test_an_error_in_any_shape(value: Any, expected: tuple[int | None, str, str | None]) -> None:
    code, message, name = expected
    assert failure_in(value) == Failure(STREAM_ERROR, code, message, name)


@pytest.mark.parametrize(
    "value",
    [
        {"choices": [{"delta": {"content": "a"}}], "error": ""},
        {"choices": [{"delta": {"content": "a"}}], "error": {}},
        {"choices": [{"delta": {"content": "a"}}], "error": {"code": 0, "message": ""}},
        {"choices": [{"delta": {"content": "a"}}], "error": "null"},
        {"choices": [{"delta": {"content": "a"}}], "code": 7, "message": "beside content"},
        {"choices": [{"delta": {}}], "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"code": 200, "message": "ok"},
        {"code": "0", "message": "ok"},
        {"status": "queued", "message": "waiting"},
        {"message": "a notice"},
        {"choices": [], "usage": {"prompt_tokens": 1}, "code": 3, "message": "x"},
        {},
        [],
        None,
        "error",
    ],
)
def test_what_is_no_error(value: Any) -> None:
    assert failure_in(value) is None


def test_lines_that_are_no_event() -> None:
    said = {"code": 400, "message": "context", "type": "bad"}
    assert stray_failure(b"error: " + json.dumps(said).encode()) == Failure(STREAM_ERROR, 400, "context", "bad")
    assert stray_failure(json.dumps({"error": said}, indent=1).encode()) == Failure(STREAM_ERROR, 400, "context", "bad")
    assert stray_failure(b"error: out of memory") == Failure(STREAM_ERROR, None, "out of memory")
    assert stray_failure(b"error:") is None
    assert stray_failure(b'{"choices": []}') is None
    assert stray_failure(b"hello") is None
    assert failure_in_words(b"{}") == Failure(STREAM_ERROR, None, "an error event without a message")
