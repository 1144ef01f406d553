"""Event stream frames: a public vector, botocore's own decoder, every split, every kind of damage."""

from __future__ import annotations

import struct
import time
from binascii import crc32
from itertools import pairwise
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from tests.support import GOLDEN

from llmdyno.protocols.eventstream import EventStreamDecoder, Frame

# A frame that botocore decodes; its payload holds {"generation": "a"} in base64 and padding.
VECTOR = bytes.fromhex((GOLDEN / "bedrock_chunk_frame.hex").read_text(encoding="ascii"))


def frame(headers: bytes, payload: bytes) -> bytes:
    """A frame put together from the format's description."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", crc32(prelude))
    body = prelude + headers + payload
    return body + struct.pack(">I", crc32(body))


def text_header(name: str, value: str) -> bytes:
    return (
        bytes([len(name.encode())]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
    )


def decode(pieces: list[bytes]) -> tuple[list[Frame], str | None]:
    decoder = EventStreamDecoder()
    return [found for piece in pieces for found in decoder.feed(piece)], decoder.broken


def foreign(body: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """The same bytes through botocore."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [(message.headers, message.payload) for message in buffer]


def test_the_public_vector() -> None:
    [found], broken = decode([VECTOR])
    assert broken is None
    assert found.end == len(VECTOR) == 141
    assert found.headers == {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert found.payload == b'{"bytes":"eyJnZW5lcmF0aW9uIjogImEifQ==","p":"abc"}'
    assert foreign(VECTOR) == [(found.headers, found.payload)]


def test_every_split_in_two_and_byte_by_byte() -> None:
    body = VECTOR + frame(b"", b"") + VECTOR
    expected = decode([body])
    assert [found.end for found in expected[0]] == [141, 157, 298]
    for index in range(len(body)):
        assert decode([body[:index], body[index:]]) == expected
    assert decode([body[index : index + 1] for index in range(len(body))]) == expected


FRAMES = st.builds(
    frame,
    st.dictionaries(st.text("abc:-é", min_size=1, max_size=8), st.text(max_size=20), max_size=3).map(
        lambda pairs: b"".join(text_header(name, value) for name, value in pairs.items())
    ),
    st.binary(max_size=60),
)


@given(frames=st.lists(FRAMES, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_botocore_sees_the_same_in_any_split(frames: list[bytes], cuts: list[int]) -> None:
    body = b"".join(frames)
    cuts_at = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    found, broken = decode([body[start:stop] for start, stop in pairwise(cuts_at)])
    assert broken is None
    assert [(one.headers, one.payload) for one in found] == foreign(body)


def test_a_large_frame_in_many_pieces_costs_time_in_proportion() -> None:
    def seconds(pieces: int) -> float:
        body, decoder = frame(b"", b"x" * (pieces * 200)), EventStreamDecoder()
        began = time.process_time()
        found = [one for index in range(0, len(body), 200) for one in decoder.feed(body[index : index + 200])]
        assert [len(one.payload) for one in found] == [pieces * 200]
        return time.process_time() - began

    seconds(100)
    assert seconds(40_000) < 40 * max(seconds(5_000), 1e-3)  # 8 times the bytes; 64 times the time if quadratic


@given(index=st.integers(0, len(VECTOR) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(index: int, bit: int) -> None:
    damaged = bytearray(VECTOR)
    damaged[index] ^= 1 << bit
    decoder = EventStreamDecoder()
    assert decoder.feed(bytes(damaged)) == []
    assert decoder.broken is not None
    assert decoder.feed(VECTOR) == []


@given(noise=st.binary(max_size=300))
def test_noise_never_raises(noise: bytes) -> None:
    decoder = EventStreamDecoder()
    for index in range(0, len(noise), 7):
        decoder.feed(noise[index : index + 7])
    assert decoder.broken is None or decoder.pending == 0


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (20, 5), (2**31, 0), (200_000, 140_000)])
def test_lengths_that_are_impossible(total: int, headers: int) -> None:
    prelude = struct.pack(">II", total, headers)
    _, broken = decode([prelude + struct.pack(">I", crc32(prelude)) + b"x" * 100])
    assert broken is not None
    assert "is impossible" in broken


@pytest.mark.parametrize(
    "headers",
    [b"\x01a\x07\x00\x05ab", b"\x01a\x0a", b"\x05a", b"\x01\xff\x07\x00\x00", text_header("a", "1") * 2, b"\x01a"],
)
def test_headers_that_cannot_be_read(headers: bytes) -> None:
    found, broken = decode([frame(headers, b"x")])
    assert (found, broken) == ([], "the headers of a frame cannot be read")


def test_headers_of_every_type() -> None:
    fixed = {0: b"", 1: b"", 2: b"\x01", 3: b"\x01\x02", 4: b"1234", 5: b"12345678", 8: b"12345678", 9: b"u" * 16}
    block = b"".join(b"\x02h%d" % kind + bytes([kind]) + value for kind, value in fixed.items())
    block += b"\x01b\x06\x00\x03abc" + text_header("s", "text")
    [found], _ = decode([frame(block, b"")])
    assert found.headers == {f"h{kind}": value for kind, value in fixed.items()} | {"b": b"abc", "s": "text"}
    assert set(foreign(frame(block, b""))[0][0]) == set(found.headers)
