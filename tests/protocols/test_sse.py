"""Server-sent events: any split of the same bytes gives the same events, and another reader agrees."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder as ForeignDecoder

from llmdyno.protocols.sse import SseDecoder

BODIES = {
    "plain": (b"data: a\n\ndata: b\n\n", [(9, b"a"), (18, b"b")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [(11, b"a"), (22, b"b")]),
    "no space": (b"data:a\n\n", [(8, b"a")]),
    "two lines": (b"data: a\ndata: b\n\n", [(17, b"a\nb")]),
    "comment and fields": (b": ping\n\nevent: x\nid: 1\ndata: a\n\n", [(32, b"a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [(12, b"a")]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\n", [(12, b"a")]),
    "empty data": (b"data:\n\ndata\n\n", [(7, b""), (13, b"")]),
    "last without its blank line": (b"data: a\n\ndata: [DONE]\n", [(9, b"a"), (22, b"[DONE]")]),
    "mixed line ends": (b"data: a\n\r\ndata: b\r\n\ndata: c\n\n", [(10, b"a"), (20, b"b"), (29, b"c")]),
    "old line ends": (b"data: a\r\rdata: b\r\r", [(9, b"a"), (18, b"b")]),
    "nothing": (b"", []),
}


def decode(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    decoder = SseDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


@pytest.mark.parametrize("name", BODIES)
def test_every_split_in_two_and_byte_by_byte(name: str) -> None:
    body, expected = BODIES[name]
    assert decode([body]) == expected
    for index in range(len(body)):
        assert decode([body[:index], body[index:]]) == expected
    assert decode([body[index : index + 1] for index in range(len(body))]) == expected


LINES = st.lists(
    st.sampled_from([b"data: x", b"data:y z", b"data", b": c", b"event: e", b"", b"", b"dat", b"data: {}"]), max_size=12
)
ENDS = st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=12, max_size=12)


@given(lines=LINES, ends=ENDS, cuts=st.lists(st.integers(0, 150), max_size=6))
def test_any_split_of_any_stream(lines: list[bytes], ends: list[bytes], cuts: list[int]) -> None:
    body = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    cuts_at = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:stop] for start, stop in itertools.pairwise(cuts_at)]
    assert decode(pieces) == decode([body])


@given(lines=LINES, ends=ENDS)
def test_a_foreign_decoder_sees_the_same_data(lines: list[bytes], ends: list[bytes]) -> None:
    body = b"".join(line + end for line, end in zip(lines, ends, strict=False)) + b"\n\n"
    foreign = [event.data for event in ForeignDecoder().iter_bytes(iter([body])) if event.data]
    assert [data.decode() for _, data in decode([body]) if data] == foreign
