"""Server-sent events: held against a reading of the standard, against another parser, and against every split."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder as ForeignDecoder

from llmdyno.protocols.sse import STRAY, SseDecoder, SseEvent, looks_like_sse

M = b""
BODIES: dict[str, tuple[bytes, list[SseEvent]]] = {
    "plain": (b"data: a\n\ndata: b\n\n", [(9, M, b"a"), (18, M, b"b")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [(10, M, b"a"), (21, M, b"b")]),
    "no space": (b"data:a\n\n", [(8, M, b"a")]),
    "two lines": (b"data: a\ndata: b\n\n", [(17, M, b"a\nb")]),
    "comment and fields": (b": ping\n\nevent: x\nid: 1\nretry: 3\ndata: a\n\n", [(41, b"x", b"a")]),
    "a message by its name": (b"event: message\ndata: a\n\n", [(24, M, b"a")]),
    "a type without data": (b"event: x\n\ndata: a\n\n", [(19, M, b"a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [(12, M, b"a")]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\n", [(12, M, b"a")]),
    "empty data": (b"data:\n\ndata\n\n", [(7, M, b""), (13, M, b"")]),
    "last without its blank line": (b"data: a\n\ndata: [DONE]\n", [(9, M, b"a"), (22, M, b"[DONE]")]),
    "last without its line end": (b"data: a\n\ndata: [DONE]", [(9, M, b"a"), (21, M, b"[DONE]")]),
    "mixed line ends": (b"data: a\n\r\ndata: b\r\n\ndata: c\n\n", [(9, M, b"a"), (20, M, b"b"), (29, M, b"c")]),
    "old line ends": (b"data: a\r\rdata: b\r\r", [(9, M, b"a"), (18, M, b"b")]),
    "unknown field": (b"error: {}\n\n", [(11, STRAY, b"error: {}")]),
    "unknown lines and data": (b'{"a":\n1}\ndata: b\n\n', [(18, STRAY, b'{"a":\n1}'), (18, M, b"b")]),
    "half a byte order mark": (b"\xef\xbb", [(2, STRAY, b"\xef\xbb")]),
    "nothing": (b"", []),
}


def fed(decoder: SseDecoder, pieces: list[bytes]) -> list[SseEvent]:
    return [event for piece in pieces for event in decoder.feed(piece)]


def decode(pieces: list[bytes]) -> list[SseEvent]:
    decoder = SseDecoder()
    return fed(decoder, pieces) + decoder.close()


def cut(body: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(one, len(body)) for one in cuts), len(body)]
    return [body[start:stop] for start, stop in itertools.pairwise(bounds)]


@pytest.mark.parametrize("name", BODIES)
def test_every_split_in_two_and_byte_by_byte(name: str) -> None:
    body, expected = BODIES[name]
    assert decode([body]) == expected
    for index in range(len(body)):
        assert decode([body[:index], body[index:]]) == expected
    assert decode([body[index : index + 1] for index in range(len(body))]) == expected


LINES = [
    b"data: x",
    b"data:y z",
    b"data:  two",
    b"data",
    b"data: \xff\xe2\x82",
    b'data: {"a": "\xc3\xa9"}',
    b": c",
    b"event: e",
    b"event:message",
    b"event",
    b"id: 7",
    b"retry: 9",
    b"Data: no",
    b" data: no",
    b"dat",
    b"",
    b"",
    b"",
]
STREAMS = st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])), max_size=14).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def by_the_standard(body: bytes) -> list[tuple[str, str]]:
    """Types and data of the events, as the standard's own algorithm gives them, character by character."""
    text = body.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    events, lines, line, index = [], [], "", 0
    while index < len(text):
        if text[index] in "\r\n":
            lines.append(line)
            line = ""
            index += 2 if text[index : index + 2] == "\r\n" else 1
        else:
            line += text[index]
            index += 1
    data, kind = "", ""
    for one in lines:
        if not one:
            if data:
                events.append((kind or "message", data[:-1]))
            data = kind = ""
            continue
        name, colon, value = one.partition(":")
        if colon and not name:
            continue
        value = value[1:] if value[:1] == " " else value
        if name == "data":
            data += value + "\n"
        elif name == "event":
            kind = value
    return events


def readable(events: list[SseEvent]) -> list[tuple[str, str]]:
    return [
        (kind.decode("utf-8", "replace") or "message", data.decode("utf-8", "replace"))
        for _, kind, data in events
        if kind != STRAY
    ]


@settings(max_examples=500)
@given(
    body=st.one_of(STREAMS, st.text("d:\r\n at\ufeff", max_size=40).map(str.encode)),
    cuts=st.lists(st.integers(0, 150), max_size=6),
)
def test_the_standard_in_any_split(body: bytes, cuts: list[int]) -> None:
    assert readable(fed(SseDecoder(), cut(body, cuts))) == by_the_standard(body)
    assert decode(cut(body, cuts)) == decode([body])


def test_the_standard_on_long_random_streams() -> None:
    chance = random.Random(7)
    for _ in range(300):
        ends = chance.choice([[b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r"]])
        body = b"".join(chance.choice(LINES) + chance.choice(ends) for _ in range(chance.randrange(200)))
        cuts = [chance.randrange(len(body) + 1) for _ in range(chance.randrange(30))]
        assert readable(fed(SseDecoder(), cut(body, cuts))) == by_the_standard(body)


@given(body=STREAMS.filter(lambda body: b"\r" not in body and b"\xff" not in body))
def test_a_foreign_decoder_sees_the_same_data(body: bytes) -> None:
    foreign = [event.data for event in ForeignDecoder().iter_bytes(iter([body + b"\n\n"])) if event.data]
    assert [data.decode() for _, kind, data in decode([body + b"\n\n"]) if data and kind != STRAY] == foreign


@pytest.mark.parametrize("line", [b"data: " + b"x" * 500, b"data: x\n" * 60, b"data: x\r\n" * 60])
def test_a_stream_without_a_blank_line_costs_time_in_proportion(line: bytes) -> None:
    def seconds(pieces: int) -> float:
        decoder, began = SseDecoder(), time.process_time()
        for _ in range(pieces):
            assert decoder.feed(line) == []
        [(_, _, data)] = decoder.close()
        assert data
        return time.process_time() - began

    seconds(100)
    assert seconds(16_000) < 40 * max(seconds(2_000), 1e-3)  # 8 times the bytes; 64 times the time if it were quadratic


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: x", True),
        (b"\n\r\nid: 0\n", True),
        (b"\xef\xbb\xbf: hello", True),
        (b"event: x", True),
        (b"retry:3", True),
        (b"data\n", True),
        (b"error: {}", True),
        (b"d", False),
        (b"database error", False),
        (b"{}", False),
        (b"<html>", False),
        (b"", False),
    ],
)
def test_the_beginning_tells(body: bytes, expected: bool) -> None:
    assert looks_like_sse(body) is expected
