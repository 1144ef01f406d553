"""Bedrock's runtime for imported models, as the emulator speaks it. PURE.

In: paths and bodies. Out: bodies and event-stream frames. Shapes and errors are those documented for InvokeModel,
Converse and their streams. Where documents and captures leave a gap (does an imported model's stream end with
invocation metrics?), it does what foundation models do.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from llmdyno.emulator import frames, tokens
from llmdyno.emulator.body import content_text, read_object, shown, whole_number, wrong_field
from llmdyno.emulator.dialect import CONTEXT, Asked, Refused
from llmdyno.emulator.http import JSON

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
_DEFAULT_TOKENS = 512
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


def model_arn(identifier: str) -> str:
    """The ARN of an emulated imported model."""
    return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/{identifier}"


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """An imported model: its ARN, its name, whether Converse works on it, whether it answers in Mistral's own shape."""

    arn: str
    name: str
    instruct: bool = True
    mistral: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Asked):
    """What a request asks for; `format` is the body format that its fields show, `tier` the service tier."""

    operation: str
    format: str
    tier: str | None = None


def split_path(raw: str) -> tuple[str, str] | None:
    """Model identifier and operation of a raw path ``/model/{id}/{operation}``; None if there is no such operation.

    The identifier's slash must be encoded: the service routes on the raw path.
    """
    parts = raw.split("/")
    operations = (INVOKE, INVOKE_STREAM, CONVERSE, CONVERSE_STREAM)
    if len(parts) != 4 or parts[:2] != ["", "model"] or parts[3] not in operations:
        return None
    return unquote(parts[2]), parts[3]


UNKNOWN_OPERATION = b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}'


def read_call(operation: str, body: bytes, model: ImportedModel) -> Call:
    """Read a request's body.

    Raises:
        ServiceError: a ValidationException in the service's words.
    """
    value = json_object(body)
    wrong = wrong_field(value, ("stop",))
    if wrong is not None:
        raise _malformed(wrong)
    if operation in (CONVERSE, CONVERSE_STREAM):
        if not model.instruct:
            raise _invalid("This action doesn't support the model that you provided. Try again with a supported model.")
        config = {} if value.get("inferenceConfig") is None else value["inferenceConfig"]
        if not isinstance(config, dict):
            raise _malformed("inferenceConfig is not an object")
        wrong = wrong_field({**config, "top_p": config.get("topP")}, ("stopSequences",))
        if wrong is not None:
            raise _malformed(f"inferenceConfig.{wrong}")
        text = _message_text(value.get("messages"))
        sampling = {**value, "temperature": config.get("temperature")}
        return _call(operation, "converse", text, config.get("maxTokens"), sampling)
    if "messages" in value:
        return _call(operation, "openai-chat", _message_text(value["messages"]), value.get("max_tokens"), value)
    prompt = value.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise _malformed("#: required key [prompt] not found")
    if "max_gen_len" in value or "max_tokens" not in value:
        return _call(operation, "bedrock-completion", prompt, value.get("max_gen_len"), value)
    body_format = "mistral" if model.mistral else "openai-completion"
    return _call(operation, body_format, prompt, value["max_tokens"], value)


def _call(operation: str, body_format: str, text: str, max_tokens: Any, value: dict[str, Any]) -> Call:
    max_tokens = _DEFAULT_TOKENS if max_tokens is None else max_tokens
    if not whole_number(max_tokens):
        raise _malformed(f"{shown(max_tokens)} is not 1 or more")
    input_tokens = tokens.count(text)
    if input_tokens + max_tokens > CONTEXT:
        raise _invalid(f"This model's maximum context length is {CONTEXT} tokens.")
    return Call(
        operation=operation,
        format=body_format,
        stream=operation in (INVOKE_STREAM, CONVERSE_STREAM),
        input_tokens=input_tokens,
        max_tokens=max_tokens,
        ignore_eos=value.get("ignore_eos") is True,
        text=text,
        temperature=value.get("temperature"),
    )


def _message_text(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        raise _malformed("messages must not be empty")
    texts = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        text = content_text(content)
        if text is None:
            raise _malformed("each message needs content")
        texts.append(text)
    return "\n".join(texts)


def json_object(body: bytes) -> dict[str, Any]:
    """A request's body; an empty one stands for an empty object.

    Raises:
        ServiceError: it is not a JSON object.
    """
    try:
        return read_object(body or b"{}")
    except ValueError:
        raise _invalid("The request body is not valid JSON.") from None


def _malformed(what: str) -> ServiceError:
    return _invalid(f"Malformed input request: {what}, please reformat your input.")


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "ValidationException", message)


class BedrockAnswer:
    """The bytes of one answer: frames, or one body at the end."""

    def __init__(self, call: Call, number: int, created: int) -> None:
        self.stream = call.stream
        self.media_type = EVENT_STREAM if call.stream else JSON
        self.headers = [f"x-amzn-RequestId: {number:08x}-0000-4000-8000-000000000000"]
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
            start = frames.event("messageStart", {"role": "assistant"}) if index == 0 else b""
            return start + frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
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

    def end(self, output_tokens: int, finish_reason: str, latency_ms: int, first_byte_ms: int) -> bytes:
        """What follows the last token, or the whole body."""
        call = self._call
        if not call.stream:
            count = ("input", call.input_tokens), ("output", output_tokens)
            self.headers += [f"X-Amzn-Bedrock-{name}-Token-Count: {tokens}" for name, tokens in count]
            self.headers.append(f"X-Amzn-Bedrock-Invocation-Latency: {latency_ms}")
            return json.dumps(self._whole("".join(self._text), output_tokens, finish_reason, latency_ms)).encode()
        if call.operation == CONVERSE_STREAM:
            usage = _converse_usage(call.input_tokens, output_tokens)
            return (
                frames.event("contentBlockStop", {"contentBlockIndex": 0})
                + frames.event("messageStop", {"stopReason": _STOPS[finish_reason]})
                + frames.event("metadata", {"usage": usage, "metrics": {"latencyMs": latency_ms}, **_tier(call)})
            )
        metrics = {
            "inputTokenCount": call.input_tokens,
            "outputTokenCount": output_tokens,
            "invocationLatency": latency_ms,
            "firstByteLatency": first_byte_ms,
        }
        if call.format == "bedrock-completion":
            last = _generation("", None, output_tokens, finish_reason)
        elif call.format == "mistral":
            last = {"outputs": [{"text": "", "stop_reason": finish_reason}]}
        else:
            last = {**self._openai_chunk("", finish_reason), "usage": _usage(call.input_tokens, output_tokens)}
        return self._chunk(output_tokens, {**last, "amazon-bedrock-invocationMetrics": metrics})

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
                "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
                "stopReason": _STOPS[finish_reason],
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
