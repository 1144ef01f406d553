"""What servers say about errors, in bodies of many shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdyno.protocols.events import ABORTED, STREAM_ERROR, Failure
from llmdyno.protocols.server_error import (
    error_text,
    failure_in,
    failure_in_choices,
    failure_in_words,
    says_error,
    stray_failure,
)


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
        ({"error": {"error": {"message": "inner", "code": 503}}}, (503, "inner", None)),
        ({"errors": [{"message": "first", "code": "429"}]}, (429, "first", None)),
        ({"errors": [{"status": "503", "title": "T", "detail": "down"}]}, (503, "down", None)),
        ({"data": None, "errors": [{"message": "m", "extensions": {"code": "X1"}}]}, (None, "m", "X1")),
        ({"detail": {"message": "m", "code": 503}}, (503, "m", None)),
        ({"detail": [{"loc": ["body", "n"], "msg": "small", "type": "missing"}]}, (None, "body.n: small", None)),
        ([{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}], (503, "m", "UNAVAILABLE")),
        ({"success": False, "errors": [{"code": 7009, "message": "m"}], "messages": []}, (7009, "m", None)),
        ({"event": "error", "message": "m"}, (None, "m", None)),
        ({"event_type": "stream-end", "finish_reason": "ERROR", "message": "m"}, (None, "m", None)),
        ({"status": "failed", "reason": "m"}, (None, "m", "failed")),
        ({"exception": "m"}, (None, "m", None)),
        ({"Error": "m"}, (None, "m", None)),
        ({"Error": {"Code": "Slow", "Message": "m"}}, (None, "m", "Slow")),
        ({"Response": {"Error": {"Code": "Slow", "Message": "m"}, "RequestId": ""}}, (None, "m", "Slow")),
        ({"ErrorMsg": {"Msg": "m", "Code": 4001}}, (4001, "m", None)),
        ({"header": {"code": 10013, "message": "m", "sid": "s"}}, (10013, "m", None)),
        ({"fault": {"faultstring": "m", "detail": {"errorcode": "quota"}}}, (None, "m", "quota")),
        ({"data": {"error": {"message": "m", "code": 503}}}, (503, "m", None)),
        ({"type": "response.failed", "response": {"error": {"code": "lost", "message": "m"}}}, (None, "m", "lost")),
        ({"error": "invalid_token", "error_description": "m"}, (None, "invalid_token: m", None)),
        ({"error": '{"error":{"message":"quoted","code":503}}'}, (503, "quoted", None)),
        ({"error": {"message": '{"error":{"message":"quoted"}}', "code": 500}}, (500, "quoted", None)),
        ({"error": ["a", "b"]}, (None, "a; b", None)),
        ({"error": {"message": "", "code": 503}}, (503, '{"message":"","code":503}', None)),
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
        {"header": {"code": 0, "message": "Success"}},
        {"event": "progress", "message": "half"},
        {"request_id": "r", "status": 200, "message": "ok"},
        {"choices": [{"delta": {"content": "a"}}], "exception": "beside content"},
        {"Error": None, "detail": "", "errors": []},
        {"data": {"text": "x"}, "response": {"status": "completed"}},
        [{"choices": [{"delta": {"content": "a"}}]}],
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
    for words in (b"Error: no worker", b"ERROR : no worker"):
        assert stray_failure(words) == Failure(STREAM_ERROR, None, "no worker")
    for words in (b"Internal Server Error: no worker", b"[ERROR] no worker", b"litellm.RateLimitError: no worker"):
        assert stray_failure(words) == Failure(STREAM_ERROR, None, words.decode())
    assert stray_failure(b"an answer about errors in general") is None
    assert stray_failure(b'{"message":"hi"}\n{"error":"late"}') == Failure(STREAM_ERROR, None, "late")
    assert failure_in_words(b"{}") == Failure(STREAM_ERROR, None, "an error event without a message")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"error": {"code": 502, "message": "lost"}}, (STREAM_ERROR, 502, "lost", None)),
        ({"delta": {"error": {"code": 502, "message": "lost"}}}, (STREAM_ERROR, 502, "lost", None)),
        (
            {"finish_reason": {"type": "abort", "message": "full", "status_code": 503, "err_type": "Busy"}},
            (ABORTED, 503, "the server ended the answer with the finish reason 'abort': full", "Busy"),
        ),
    ],
)
def test_errors_inside_a_choice(choice: dict[str, Any], expected: tuple[str, int, str, str | None]) -> None:
    choice["finish_reason"] = choice.get("finish_reason", "error")
    assert failure_in_choices([{"delta": {}}, choice]) == Failure(*expected)


def test_choices_without_an_error() -> None:
    choices = [{"error": None, "delta": {"error": ""}}, {"finish_reason": {"type": "length", "message": "full"}}]
    assert failure_in_choices(choices) is None


@pytest.mark.parametrize(
    ("kind", "says"),
    [(b"error", True), (b"Error", True), (b"server_error", True), (b"exception", True), (b"response.failed", True),
     (b"", False), (b"message", False), (b"ping", False), (b"errors_so_far", False)],
)  # fmt: skip
def test_types_of_events_that_say_error(kind: bytes, says: bool) -> None:
    assert says_error(kind) == says
