"""The OpenAI API as the emulator speaks it. PURE.

In: a request's path and body. Out: what was asked, or an error as an OpenAI-compatible server words it; and the bytes
of each chunk. Shapes: the OpenAI API reference. The usage chunk and the finish chunk come where vLLM sends them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from llmdyno.emulator import tokens
from llmdyno.emulator.body import content_text, read_object, shown, stops, whole_number, wrong_field
from llmdyno.emulator.dialect import CONTEXT, Asked, Ending, Refused

CHAT_PATH, COMPLETIONS_PATH, MODELS_PATH = "/v1/chat/completions", "/v1/completions", "/v1/models"
FINGERPRINT = "llmdyno-emulator"
_DEFAULT_MAX_TOKENS = 256
_OVERLOADED = "The server is overloaded. Please try again later."
_FAILED = "The engine failed while it processed the request."
_FAULTS = {
    "throttle": (429, "RateLimitError", "Rate limit reached. Please try again later."),
    "error": (500, "InternalServerError", _FAILED),
    "unavailable": (503, "ServiceUnavailableError", _OVERLOADED),
    "denied": (403, "PermissionDeniedError", "The API key has no access to this model."),
    "expired": (401, "AuthenticationError", "The API key has expired."),
    "timeout": (408, "APITimeoutError", "The request timed out."),
    "model_error": (500, "InternalServerError", _FAILED),
    "quota": (429, "insufficient_quota", "You exceeded your current quota."),
    "stream_error": (500, "InternalServerError", _FAILED),
    "stream_throttle": (429, "RateLimitError", "Rate limit reached. Please try again later."),
    "stream_internal": (500, "InternalServerError", _FAILED),
    "stream_unavailable": (503, "ServiceUnavailableError", _OVERLOADED),
    "stream_validation": (400, "BadRequestError", "The request cannot be continued."),
    "stream_timeout": (408, "APITimeoutError", "The request timed out."),
}


class Refusal(Refused):
    """A request that is refused: HTTP status, OpenAI's error type, message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(status, message, json.dumps({"error": _error(status, kind, message)}).encode())


def refusal(kind: str) -> Refusal:
    """The refusal of a fault's kind."""
    return Refusal(*_FAULTS[kind])


def _error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"message": message, "type": kind, "param": None, "code": status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion(Asked):
    """What a request asks for: a chat or a text completion, with or without usage at its end."""

    chat: bool
    include_usage: bool


def read_request(path: str, body: bytes, model: str) -> Completion:
    """Read a request's body.

    Raises:
        Refusal: this deployment does not answer it.
    """
    value = _json_object(body)
    if value.get("model") != model:
        raise Refusal(404, "NotFoundError", f"The model `{shown(value.get('model'))}` does not exist.")
    wrong = wrong_field(value, ("stop",))
    if wrong is not None:
        raise _bad(wrong)
    chat = path == CHAT_PATH
    text = _chat_text(value.get("messages")) if chat else value.get("prompt")
    if not isinstance(text, str):
        raise _bad("'prompt' must be a string")
    given = (value[name] for name in ("max_completion_tokens", "max_tokens") if value.get(name) is not None)
    max_tokens = next(given, _DEFAULT_MAX_TOKENS)
    if not whole_number(max_tokens):
        raise _bad(f"max_tokens must be at least 1, got {shown(max_tokens)}.")
    input_tokens = tokens.count(text)
    if input_tokens + max_tokens > CONTEXT:
        raise _bad(f"the maximum context length is {CONTEXT} tokens")
    options = value.get("stream_options")
    if not isinstance(options, dict | None):
        raise _bad(f"stream_options: {shown(options)} is not an object")
    return Completion(
        chat=chat,
        stream=value.get("stream") is True,
        include_usage=options is not None and options.get("include_usage") is True,
        input_tokens=input_tokens,
        max_tokens=max_tokens,
        ignore_eos=value.get("ignore_eos") is True,
        text=text,
        temperature=value.get("temperature"),
        stops=stops(value.get("stop")),
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except ValueError as error:
        raise _bad(str(error)) from None


def _chat_text(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        raise _bad("'messages' must be a list that is not empty")
    texts = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        text = content_text(content)
        if text is None:
            raise _bad("each message needs a content: a string, or a list of parts whose texts are strings")
        texts.append(text)
    return "\n".join(texts)


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequestError", message)


class Answer:
    """The bytes of one answer: streamed events, or one body at the end."""

    def __init__(self, asked: Completion, number: int, created: int, model: str, tier: str | None = None) -> None:
        self.stream = asked.stream
        self.media_type = "text/event-stream; charset=utf-8" if asked.stream else "application/json"
        self.headers: list[str] = []
        self.asked = asked
        self._text: list[str] = []
        prefix, kind = ("chatcmpl", "chat.completion") if asked.chat else ("cmpl", "text_completion")
        if asked.chat and asked.stream:
            kind += ".chunk"
        self._head = (
            f'{{"id":"{prefix}-{number:032x}","object":"{kind}","created":{created},"model":{json.dumps(model)},'
            f'"system_fingerprint":"{FINGERPRINT}",'
        ) + ("" if tier is None else f'"service_tier":{json.dumps(tier)},')

    def token(self, index: int, text: str) -> bytes:
        """The event of one token, the first with the role before it; nothing when the answer is not streamed."""
        if not self.asked.stream:
            self._text.append(text)
            return b""
        if not self.asked.chat:
            return self._event(f'"text":{json.dumps(text)},', None)
        role = self._event('"delta":{"role":"assistant","content":""},', None) if index == 0 else b""
        return role + self._event(f'"delta":{{"content":{json.dumps(text)}}},', None)

    def fault(self, kind: str) -> bytes:
        """The error event of a stream that fails."""
        return b"data: " + refusal(kind).body + b"\n\n"

    def refusal(self, kind: str) -> Refusal:
        """The same failure as the answer of a request that asked for no stream."""
        return refusal(kind)

    def damaged(self) -> bytes:
        """An event whose JSON breaks off."""
        return f"data: {self._head}\n\n".encode() if self.stream else b""

    def end(self, ending: Ending) -> bytes:
        """Finish reason, usage and end mark; or the whole body. This API has no field for the latencies."""
        output_tokens, finish_reason, *_ = ending
        asked = self.asked
        usage = (
            f'"usage":{{"prompt_tokens":{asked.input_tokens},"completion_tokens":{output_tokens},'
            f'"total_tokens":{asked.input_tokens + output_tokens}}}}}'
        )
        if not asked.stream:
            text = json.dumps("".join(self._text))
            content = f'"message":{{"role":"assistant","content":{text}}},' if asked.chat else f'"text":{text},'
            return f"{self._head}{_choice(content, finish_reason)},{usage}".encode()
        events = self._event('"delta":{},' if asked.chat else '"text":"",', finish_reason)
        if asked.include_usage:
            events += f'data: {self._head}"choices":[],{usage}\n\n'.encode()
        return events + b"data: [DONE]\n\n"

    def _event(self, content: str, finish_reason: str | None) -> bytes:
        return f"data: {self._head}{_choice(content, finish_reason)}}}\n\n".encode()


def _choice(content: str, finish_reason: str | None) -> str:
    return f'"choices":[{{"index":0,{content}"logprobs":null,"finish_reason":{json.dumps(finish_reason)}}}]'


def models_body(model: str, created: int) -> bytes:
    """The list of models, which has one."""
    entry = {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": FINGERPRINT,
        "max_model_len": CONTEXT,
    }
    return json.dumps({"object": "list", "data": [entry]}).encode()
