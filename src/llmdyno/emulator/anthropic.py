"""Answers of Anthropic's Messages API, as the emulator writes them. PURE.

In: what a request asked for, the tokens of its answer. Out: the events of each token, or one body. Shapes: the API
reference of Messages and streaming.

A stream is ``message_start``, then for each content block ``content_block_start``, deltas and ``content_block_stop``,
then ``message_delta`` with the stop reason and the usage, then ``message_stop``. A ``ping`` follows the first block's
start.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from llmdyno.emulator.anthropic_request import FAULTS, Failure, Message, error_body, refusal, request_id
from llmdyno.emulator.dialect import Ending
from llmdyno.emulator.http import JSON


class MessageAnswer:
    """The bytes of one answer: server-sent events, or one body at the end."""

    def __init__(self, asked: Message, number: int, model: str) -> None:
        self.stream = asked.stream
        self.media_type = "text/event-stream; charset=utf-8" if asked.stream else JSON
        self.headers = [f"request-id: {request_id(number)}"]
        self._asked = asked
        self._number = number
        self._model = model
        self._index = -1  # of the block that is open
        self._texts: list[str] = []

    def token(self, index: int, text: str) -> bytes:
        """The events of one token; nothing when the answer is not streamed or the token is hidden thinking."""
        asked = self._asked
        if not asked.stream:
            self._texts.append(text)
            return b""
        opened = self._open(index) if index == 0 or index == asked.thinking_tokens else b""
        if index < asked.thinking_tokens:
            delta = {"type": "thinking_delta", "thinking": text} if asked.show_thinking else None
        elif asked.tool is not None:
            delta = {"type": "input_json_delta", "partial_json": asked.tool.piece(text)}
        else:
            delta = {"type": "text_delta", "text": text}
        return opened + (self._delta(delta) if delta is not None else b"")

    def end(self, ending: Ending) -> bytes:
        """The end of the last block and of the message; or the whole body. This API has no field for the latencies."""
        reason = "stop_sequence" if ending.stopped_by is not None else self._stop_reason(ending.finish_reason)
        usage = self._usage(ending.output_tokens, min(self._asked.thinking_tokens, ending.output_tokens))
        if not self._asked.stream:
            message = {**self._head(usage), "content": self._blocks(reason)}
            message |= {"stop_reason": reason, "stop_sequence": ending.stopped_by}
            return json.dumps(message).encode()
        closing = b""
        if self._asked.tool is not None and reason == "tool_use":
            closing = self._delta({"type": "input_json_delta", "partial_json": self._asked.tool.closing})
        changed = {"stop_reason": reason, "stop_sequence": ending.stopped_by}
        return (
            closing
            + self._close(ending.output_tokens - 1)
            + _event("message_delta", {"delta": changed, "usage": usage})
            + _event("message_stop", {})
        )

    def fault(self, kind: str) -> bytes:
        """The error event of a stream that fails."""
        _, name, message = FAULTS[kind]
        return _event("error", error_body(name, message, self._number))

    def refusal(self, kind: str) -> Failure:
        """The same failure as the answer of a request that asked for no stream."""
        return refusal(kind, self._number)

    def damaged(self) -> bytes:
        """An event whose JSON breaks off."""
        broken = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":\n\n'
        return broken if self.stream else b""

    def _open(self, index: int) -> bytes:
        """What comes before the first token of a block: the message's start, or the end of the block before."""
        asked = self._asked
        before = self._start() if index == 0 else self._close(index - 1)
        self._index += 1
        block: dict[str, Any] = {"type": "text", "text": ""}
        opening = b""
        if index < asked.thinking_tokens:
            block = {"type": "thinking", "thinking": "", "signature": ""}
        elif asked.tool is not None:
            block = {"type": "tool_use", "id": self._tool_id(), "name": asked.tool.name, "input": {}}
            opening = self._delta({"type": "input_json_delta", "partial_json": asked.tool.opening})
        started = _event("content_block_start", {"index": self._index, "content_block": block})
        return before + started + (_event("ping", {}) if index == 0 else b"") + opening

    def _close(self, index: int) -> bytes:
        """The end of the block that holds token `index`: thinking is signed."""
        signed = index < self._asked.thinking_tokens
        signature = self._delta({"type": "signature_delta", "signature": self._signature()}) if signed else b""
        return signature + _event("content_block_stop", {"index": self._index})

    def _start(self) -> bytes:
        return _event("message_start", {"message": self._head(self._usage(1, 0))})

    def _delta(self, delta: dict[str, str]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})

    def _head(self, usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"msg_{self._number:024d}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _blocks(self, reason: str) -> list[dict[str, Any]]:
        """The content of a whole answer."""
        asked, texts = self._asked, self._texts
        thought, said = texts[: asked.thinking_tokens], "".join(texts[asked.thinking_tokens :])
        blocks: list[dict[str, Any]] = []
        if thought:
            shown = "".join(thought) if asked.show_thinking else ""
            blocks.append({"type": "thinking", "thinking": shown, "signature": self._signature()})
        if asked.tool is not None:
            # A call that max_tokens cut has no complete input to show.
            given = asked.tool.input(texts) if reason == "tool_use" else {}
            blocks.append({"type": "tool_use", "id": self._tool_id(), "name": asked.tool.name, "input": given})
        elif said:
            blocks.append({"type": "text", "text": said})
        return blocks

    def _usage(self, output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "input_tokens": self._asked.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        }
        if thinking_tokens:
            usage["output_tokens_details"] = {"thinking_tokens": thinking_tokens}
        return usage

    def _stop_reason(self, finish_reason: str) -> str:
        if finish_reason == "length":
            return "max_tokens"
        return "end_turn" if self._asked.tool is None else "tool_use"

    def _signature(self) -> str:
        return f"llmdyno-emulator-{self._number:08d}"

    def _tool_id(self) -> str:
        return f"toolu_{self._number:024d}"


def models_body(model: str, created: int) -> bytes:
    """The list of models in this API's shape; `created` in unix seconds."""
    stamp = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = {"type": "model", "id": model, "display_name": model, "created_at": stamp}
    return json.dumps({"data": [entry], "has_more": False, "first_id": model, "last_id": model}).encode()


def _event(name: str, fields: dict[str, Any]) -> bytes:
    data = json.dumps({"type": name, **fields}, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()
