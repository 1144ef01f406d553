"""A server that tells everything it hears: the worst one for a secret.

In: requests of any API. Out: answers that repeat the request's line, headers and body in every field that an answer
has, raw and in several encodings, whole, cut and split over chunks. It listens on 127.0.0.1 only. It knows nothing of
llmdyno. :mod:`benchmarks.secret_scan` uses it.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import http.server
import itertools
import json
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote

ENCODINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: quote(text, safe=""),
    lambda text: json.dumps(text)[1:-1],
    lambda text: base64.b64encode(text.encode()).decode(),
    html.escape,
    lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
)
"""How a text is repeated, one way after the other."""


class _Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client closes its connection."""


class EchoServer:
    """A context in which the server runs at `url`. The first part of a path says how its GETs are answered:

    `ok` and `list` with a list of models, `p<status>` with that status, `page` with a web page. POSTs go through all
    kinds of answers, one after the other. `on_post` is called before each.
    """

    def __init__(self, on_post: Callable[[], None] = lambda: None) -> None:
        self._count = itertools.count()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                _answer_get(self)

            def do_POST(self) -> None:
                on_post()
                _answer_post(self, next(outer._count))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.root = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> EchoServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def heard(handler: http.server.BaseHTTPRequestHandler) -> list[str]:
    """Everything that a request said, in parts."""
    size = int(handler.headers.get("Content-Length") or 0)
    body = handler.rfile.read(size).decode("utf-8", "replace")
    parts = [unquote(handler.path)]
    for name, value in handler.headers.items():
        if name.lower() in ("host", "content-length", "content-type", "accept", "user-agent", "accept-encoding"):
            continue
        parts.append(value)
        scheme, _, rest = value.partition(" ")
        if scheme == "Basic":
            with_user = _decoded(rest)
            parts += [with_user, with_user.partition(":")[2]]
        parts += [piece.partition("=")[2] for piece in value.split("; ") if "=" in piece]
    try:
        parts += [text for text in _leaves(json.loads(body)) if text not in ("user", "m")]
    except ValueError:
        parts.append(body)
    return [" ".join(part.split())[:400] for part in parts if len(part) > 5]


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name not in ("messages", "prompt", "inputText"):
                yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str):
        yield value


def _send(handler: http.server.BaseHTTPRequestHandler, status: int, media_type: str, body: bytes, **more: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in more.items():
        handler.send_header(name.replace("_", "-"), value.encode("ascii", "replace").decode()[:4000])
    handler.end_headers()
    handler.wfile.write(body)


def _answer_get(handler: http.server.BaseHTTPRequestHandler) -> None:
    parts = heard(handler)
    mode = handler.path.lstrip("/").partition("/")[0]
    text = " ".join(parts)
    if mode in ("ok", "list"):
        names = [*(["m"] if mode == "ok" else []), *parts]
        body = json.dumps({"data": [{"id": name, "object": text} for name in names]}).encode()
        _send(handler, 200, "application/json", body, Server=text, X_Request_Id=text)
    elif mode == "page":
        _send(handler, 200, "text/html", f"<html><title>{html.escape(text)}</title></html>".encode())
    elif mode.startswith("p3"):
        _send(handler, int(mode[1:]), "text/plain", b"", Location=f"/login?next={quote(text)}")
    else:
        status = int(mode[1:]) if mode[1:].isdigit() else 403
        _send(handler, status, "application/json", _error(parts[0], text), Server=text, X_Amzn_Errortype=text)


def _error(name: str, message: str) -> bytes:
    error = {"message": message, "type": name, "code": name, "param": name}
    return json.dumps({"error": error, "message": message, "__type": name}).encode()


def _answer_post(handler: http.server.BaseHTTPRequestHandler, number: int) -> None:
    parts = heard(handler)
    mode = handler.path.lstrip("/").partition("/")[0]
    say = ENCODINGS[number // len(_KINDS) % len(ENCODINGS)]
    part = parts[number // 3 % len(parts)]
    if mode.startswith("p") and mode[1:].isdigit():
        more = {"Location": "/x?" + quote(part)} if mode[1] == "3" else {}
        _send(handler, int(mode[1:]), "application/json", _error(say(part), say(" ".join(parts))), **more)
    elif mode == "page":
        _send(handler, 200, "text/html", f"<html><title>{html.escape(part)}</title></html>".encode())
    else:
        _KINDS[number % len(_KINDS)](handler, parts, say, part)


def _cut(part: str, at: int) -> str:
    """A part in the middle of which a text of `at` characters ends."""
    return "x" * max(0, at - len(part) // 2) + part


Parts = list[str]
Say = Callable[[str], str]


def _stream(handler: http.server.BaseHTTPRequestHandler, events: Iterator[bytes], text: str, *, whole: bool) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("X-Request-Id", text.encode("ascii", "replace").decode()[:3000])
    handler.end_headers()
    for data in events:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
    if whole:
        handler.wfile.write(b"0\r\n\r\n")
    else:
        handler.close_connection = True


def _event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def _chunks(text: str, size: int, ending: Any, reason: str) -> Iterator[bytes]:
    """A text split over chunks of several kinds, which take turns."""
    head = {"id": text, "model": text, "object": text, "system_fingerprint": text}
    for start in range(0, len(text), size):
        piece = text[start : start + size]
        for delta in ({"content": piece}, {"reasoning_content": piece}):
            yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    call = {"index": 0, "id": text, "function": {"name": text[:60], "arguments": text}}
    yield _event({**head, "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": reason}]})
    yield ending


def _good(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    text = say(" ".join(parts))
    done = _event({"choices": [], "usage": {"prompt_tokens": text, "completion_tokens": 3}}) + _event(b"[DONE]")
    _stream(handler, _chunks(text, 7, done, text), text, whole=True)


def _aborted(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    _stream(handler, _chunks(_cut(part, 40), 9, _event(b"[DONE]"), say(part)), part, whole=False)


def _no_output(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    event = {"id": _cut(part, 300), "choices": [{"index": 0, "delta": {}, "finish_reason": say(part)}]}
    _stream(handler, iter([_event(event), _event(b"[DONE]")]), part, whole=True)


def _refused(status: int, at: int) -> Callable[..., None]:
    def answer(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
        message = _cut(say(part), at) if at else say(" ".join(parts))
        _send(handler, status, "application/json", _error(say(part), message), X_Amzn_Errortype=part, Server=part)

    return answer


def _page(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    body = f"<html><title>{html.escape(_cut(part, 300))}</title></html>"
    _send(handler, 502, "text/html", body.encode())


def _words(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    _send(handler, 200, "text/plain", _cut(say(part), 60).encode())


def _moved(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    _send(handler, 302, "text/plain", b"", Location=f"https://other.invalid/login?next={quote(part)}&k={say(part)}")


def _moved_here(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    """A redirect that is followed: to a path of the same server that repeats the secret."""
    if "moved" in handler.path:
        _refused(500, 300)(handler, parts, say, part)
    else:
        _send(handler, 307, "text/plain", b"", Location=f"{handler.path}?moved={quote(part, safe='')}")


def _compressed(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    body = gzip.compress(_error(say(part), _cut(say(part), 300)))
    _send(handler, 400, "application/json", body, Content_Encoding="gzip", X_Llmdyno_Emulated=f"profile={part}")


def _late_error(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    error = {"error": {"message": _cut(say(part), 300), "type": say(part), "code": say(part)}}
    _stream(handler, iter([_event(error), _event(b"[DONE]")]), part, whole=True)


def _no_json(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    _stream(handler, iter([_event(_cut(say(part), 70).encode())]), part, whole=True)


def _listed(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    detail = [{"loc": ["body", _cut(say(part), 60)], "msg": say(part), "type": part}]
    _send(handler, 422, "application/json", json.dumps({"detail": detail}).encode())


def _frame(handler: http.server.BaseHTTPRequestHandler, parts: Parts, say: Say, part: str) -> None:
    """An exception in AWS's event stream."""
    headers = b""
    names = {":message-type": "exception", ":exception-type": part, ":content-type": "application/json"}
    for name, value in names.items():
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    payload = json.dumps({"message": _cut(say(part), 300)}).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    body = message + struct.pack("!I", binascii.crc32(message))
    _send(handler, 200, "application/vnd.amazon.eventstream", body)


_KINDS: tuple[Callable[..., None], ...] = (
    _good,
    _refused(401, 0),
    _refused(400, 300),
    _page,
    _moved,
    _late_error,
    _no_json,
    _words,
    _no_output,
    _aborted,
    _listed,
    _frame,
    _refused(429, 2400),
    _refused(500, 100),
    _moved_here,
    _compressed,
)
