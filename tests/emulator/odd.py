"""Odd requests for the emulator, drawn from a seed: every route, every field, every way to be wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tests.emulator.serving import CHAT, TEXT, request

from llmdyno.emulator.model import DEFAULT_PROFILE

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model%2Femulated0001"
VERSION = {"anthropic-version": "2023-06-01"}
TOOL = {"name": "t", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"enum": ["b"]}}}}
MESSAGE = {
    **CHAT,
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "source": {}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "t", "input": {"a": "b"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text"}]}]},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "tool", "name": "t"},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "stop_sequences": ["a"],
}
SAMPLING = {"stream": True, "temperature": 0, "top_p": 0.5, "stop": ["a"], "stream_options": {"include_usage": True}}
CONVERSE = {
    "messages": [{"role": "user", "content": [{"text": "x"}]}],
    "system": [{"text": "s"}],
    "inferenceConfig": {"maxTokens": 3, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a"]},
}
JOB = {
    "jobName": "job",
    "importedModelName": "model",
    "roleArn": "arn:aws:iam::123456789012:role/r",
    "clientRequestToken": "token",
    "modelDataSource": {"s3DataSource": {"s3Uri": "s3://bucket/folder/"}},
    "jobTags": [{"key": "a", "value": "b"}],
    "vpcConfig": {"subnetIds": ["a"], "securityGroupIds": ["b"]},
}
PROMPTS = (
    "Write this number in digits: " + "hundred " * 300,
    "Write this number in digits: ſeven",
    'Write JSON: key "a" holds the text "\\x" key "b" holds the number ' + "9" * 5000,
    "<<<\n" * 300,
    "count " * 300,
    "\ud800 <| |> <|a|>",
    " " * 5000,
    "",
)
ROUTES: tuple[tuple[str, str, dict[str, Any], dict[str, str]], ...] = (
    ("POST", "/v1/chat/completions", {**CHAT, **SAMPLING}, {}),
    ("POST", "/v1/chat/completions", {**CHAT, "max_completion_tokens": 2, "tools": [TOOL]}, {}),
    ("POST", "/v1/completions", {**TEXT, **SAMPLING}, {}),
    ("POST", "/v1/messages", MESSAGE, VERSION),
    ("POST", "/v1/messages", {**CHAT, "stream": True, "temperature": 0}, VERSION),
    ("POST", f"/model/{ARN}/invoke", {"prompt": "x", "max_gen_len": 3, "temperature": 0, "stop": ["a"]}, {}),
    ("POST", f"/model/{ARN}/invoke-with-response-stream", {"prompt": "x", "max_tokens": 3, "top_p": 0.5}, {}),
    ("POST", f"/model/{ARN}/invoke", {"messages": CHAT["messages"], "max_tokens": 3}, {}),
    ("POST", f"/model/{ARN}/converse", CONVERSE, {}),
    ("POST", f"/model/{ARN}/converse-stream", CONVERSE, {}),
    ("POST", "/model-import-jobs", JOB, {}),
    ("GET", "/model-import-jobs?maxResults=5&creationTimeAfter=2026-01-01T00:00:00", {}, {}),
    ("GET", f"/imported-models/{ARN}", {}, {}),
    ("DELETE", "/imported-models/none", {}, {}),
    ("GET", "/v1/models", {}, {}),
    ("GET", "/health", {}, {}),
    ("GET", "/truth", {}, {}),
    ("GET", "/truth/copies", {}, {}),
    ("POST", "/reset", {}, {}),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "BREW", "get", "CONNECT")
TARGETS = (
    *("*", "/", "//", "/?", "/%", "/%00", "/v1/../truth", "/model//invoke", "/model/%FF/invoke", "/v1/models?x=%zz"),
    *(
        "http://localhost/health",
        "http://foreign.example/truth",
        "ftp://localhost/",
        "localhost:80",
        "x",
        "/" + "a" * 9000,
    ),
    "/imported-models?maxResults=" + "9" * 5000,
    "/imported-models?creationTimeAfter=0001-01-01&creationTimeBefore=9999-12-31",
    f"/model/{ARN}/converse?" + "a=b&" * 100,
)
HEADERS = (
    *(
        "Upgrade: h2c\r\nConnection: Upgrade",
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade",
        "Connection: close",
    ),
    *(
        "Expect: 100-continue",
        "Expect: tea",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked",
        "Content-Length: 0",
    ),
    *(
        "Host: foreign.example",
        "Host: ",
        "Host: [::1",
        "Host: localhost:99999999",
        "Content-Encoding: gzip",
        "X: \xff\xfe",
    ),
    *("Authorization: Bearer", "Authorization: AWS4-HMAC-SHA256 x", "anthropic-version: \xe9", "X y: z", ": x", "X"),
    "\r\n".join(f"X-{n}: y" for n in range(2000)),
    "X: " + "y" * 70_000,
)
RAW = "raw token "
"""A string that begins so stands for what follows, without quotes."""
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        3,
        1.5,
        2**70,
        -(2**70),
        "",
        "x",
        "1",
        "true",
        "\ud800",
        "\x00",
        "é" * 300,
        "y" * 9000,
    ),
    *(
        [],
        {},
        [[]],
        [None],
        [1],
        ["a"],
        [{}],
        [{"text": 1}],
        [{"type": ["x"]}],
        {"type": {}},
        {"text": "x"},
        [True] * 500,
    ),
    *(
        RAW + token
        for token in ("1e400", "-1e400", "NaN", "Infinity", "9" * 5000, "1.0", "-0", "nul", "'x'", "", "0x1")
    ),
    *(RAW + "[" * depth + "]" * depth for depth in (90, 400, 900, 100_000)),
    RAW + '{"content":' * 300 + "1" + "}" * 300,
    RAW + '[{"type":"tool_result","content":' * 300 + '"x"' + "}]" * 300,
    *PROMPTS,
)


class Odd(NamedTuple):
    """One odd request. `whole`: a server can tell where it ends."""

    method: str
    data: bytes
    whole: bool


def requests(seed: int, count: int) -> Iterator[Odd]:
    """`count` odd requests."""
    rng = Random(f"odd requests {seed}")
    for _ in range(count):
        yield rng.choice((_odd_fields, _odd_fields, _odd_fields, _odd_body, _odd_head, _odd_bytes))(rng)


def _odd_fields(rng: Random) -> Odd:
    """A well-formed request with one to three odd fields."""
    method, url, fields, headers = rng.choice([route for route in ROUTES if route[2]])
    return Odd(method, request(method, url, _with_odd_fields(rng, fields), headers), True)


def _with_odd_fields(rng: Random, fields: dict[str, Any]) -> bytes:
    value: Any = copy.deepcopy(fields)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = value
        while True:  # go down until a field is chosen
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.6:
                place = place[key]
                continue
            if rng.random() < 0.1:
                del place[key]
            else:
                place[key] = copy.deepcopy(rng.choice(VALUES))
            break
    text = json.dumps(value, ensure_ascii=rng.random() < 0.8)
    for token in VALUES:
        if isinstance(token, str) and token.startswith(RAW):
            text = text.replace(json.dumps(token), token.removeprefix(RAW))
    return text.encode(errors="surrogatepass")


def _odd_body(rng: Random) -> Odd:
    """A body that is broken, or sent in an odd way."""
    method, url, fields, headers = rng.choice(ROUTES)
    body = json.dumps(fields).encode()
    kind = rng.randrange(6)
    if kind == 0:
        body = body[: rng.randrange(len(body) + 1)]
    elif kind == 1:
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(300)))
    elif kind == 2:
        body = json.dumps(fields).encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
    elif kind == 3:
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
        chunked = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nHost: x\r\n\r\n"
        head = request(method, url, b"", headers).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        return Odd(method, head + chunked, True)
    elif kind == 4:
        length = rng.choice((0, len(body) // 2))
        return Odd(method, request(method, url, body, {**headers, "Content-Length": str(length)}), False)
    else:
        body = json.dumps(rng.choice(VALUES)).encode()
    return Odd(method, request(method, url, body, headers), True)


def _odd_head(rng: Random) -> Odd:
    """An odd method, target, version or header."""
    method, url, fields, headers = rng.choice(ROUTES)
    method = rng.choice(METHODS) if rng.random() < 0.5 else method
    url = rng.choice(TARGETS) if rng.random() < 0.5 else url
    data = request(method, url, json.dumps(fields).encode(), headers)
    if rng.random() < 0.3:
        version = rng.choice((b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/3.7", b"", b"RTSP/1.0"))
        data = data.replace(b"HTTP/1.1", version, 1)
    for _ in range(rng.randrange(3)):
        data = data.replace(b"\r\n", b"\r\n" + rng.choice(HEADERS).encode("latin-1") + b"\r\n", 1)
    return Odd(method, data, False)


def _odd_bytes(rng: Random) -> Odd:
    """A few bytes are others, or too many, or missing."""
    method, url, fields, headers = rng.choice(ROUTES)
    data = bytearray(request(method, url, json.dumps(fields).encode(), headers))
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data))
        data[at : at + rng.randrange(3)] = bytes(rng.randrange(256) for _ in range(rng.randrange(3)))
    return Odd(method, bytes(data), False)


def model_name() -> str:
    """The model that the requests name."""
    return DEFAULT_PROFILE
