"""The answers of foundation models on InvokeModel, family by family, as the emulator writes them. PURE.

In: what a request asked for, the tokens of its answer. Out: chunk frames, or one body. Shapes: AWS's user guide of
Bedrock (inference parameters of each provider) and of Nova. Anthropic's events are those of its Messages API.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from llmdyno.emulator import frames
from llmdyno.emulator.anthropic import MessageAnswer
from llmdyno.emulator.bedrock import EVENT_STREAM, BedrockAnswer, Call, ServiceError, count_headers, metrics, refusal
from llmdyno.emulator.dialect import Answer, Ending
from llmdyno.emulator.families import Asking
from llmdyno.emulator.foundation import FoundationModel
from llmdyno.emulator.http import JSON

_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEQUENCE = "sequence"
"""The finish reason of an answer that a stop sequence of the request ended, beside those of the model."""
_NOVA_STOPS = {"length": "max_tokens", "stop": "end_turn", SEQUENCE: "stop_sequence"}
_COHERE_STOPS = {"length": "MAX_TOKENS", "stop": "COMPLETE", SEQUENCE: "COMPLETE"}
_TITAN_STOPS = {"length": "LENGTH", "stop": "FINISH", SEQUENCE: "STOP_CRITERIA_MET"}


def answer_of(asking: Asking, model: FoundationModel, number: int, created: int) -> Answer:
    """The answer of request `number`; `created` in unix seconds."""
    if asking.message is not None:
        return _AnthropicAnswer(asking, model, number)
    shape = _SHAPES.get(asking.call.format)
    if shape is None:
        return BedrockAnswer(asking.call, number, created)
    return _FamilyAnswer(asking.call, shape, number)


class Shape(NamedTuple):
    """How one family writes: the chunks of a token, the chunks of the end, the body of an answer without a stream.

    A token's chunks come from its index and text, the rest from the call, the whole text, the number of output tokens
    and the reason of the end.
    """

    token: Callable[[int, str], list[dict[str, Any]]]
    end: Callable[[Call, int, str], list[dict[str, Any]]]
    whole: Callable[[Call, str, int, str], dict[str, Any]]


def _nova_usage(call: Call, output_tokens: int) -> dict[str, int]:
    return {
        "inputTokens": call.input_tokens,
        "outputTokens": output_tokens,
        "totalTokens": call.input_tokens + output_tokens,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 0,
    }


def _nova_token(index: int, text: str) -> list[dict[str, Any]]:
    start = [{"messageStart": {"role": "assistant"}}] if index == 0 else []
    return [*start, {"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}}]


def _nova_end(call: Call, tokens: int, reason: str) -> list[dict[str, Any]]:
    return [
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": _NOVA_STOPS[reason]}},
        {"metadata": {"usage": _nova_usage(call, tokens), "metrics": {}, "trace": {}}},
    ]


def _nova_whole(call: Call, text: str, tokens: int, reason: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": _NOVA_STOPS[reason],
        "usage": _nova_usage(call, tokens),
    }


def _titan_chunk(text: str, inputs: int | None, outputs: int | None, reason: str | None) -> dict[str, Any]:
    return {
        "outputText": text,
        "index": 0,
        "totalOutputTextTokenCount": outputs,
        "completionReason": reason,
        "inputTextTokenCount": inputs,
    }


def _titan_end(call: Call, tokens: int, reason: str) -> list[dict[str, Any]]:
    return [_titan_chunk("", call.input_tokens, tokens, _TITAN_STOPS[reason])]


def _titan_whole(call: Call, text: str, tokens: int, reason: str) -> dict[str, Any]:
    result = {"tokenCount": tokens, "outputText": text, "completionReason": _TITAN_STOPS[reason]}
    return {"inputTextTokenCount": call.input_tokens, "results": [result]}


def _cohere_end(call: Call, tokens: int, reason: str) -> list[dict[str, Any]]:
    ending = {"is_finished": True, "event_type": "stream-end", "finish_reason": _COHERE_STOPS[reason]}
    return [{**ending, "response": {"text": "", "finish_reason": _COHERE_STOPS[reason]}}]


_SHAPES = {
    "nova": Shape(_nova_token, _nova_end, _nova_whole),
    "titan": Shape(lambda index, text: [_titan_chunk(text, None, None, None)], _titan_end, _titan_whole),
    "cohere": Shape(
        lambda index, text: [{"is_finished": False, "event_type": "text-generation", "text": text}],
        _cohere_end,
        lambda call, text, tokens, reason: {"text": text, "finish_reason": _COHERE_STOPS[reason]},
    ),
}


class _Framed:
    """What the answers in chunk frames share: headers, frames, failures."""

    def __init__(self, call: Call, number: int) -> None:
        self.stream = call.stream
        self.media_type = EVENT_STREAM if call.stream else JSON
        # The head of an answer is the same in every format.
        self.headers = BedrockAnswer(call, number, 0).headers
        self.call = call
        self._number = number
        self._sent = 0

    def frame(self, inner: dict[str, Any]) -> bytes:
        """One chunk frame around the model's own JSON."""
        content = base64.b64encode(json.dumps(inner, separators=(",", ":")).encode()).decode()
        self._sent += 1
        padding = _PADDING[: (self._sent * 7 + self._number) % len(_PADDING)]
        return frames.event("chunk", {"bytes": content, "p": padding})

    def fault(self, kind: str) -> bytes:
        """The exception frame of a stream that fails."""
        refused = refusal(kind)
        return frames.exception(refused.name, str(refused))

    def refusal(self, kind: str) -> ServiceError:
        """The same failure as the answer of a request that asked for no stream."""
        return refusal(kind)

    def damaged(self) -> bytes:
        """A frame whose checksum is wrong."""
        if not self.stream:
            return b""
        frame = bytearray(self.frame({"damaged": True}))
        frame[-1] ^= 1
        return bytes(frame)


class _FamilyAnswer(_Framed):
    """The bytes of one answer in a family's own shape."""

    def __init__(self, call: Call, shape: Shape, number: int) -> None:
        super().__init__(call, number)
        self._shape = shape
        self._texts: list[str] = []

    def token(self, index: int, text: str) -> bytes:
        """The frames of one token; nothing when the answer is not streamed."""
        if not self.stream:
            self._texts.append(text)
            return b""
        return b"".join(map(self.frame, self._shape.token(index, text)))

    def end(self, ending: Ending) -> bytes:
        """What follows the last token, or the whole body; `stopped_by` is the sequence that ended the answer."""
        reason = ending.finish_reason if ending.stopped_by is None else SEQUENCE
        if not self.stream:
            self.headers += count_headers(self.call, ending)
            text = "".join(self._texts)
            return json.dumps(self._shape.whole(self.call, text, ending.output_tokens, reason)).encode()
        *before, last = self._shape.end(self.call, ending.output_tokens, reason)
        return b"".join(map(self.frame, [*before, {**last, **metrics(self.call, ending)}]))


class _AnthropicAnswer(_Framed):
    """The events of Anthropic's Messages API, each in a chunk frame."""

    def __init__(self, asking: Asking, model: FoundationModel, number: int) -> None:
        super().__init__(asking.call, number)
        assert asking.message is not None
        self._inner = MessageAnswer(asking.message, number, model.base)

    def token(self, index: int, text: str) -> bytes:
        """The frames of one token; nothing when the answer is not streamed."""
        return b"".join(map(self.frame, _events_in(self._inner.token(index, text))))

    def end(self, ending: Ending) -> bytes:
        """The end of the message, whose last event has the metrics; or the whole body."""
        body = self._inner.end(ending)
        if not self.stream:
            self.headers += count_headers(self.call, ending)
            return body
        *before, last = _events_in(body)
        return b"".join(map(self.frame, [*before, {**last, **metrics(self.call, ending)}]))


def _events_in(sent: bytes) -> list[dict[str, Any]]:
    """The objects in server-sent events, without the pings, which Bedrock does not send."""
    lines = (line.removeprefix(b"data: ") for line in sent.split(b"\n") if line.startswith(b"data: "))
    return [event for event in map(json.loads, lines) if event["type"] != "ping"]
