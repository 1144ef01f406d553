"""Bedrock's runtime for imported models, as the emulator speaks it. PURE.

In: what was asked. Out: bodies and event-stream frames. Shapes and errors are those documented for InvokeModel,
Converse and their streams. Where documents and captures leave a gap (does an imported model's stream end with
invocation metrics?), it does what foundation models do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from llmdyno.emulator import frames
from llmdyno.emulator.body import read_object, shown
from llmdyno.emulator.dialect import Asked, Ending, Refused
from llmdyno.emulator.http import JSON
from llmdyno.emulator.tools import Tool

REGION, ACCOUNT = "us-east-1", "123456789012"
EVENT_STREAM = "application/vnd.amazon.eventstream"
INVOKE, INVOKE_STREAM = "invoke", "invoke-with-response-stream"
CONVERSE, CONVERSE_STREAM = "converse", "converse-stream"
NOT_READY = "not_ready"
_BROKEN_OFF = "The stream was ended. Try your request again."
_FAULTS = {
    NOT_READY: (429, "ModelNotReadyException", "Model is not ready for inference. Wait and try your request again."),
    "throttle": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "error": (500, "InternalServerException", "An internal server error occurred. Retry your request."),
    "unavailable": (503, "ServiceUnavailableException", "The service is unavailable. Try your request again."),
    "denied": (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    "expired": (403, "ExpiredTokenException", "The security token included in the request is expired"),
    "timeout": (408, "ModelTimeoutException", "The request took too long to process."),
    "model_error": (424, "ModelErrorException", "The request failed due to an error while processing the model."),
    "quota": (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
    "stream_error": (424, "ModelStreamErrorException", _BROKEN_OFF),
    "stream_throttle": (429, "ThrottlingException", _BROKEN_OFF),
    "stream_internal": (500, "InternalServerException", _BROKEN_OFF),
    "stream_unavailable": (503, "ServiceUnavailableException", _BROKEN_OFF),
    "stream_validation": (400, "ValidationException", _BROKEN_OFF),
    "stream_timeout": (408, "ModelTimeoutException", _BROKEN_OFF),
}
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_STOPS = {"length": "max_tokens", "stop": "end_turn"}


class ServiceError(Refused):
    """A request that is refused: HTTP status, exception name, message. A header names the exception too."""

    def __init__(self, status: int, name: str, message: str) -> None:
        header = f"x-amzn-ErrorType: {name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        super().__init__(status, message, json.dumps({"message": message}).encode(), [header])
        self.name = name


def refusal(kind: str) -> ServiceError:
    """The refusal of a fault's kind, or of a model that is not ready."""
    return ServiceError(*_FAULTS[kind])


def model_arn(identifier: str, region: str = REGION) -> str:
    """The ARN of an emulated imported model."""
    return f"arn:aws:bedrock:{region}:{ACCOUNT}:imported-model/{identifier}"


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """An imported model: its ARN, its name, whether Converse works on it, whether it answers in Mistral's own shape."""

    arn: str
    name: str
    instruct: bool = True
    mistral: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Asked):
    """What a request asks for; `format` is the body format that its fields show, `tier` the service tier, `tool` what
    the answer calls."""

    operation: str
    format: str
    tier: str | None = None
    tool: Tool | None = None


OPERATIONS = (INVOKE, INVOKE_STREAM, CONVERSE, CONVERSE_STREAM)


def split_path(raw: str) -> tuple[str, str] | None:
    """Model identifier and operation of a raw path ``/model/{id}/{operation}``; None if it is no such path.

    The identifier's slash must be encoded: the service routes on the raw path.
    """
    parts = raw.split("/")
    if len(parts) != 4 or parts[:2] != ["", "model"]:
        return None
    return unquote(parts[2]), parts[3]


UNKNOWN_OPERATION = b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}'


def unknown_operation(method: str, path: str) -> ServiceError:
    """The refusal of an operation that is not emulated."""
    return ServiceError(404, "UnknownOperationException", f"There is no {method} {shown(path)} here.")


def json_object(body: bytes) -> dict[str, Any]:
    """A request's body; an empty one stands for an empty object.

    Raises:
        ServiceError: it is not a JSON object.
    """
    try:
        return read_object(body or b"{}")
    except ValueError:
        raise invalid("The request body is not valid JSON.") from None


def malformed(what: str) -> ServiceError:
    """The refusal of a body that does not fit."""
    return invalid(f"Malformed input request: {what}, please reformat your input and try again.")


def invalid(message: str) -> ServiceError:
    """The refusal of a request that breaks a rule."""
    return ServiceError(400, "ValidationException", message)


def metrics(call: Call, ending: Ending) -> dict[str, Any]:
    """The service's counts and latencies, as the last chunk of a stream tells them."""
    counts = {"inputTokenCount": call.input_tokens, "outputTokenCount": ending.output_tokens}
    latencies = {"invocationLatency": ending.latency_ms, "firstByteLatency": ending.first_byte_ms}
    return {"amazon-bedrock-invocationMetrics": {**counts, **latencies}}


def count_headers(call: Call, ending: Ending) -> list[str]:
    """The headers with which an answer without a stream tells its counts."""
    counts = ("Input", call.input_tokens), ("Output", ending.output_tokens)
    lines = [f"X-Amzn-Bedrock-{name}-Token-Count: {tokens}" for name, tokens in counts]
    return [*lines, f"X-Amzn-Bedrock-Invocation-Latency: {ending.latency_ms}"]


class BedrockAnswer:
    """The bytes of one answer: frames, or one body at the end."""

    def __init__(self, call: Call, number: int, created: int, headers: Sequence[str] = ()) -> None:
        self.stream = call.stream
        self.media_type = EVENT_STREAM if call.stream else JSON
        self.headers = list(headers)
        if call.operation == INVOKE_STREAM:
            self.headers.append("x-amzn-bedrock-content-type: application/json")
        if call.tier is not None and call.operation in (INVOKE, INVOKE_STREAM):
            self.headers.append(f"X-Amzn-Bedrock-Service-Tier: {call.tier}")
        self._call = call
        self._number = number
        self._created = created
        self._text: list[str] = []

    def token(self, index: int, text: str) -> bytes:
        """The frames of one token; nothing when the answer is not streamed."""
        call = self._call
        if not call.stream:
            self._text.append(text)
            return b""
        if call.operation == CONVERSE_STREAM:
            return (self._converse_start() if index == 0 else b"") + self._converse_delta(text)
        if call.format == "bedrock-completion":
            first = call.input_tokens if index == 0 else None
            return self._chunk(index, _generation(text, first, index + 1, None))
        if call.format == "mistral":
            return self._chunk(index, {"outputs": [{"text": text, "stop_reason": None}]})
        return self._chunk(index, self._openai_chunk(text, None))

    def fault(self, kind: str) -> bytes:
        """The exception frame of a stream that fails."""
        _, name, message = _FAULTS[kind]
        return frames.exception(name, message)

    def refusal(self, kind: str) -> ServiceError:
        """The same failure as the answer of a request that asked for no stream."""
        return refusal(kind)

    def damaged(self) -> bytes:
        """A frame whose checksum is wrong."""
        if not self.stream:
            return b""
        frame = bytearray(self.token(1, " damaged"))
        frame[-1] ^= 1
        return bytes(frame)

    def end(self, ending: Ending) -> bytes:
        """What follows the last token, or the whole body."""
        output_tokens, finish_reason, latency_ms, _, stopped_by = ending
        call = self._call
        reason = self._stop_reason(finish_reason, stopped_by)
        if not call.stream:
            self.headers += count_headers(call, ending)
            return json.dumps(self._whole("".join(self._text), output_tokens, reason, latency_ms)).encode()
        if call.operation == CONVERSE_STREAM:
            usage = _converse_usage(call.input_tokens, output_tokens)
            called = call.tool is not None and reason == "tool_use"
            return (
                (self._tool_delta(call.tool.closing) if call.tool is not None and called else b"")
                + frames.event("contentBlockStop", {"contentBlockIndex": 0})
                + frames.event("messageStop", {"stopReason": reason})
                + frames.event("metadata", {"usage": usage, "metrics": {"latencyMs": latency_ms}, **_tier(call)})
            )
        if call.format == "bedrock-completion":
            last = _generation("", None, output_tokens, finish_reason)
        elif call.format == "mistral":
            last = {"outputs": [{"text": "", "stop_reason": finish_reason}]}
        else:
            last = {**self._openai_chunk("", finish_reason), "usage": _usage(call.input_tokens, output_tokens)}
        return self._chunk(output_tokens, {**last, **metrics(call, ending)})

    def _stop_reason(self, finish_reason: str, stopped_by: str | None) -> str:
        """Why the answer ended, in the words of its format."""
        if self._call.format != "converse":
            return finish_reason
        if stopped_by is not None:
            return "stop_sequence"
        return "tool_use" if self._call.tool is not None and finish_reason == "stop" else _STOPS[finish_reason]

    def _converse_start(self) -> bytes:
        started, tool = frames.event("messageStart", {"role": "assistant"}), self._call.tool
        if tool is None:
            return started
        use = {"toolUseId": self._tool_id(), "name": tool.name}
        opened = frames.event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}})
        return started + opened + self._tool_delta(tool.opening)

    def _converse_delta(self, text: str) -> bytes:
        tool = self._call.tool
        if tool is not None:
            return self._tool_delta(tool.piece(text))
        return frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})

    def _tool_delta(self, part: str) -> bytes:
        return frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": part}}})

    def _tool_id(self) -> str:
        return f"tooluse_{self._number:022d}"

    def _converse_blocks(self, text: str, reason: str) -> list[dict[str, Any]]:
        tool = self._call.tool
        if tool is None:
            return [{"text": text}]
        # A call that maxTokens cut has no complete input to show.
        given = tool.input(self._text) if reason == "tool_use" else {}
        return [{"toolUse": {"toolUseId": self._tool_id(), "name": tool.name, "input": given}}]

    def _chunk(self, index: int, inner: dict[str, Any]) -> bytes:
        content = base64.b64encode(json.dumps(inner, separators=(",", ":")).encode()).decode()
        padding = _PADDING[: (index * 7 + self._number) % len(_PADDING)]
        return frames.event("chunk", {"bytes": content, "p": padding})

    def _openai_chunk(self, text: str, finish_reason: str | None) -> dict[str, Any]:
        chat = self._call.format == "openai-chat"
        content: dict[str, Any] = {"delta": {"content": text} if text else {}} if chat else {"text": text}
        return {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{self._number:032x}",
            "object": "chat.completion.chunk" if chat else "text_completion",
            "created": self._created,
            "choices": [{"index": 0, **content, "finish_reason": finish_reason}],
        }

    def _whole(self, text: str, output_tokens: int, finish_reason: str, latency_ms: int) -> dict[str, Any]:
        call = self._call
        if call.operation == CONVERSE:
            return {
                "output": {"message": {"role": "assistant", "content": self._converse_blocks(text, finish_reason)}},
                "stopReason": finish_reason,
                "usage": _converse_usage(call.input_tokens, output_tokens),
                "metrics": {"latencyMs": latency_ms},
                **_tier(call),
            }
        if call.format == "bedrock-completion":
            return {
                "generation": text,
                "prompt_token_count": call.input_tokens,
                "generation_token_count": output_tokens,
                "stop_reason": finish_reason,
                "logprobs": None,
            }
        if call.format == "mistral":
            return {"outputs": [{"text": text, "stop_reason": finish_reason}]}
        chat = call.format == "openai-chat"
        content: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        return {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{self._number:032x}",
            "object": "chat.completion" if chat else "text_completion",
            "created": self._created,
            "choices": [{"index": 0, **content, "finish_reason": finish_reason}],
            "usage": _usage(call.input_tokens, output_tokens),
        }


def _generation(text: str, prompt_tokens: int | None, generated: int, stop_reason: str | None) -> dict[str, Any]:
    return {
        "generation": text,
        "prompt_token_count": prompt_tokens,
        "generation_token_count": generated,
        "stop_reason": stop_reason,
    }


def _tier(call: Call) -> dict[str, Any]:
    return {} if call.tier is None else {"serviceTier": {"type": call.tier}}


def _usage(inputs: int, outputs: int) -> dict[str, int]:
    return {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs}


def _converse_usage(inputs: int, outputs: int) -> dict[str, int]:
    return {"inputTokens": inputs, "outputTokens": outputs, "totalTokens": inputs + outputs}
