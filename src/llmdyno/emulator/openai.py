"""The OpenAI API as the emulator speaks it: bodies in, bodies out. PURE.

In: a request's path and body. Out: what was asked, or an error as an OpenAI-compatible server words it;
and the bytes of each chunk. Shapes: the OpenAI API reference; the usage chunk and the finish chunk stand
where vLLM puts them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from llmdyno.workload.tokens import Approximation

CHAT_PATH, COMPLETIONS_PATH, MODELS_PATH = "/v1/chat/completions", "/v1/completions", "/v1/models"
FINGERPRINT = "llmdyno-emulator"
_DEFAULT_MAX_TOKENS = 256
_CONTEXT = 131_072
_tokens = Approximation()


class Refusal(Exception):
    """A request that is refused: HTTP status, OpenAI's error type and message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": status}}).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    chat: bool
    stream: bool
    include_usage: bool
    input_tokens: int
    max_tokens: int
    ignore_eos: bool
    text: str = ""
    temperature: float | None = None


def read_request(path: str, body: bytes, model: str) -> Asked:
    """Read a request's body.

    Raises:
        Refusal: it is not one that this deployment answers.
    """
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Refusal(400, "BadRequestError", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "BadRequestError", "the body is not a JSON object")
    if value.get("model") != model:
        raise Refusal(404, "NotFoundError", f"The model `{value.get('model')}` does not exist.")
    chat = path == CHAT_PATH
    text = _chat_text(value.get("messages")) if chat else value.get("prompt")
    if not isinstance(text, str):
        raise Refusal(400, "BadRequestError", "'prompt' must be a string")
    max_tokens = value.get("max_completion_tokens") or value.get("max_tokens") or _DEFAULT_MAX_TOKENS
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
        raise Refusal(400, "BadRequestError", f"max_tokens must be at least 1, got {max_tokens}.")
    input_tokens = _tokens.count(text)
    if input_tokens + max_tokens > _CONTEXT:
        raise Refusal(400, "BadRequestError", f"the maximum context length is {_CONTEXT} tokens")
    options = value.get("stream_options")
    return Asked(
        chat=chat,
        stream=value.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        input_tokens=input_tokens,
        max_tokens=max_tokens,
        ignore_eos=value.get("ignore_eos") is True,
        text=text,
        temperature=value.get("temperature"),
    )


def _chat_text(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "BadRequestError", "'messages' must be a list that is not empty")
    texts = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
        if not isinstance(content, str):
            raise Refusal(400, "BadRequestError", "each message needs a content")
        texts.append(content)
    return "\n".join(texts)


class Answer:
    """The bytes of one answer: streamed events, or one body at the end."""

    def __init__(self, asked: Asked, number: int, created: int, model: str) -> None:
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
        )

    def token(self, index: int, text: str) -> bytes:
        """The event or events of one token; nothing when the answer is not streamed."""
        if not self.asked.stream:
            self._text.append(text)
            return b""
        if not self.asked.chat:
            return self._event(f'"text":{json.dumps(text)},', None)
        role = self._event('"delta":{"role":"assistant","content":""},', None) if index == 0 else b""
        return role + self._event(f'"delta":{{"content":{json.dumps(text)}}},', None)

    def fault(self, name: str, message: str) -> bytes:
        """An error in mid-stream."""
        return f'data: {{"error":{{"message":{json.dumps(message)},"type":"{name}","code":500}}}}\n\n'.encode()

    def end(self, output_tokens: int, finish_reason: str, latency_ms: int, first_byte_ms: int) -> bytes:
        """What follows the last token: finish reason, usage, end mark; or the whole body. No latencies in it."""
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
    """The list of models: one."""
    entry = {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": FINGERPRINT,
        "max_model_len": _CONTEXT,
    }
    return json.dumps({"object": "list", "data": [entry]}).encode()
