"""One client connection of the emulator: HTTP/1.1 requests in, answers out, one at a time and in order.

In: bytes from a socket; tokens from the server, when the model says so. Out: bytes, each token with one
`send` straight to the socket; the truth about each request. Every answer of the emulator's own carries a
header that says it is emulated; what moto answers is passed on as it is.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
import zlib
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import httptools

from llmdyno._version import __version__
from llmdyno.emulator import answers, bedrock, signatures
from llmdyno.emulator.bedrock import BedrockAnswer, ServiceError
from llmdyno.emulator.control import operate
from llmdyno.emulator.copies import HOLD, SERVE, THROTTLE, Copies
from llmdyno.emulator.faults import BEFORE, EXCEPTIONS, GARBLE, SLOW, SLOW_S
from llmdyno.emulator.openai import (
    CHAT_PATH,
    COMPLETIONS_PATH,
    MODELS_PATH,
    Answer,
    Asked,
    Refusal,
    models_body,
    read_request,
)
from llmdyno.emulator.truth import Truth

if TYPE_CHECKING:
    from llmdyno.emulator.server import Emulator

_READ_SIZE = 65536
_LARGEST_BODY = 100_000_000


class Connection:
    """One client connection: one request at a time, in order."""

    def __init__(self, server: Emulator, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._server = server
        self._loop = loop
        self._sock = sock
        self._open = True
        self._unsent = bytearray()
        self._stream: int | None = None
        self._truth: Truth | None = None
        self._closing = False
        self._answer: Answer | BedrockAnswer | None = None
        self._copy: tuple[Copies, int] | None = None
        self._model_arn = ""
        self._input_tokens = 0
        self._pending: asyncio.Task[None] | None = None
        self._fault: str | None = None
        self._words: list[str] | None = None
        self._fault_at = 0
        self._offset = 0
        self._requests: deque[tuple[str, str, dict[str, str], bytes]] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()
        loop.add_reader(sock.fileno(), self._read)

    # --- the parser's calls

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) <= _LARGEST_BODY:
            self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        self._requests.append((method, self._url.decode("latin-1"), self._headers, bytes(self._body)))

    # --- requests

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.drop()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._respond(400, b'{"error":{"message":"not HTTP/1.1"}}')
            self.drop()
            return
        self._next()

    def _next(self) -> None:
        while self._open and self._answer is None and self._pending is None and self._requests:
            method, url, headers, body = self._requests.popleft()
            self._handle(method, url, headers, body)

    def _handle(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        server, path = self._server, url.partition("?")[0]
        routes: dict[tuple[str, str], Callable[[], tuple[bytes, str]]] = {
            ("GET", MODELS_PATH): lambda: (
                models_body(server.profile.name, server.created),
                "application/json",
            ),
            ("GET", "/health"): lambda: (b'{"status":"ok"}', "application/json"),
            ("GET", "/truth"): lambda: (
                "".join(truth.line() for truth in server.truths).encode(),
                "application/jsonl",
            ),
            ("GET", "/truth/lateness"): lambda: (server.lateness(), "application/json"),
            ("GET", "/truth/copies"): lambda: (server.copies_truth(), "application/json"),
            ("POST", "/reset"): self._reset,
        }
        if path.startswith("/v1/") and not server.authorised(headers):
            self._respond(401, Refusal(401, "AuthenticationError", "the API key is wrong or missing").body)
        elif (method, path) in routes:
            content, media_type = routes[method, path]()
            self._respond(200, content, media_type)
        elif method == "POST" and path in (CHAT_PATH, COMPLETIONS_PATH):
            self._complete(path, body)
        elif method == "POST" and path.startswith("/model/"):
            self._invoke(path, headers, body)
        elif path.split("/")[1] in ("model-import-jobs", "imported-models"):
            self._operate(method, url, body)
        elif server.services is not None and not path.startswith("/v1/"):
            self._pending = server.spawn(self._forward(method, url, headers, body))
        else:
            self._respond(404, Refusal(404, "NotFoundError", f"there is no {method} {path}").body)

    def _reset(self) -> tuple[bytes, str]:
        self._server.forget_truth()
        return b'{"status":"ok"}', "application/json"

    def _complete(self, path: str, body: bytes) -> None:
        server = self._server
        truth = server.remember()
        try:
            asked = read_request(path, body, server.profile.name)
        except Refusal as refusal:
            truth.status, truth.end_ns = refusal.status, time.monotonic_ns()
            self._respond(refusal.status, refusal.body)
            return
        self._prepare(Answer(asked, truth.number, server.created, server.profile.name), truth, asked)
        self._begin(asked, truth.arrive_ns)

    def _invoke(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Bedrock's runtime: find the model, read the body, ask the copies."""
        server = self._server
        truth = server.remember()
        found = bedrock.split_path(path)
        if found is None:  # as the service is reported to answer a raw slash in an ARN
            truth.status, truth.end_ns = 200, time.monotonic_ns()
            self._respond(200, bedrock.UNKNOWN_OPERATION)
            return
        identifier, operation = found
        try:
            if server.verify_signatures:
                signatures.check("POST", path, headers, body, datetime.now(UTC))
            model = server.find_model(identifier)
            call = bedrock.read_call(operation, body, model)
            fault = server.faults.of(truth.number)
            if fault in BEFORE:
                raise ServiceError(*BEFORE[fault])
            copies = server.copies_of(model.arn)
            decision = copies.arrive(truth.arrive_ns)
            if decision.kind == THROTTLE:
                raise ServiceError(*bedrock.THROTTLED)
            if decision.kind not in (SERVE, HOLD):
                raise ServiceError(*bedrock.NOT_READY)
        except ServiceError as error:
            truth.status, truth.end_ns = error.status, time.monotonic_ns()
            server.counts.refused(identifier if identifier.startswith("arn:") else server.model_arn, error)
            self._respond(error.status, error.body, headers=[error.headers])
            return
        assert decision.copy is not None
        self._input_tokens = call.input_tokens
        self._prepare(BedrockAnswer(call, truth.number, server.created), truth, call)
        self._fault = None if fault == GARBLE else fault
        self._copy = (copies, decision.copy)
        self._model_arn = model.arn
        extra_s = server.scaling.first_inference_s if decision.first else 0.0
        if fault == SLOW:
            self._fault, extra_s = None, extra_s + SLOW_S
        delay_s = (decision.from_ns - time.monotonic_ns()) / 1e9
        if decision.kind == HOLD and delay_s > 0:
            self._loop.call_later(delay_s, self._begin, call, decision.from_ns, extra_s)
        else:
            self._begin(call, truth.arrive_ns, extra_s)

    def _prepare(self, answer: Answer | BedrockAnswer, truth: Truth, asked: Asked | bedrock.Call) -> None:
        server = self._server
        self._truth, self._answer = truth, answer
        garbled = server.garbles(truth.number)
        # At temperature 0 the same prompt gets the same text, as long as nothing is wrong.
        settled = asked.temperature == 0 and not garbled
        self._offset = zlib.crc32(asked.text.encode()) if settled else 97 * truth.number
        self._words = answers.answer(asked.text)
        if self._words is not None and garbled:
            self._words = answers.garbled(self._words)
        self._fault = None
        self._fault_at = asked.max_tokens // 2

    def _begin(self, asked: Asked | bedrock.Call, from_ns: int, extra_s: float = 0.0) -> None:
        answer = self._answer
        if not self._open or answer is None:
            return  # the client left while it waited
        if answer.stream:
            self._send(self._head(200, answer.media_type, [*answer.headers, "Transfer-Encoding: chunked"]))
        length = len(self._words) if self._words is not None and not asked.ignore_eos else None
        self._stream = self._server.begin(self, asked, from_ns, extra_s, length)

    def token(self, index: int, finish_reason: str | None) -> None:
        """Write one token, and what ends the answer after its last."""
        server, answer, truth = self._server, self._answer, self._truth
        assert answer is not None
        assert truth is not None
        if self._fault is not None and index >= self._fault_at and self._break(self._fault):
            return
        vocabulary, words = server.vocabulary, self._words
        if words is not None and index < len(words):
            content = answer.token(index, words[index])
            if finish_reason is not None and index + 1 == len(words):
                finish_reason = "stop"
        else:
            content = answer.token(index, vocabulary[(self._offset + index) % len(vocabulary)])
        if finish_reason is None:
            truth.written_ns.append(time.monotonic_ns())
            if content:
                self._send(b"%x\r\n%b\r\n" % (len(content), content))
            return
        now_ns = time.monotonic_ns()
        truth.written_ns.append(now_ns)
        latencies = ((moment - truth.arrive_ns) // 1_000_000 for moment in (now_ns, truth.written_ns[0]))
        tail = answer.end(index + 1, finish_reason, *latencies)
        if answer.stream:
            self._send(b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content, len(tail), tail))
        else:
            self._respond(200, tail, answer.media_type, answer.headers)
        self._ended(200)
        self._next()

    def _break(self, fault: str) -> bool:
        """Let a fault happen in mid-stream; whether the stream is over with it."""
        answer = self._answer
        assert answer is not None
        if fault == "crc":
            self._fault = None
            damaged = bytearray(answer.token(1, " damaged"))
            if damaged:
                damaged[-1] ^= 1
                self._send(b"%x\r\n%b\r\n" % (len(damaged), bytes(damaged)))
            return False
        if fault == "cut":
            self.drop()
        elif fault == "stall":
            if self._stream is not None:
                self._server.end(self._stream, left=True)  # no more tokens, until the client leaves
        else:
            content = answer.fault(EXCEPTIONS[fault], "The stream was ended. Try your request again.")
            self._send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
            self._ended(500)
            self._next()
        return True

    def _ended(self, status: int) -> None:
        """The request is over: for the model, for the copies, for the truth."""
        if self._stream is not None:
            self._server.end(self._stream, left=status != 200)
        if self._truth is not None:
            self._truth.status, self._truth.end_ns = status, time.monotonic_ns()
            if self._copy is not None:
                copies, number = self._copy
                copies.finish(self._truth.end_ns, number, success=status == 200, began_ns=self._truth.arrive_ns)
                if status == 200:
                    self._count()
        self._stream = self._answer = self._truth = self._copy = None

    def _count(self) -> None:
        truth, counts = self._truth, self._server.counts
        assert truth is not None
        if truth.written_ns:
            first_ms, last_ms = ((moment - truth.arrive_ns) / 1e6 for moment in (truth.written_ns[0], truth.end_ns))
            counts.served(self._model_arn, last_ms, first_ms, self._input_tokens, len(truth.written_ns))

    # --- the control plane, and the rest of AWS

    def _operate(self, method: str, url: str, body: bytes) -> None:
        """One operation of Bedrock's control plane."""
        try:
            status, answer = operate(self._server.control, method, url, body, time.time())
        except ServiceError as error:
            self._respond(error.status, error.body, headers=[error.headers])
            return
        self._server.follow_control()
        self._respond(status, json.dumps(answer).encode())

    async def _forward(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        services = self._server.services
        assert services is not None
        try:
            answer = await services.forward(method, url, headers, body)
        except (OSError, TimeoutError) as error:
            self._respond(503, json.dumps({"message": f"moto does not answer: {error}"}).encode())
        else:
            self._send(answer)
            self._closing = True
            if not self._unsent:
                self.drop()
        self._pending = None
        self._next()

    # --- writing

    def _head(self, status: int, media_type: str, headers: list[str]) -> bytes:
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: {media_type}",
            f"Server: llmdyno-emulator/{__version__}",
            f"X-LLMDyno-Emulated: {self._server.label}",
            *headers,
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def _respond(
        self, status: int, content: bytes, media_type: str = "application/json", headers: list[str] | None = None
    ) -> None:
        framing = f"Content-Length: {len(content)}"
        self._send(self._head(status, media_type, [*(headers or []), framing]) + content)

    def _send(self, data: bytes) -> None:
        if not self._open:
            return
        if not self._unsent:
            try:
                data = data[self._sock.send(data) :]
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self.drop()
                return
            if not data:
                return
            self._loop.add_writer(self._sock.fileno(), self._flush)
        self._unsent += data

    def _flush(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.drop()
            return
        if not self._unsent:
            self._loop.remove_writer(self._sock.fileno())
            if self._closing:
                self.drop()

    def drop(self) -> None:
        """Close the connection; a request under way is given up."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._ended(-1)
        self._server.forget(self)
