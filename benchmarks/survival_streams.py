"""Random streams for every decoder: none may raise, and none may depend on where the bytes were split.

In: a setting. Out: a row for each dialect. A stream begins as events with fields of the dialect and values of any type.
Then it is damaged: flipped bits, cuts, spans that are doubled or replaced. Frames of the event stream come from the
emulator's encoder, which shares no code with the decoder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from benchmarks.survival import Row, Setting
from llmdyno.emulator import frames
from llmdyno.protocols.anthropic import AnthropicDecoder
from llmdyno.protocols.bedrock import InvokeDecoder
from llmdyno.protocols.converse import ConverseDecoder
from llmdyno.protocols.events import Decoder, Event
from llmdyno.protocols.openai import OpenAIDecoder

_TRIALS = 10_000
_NAMES = (
    "id object model choices index delta content text reasoning reasoning_content tool_calls function name arguments "
    "refusal finish_reason usage prompt_tokens completion_tokens total_tokens completion_tokens_details "
    "reasoning_tokens prompt_tokens_details cached_tokens error message code type detail status x_groq timings "
    "generation prompt_token_count generation_token_count stop_reason amazon-bedrock-invocationMetrics "
    "inputTokenCount outputTokenCount bytes contentBlockDelta contentBlockIndex stopReason metrics latencyMs "
    "inputTokens outputTokens message_start message_delta content_block content_block_delta partial_json thinking "
    "input_tokens output_tokens cache_read_input_tokens"
).split()
_KINDS = (
    "chunk messageStart contentBlockStart contentBlockDelta contentBlockStop messageStop metadata exception".split()
)
_EVENTS = "message error ping message_start content_block_delta message_delta message_stop".split()
_LITERALS = ("NaN", "-Infinity", "1e400", "-0", "1" * 400, '"\\ud83d"', "[" * 300 + "]" * 300, "18446744073709551616")


def rows(setting: Setting) -> Iterator[Row]:
    """A row for each decoder."""
    decoders: dict[str, tuple[Callable[[], Decoder], Callable[[Random], bytes]]] = {
        "OpenAI": (OpenAIDecoder, _server_sent),
        "Anthropic": (AnthropicDecoder, _server_sent),
        "Bedrock invoke": (InvokeDecoder, _framed),
        "Bedrock converse": (ConverseDecoder, _framed),
    }
    for name, (decoder, make) in decoders.items():
        random = Random(f"streams {setting.seed} {name}")
        problems: Counter[str] = Counter()
        events = 0
        trials = setting.count(_TRIALS)
        for _ in range(trials):
            stream = _damaged(make(random), random)
            try:
                whole = _read(decoder, [stream])
                split = _read(decoder, _pieces(stream, random))
            except Exception as error:
                problems[f"{type(error).__name__}: {error}"[:80]] += 1
                continue
            events += len(whole)
            if whole != split:
                problems["the split changes the events"] += 1
        note = f"{events:,} events" + "".join(f"; {times} × {problem}" for problem, times in problems.most_common(4))
        yield Row(f"random streams, {name}", trials, problems.total(), 0, note)


def _read(decoder: Callable[[], Decoder], pieces: list[bytes]) -> list[Event]:
    """The events of a stream, with their positions in the whole body."""
    reading = decoder()
    events = [event for piece in pieces for event in reading.feed(piece)]
    return events + reading.close()


def _pieces(stream: bytes, random: Random) -> list[bytes]:
    longest = random.choice((1, 3, 40, 400))
    pieces, start = [], 0
    while start < len(stream):
        size = random.randint(1, longest)
        pieces.append(stream[start : start + size])
        start += size
    return pieces


def _value(random: Random, depth: int = 0) -> str:
    """A JSON value of any type, as text."""
    choice = random.randrange(12)
    if choice < 4 and depth < 5:
        inner = (f"{json.dumps(random.choice(_NAMES))}:{_value(random, depth + 1)}" for _ in range(random.randrange(5)))
        return "{" + ",".join(inner) + "}"
    if choice < 6 and depth < 5:
        return "[" + ",".join(_value(random, depth + 1) for _ in range(random.randrange(3))) + "]"
    if choice < 8:
        return json.dumps("".join(random.choice('ab "\\\n\u2028é😀\ufeff\0') for _ in range(random.randrange(8))))
    if choice == 8:
        return str(random.choice((0, 1, -1, 7, 2**31, 2**62, 2**63, 2**64, 0.5, 3.0, -2)))
    return random.choice((*_LITERALS, "null", "true", '"stop"', '""', '"null"'))


def _shaped(random: Random) -> str:
    """A chunk in the usual shape, with some values of any type."""
    delta = f'{{"content":{_value(random, 4)},"reasoning_content":{_value(random, 4)}}}'
    return f'{{"id":"a","choices":[{{"index":0,"delta":{delta},"finish_reason":{_value(random, 4)}}}],"usage":null}}'


def _server_sent(random: Random) -> bytes:
    lines = []
    for _ in range(random.randrange(1, 9)):
        end = random.choice(("\n", "\n", "\n", "\r\n", "\r"))
        if random.random() < 0.3:
            lines.append(
                f"{random.choice(('event: ', 'event:', 'id: ', 'retry: ', ': '))}{random.choice(_EVENTS)}{end}"
            )
        if random.random() < 0.8:
            data = random.choice((_shaped, _value, _value))(random)
        else:
            data = random.choice(("[DONE]", "", " [DONE] ", '{"type":"message_stop"}', "{", "null"))
        lines.append(f"data:{random.choice((' ', '', '  '))}{data}{end}{end if random.random() < 0.95 else ''}")
    return "".join(lines).encode("utf-8", "surrogatepass")


def _framed(random: Random) -> bytes:
    out = []
    for _ in range(random.randrange(1, 9)):
        kind = random.choice(_KINDS)
        value: Any = random.choice((_shaped, _value))(random).encode("utf-8", "surrogatepass")
        if random.random() < 0.1:
            out.append(frames.exception("ThrottlingException", "slow down"))
        elif random.random() < 0.5:
            headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
            out.append(frames.frame(headers, value))
        else:
            out.append(frames.event("chunk", {"bytes": random.choice(("", "e30=", "!", "eyJhIjoxfQ=="))}))
    return b"".join(out)


def _damaged(stream: bytes, random: Random) -> bytes:
    content = bytearray(stream)
    for _ in range(random.choice((0, 0, 1, 2, 5))):
        if not content:
            break
        index = random.randrange(len(content))
        choice = random.randrange(5)
        if choice == 0:
            content[index] ^= 1 << random.randrange(8)
        elif choice == 1:
            del content[index:]
        elif choice == 2:
            content[index:index] = content[index : index + random.randrange(40)]
        elif choice == 3:
            content[index : index + 4] = random.randbytes(random.randrange(8))
        else:
            content[index:index] = random.choice((b"\xef\xbb\xbf", b"\r", b"\n\n", b"\x00", b"\xff\xfe"))
    return bytes(content)
