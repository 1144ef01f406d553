"""Bodies that came compressed, in any pieces."""

from __future__ import annotations

import gzip
import zlib

import pytest

from llmdyno.transports import encoding
from llmdyno.transports.encoding import decode_pieces

PLAIN = b"".join(b"data: {%d}\n\n" % number for number in range(300))


def raw_deflate(data: bytes) -> bytes:
    pack = zlib.compressobj(wbits=-15)
    return pack.compress(data) + pack.flush()


PACKED = {
    b"gzip": gzip.compress(PLAIN),
    b" X-GZip ": gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]),
    b"deflate": zlib.compress(PLAIN),
    b"deflate, identity": raw_deflate(PLAIN),
    b"deflate, gzip": gzip.compress(zlib.compress(PLAIN)),
    b"identity": PLAIN,
    b"": PLAIN,
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_every_split_gives_the_same_body_in_as_many_pieces(name: bytes, size: int) -> None:
    packed = PACKED[name]
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    found, problem = decode_pieces(name, pieces)
    assert problem is None
    assert len(found) == len(pieces)
    assert b"".join(found) == PLAIN


def test_a_body_that_is_cut_gives_what_came() -> None:
    found, problem = decode_pieces(b"gzip", [PACKED[b"gzip"][:-30]])
    assert problem is None
    assert PLAIN.startswith(found[0])
    assert found[0]


def test_bytes_after_the_last_member_are_left_out() -> None:
    assert decode_pieces(b"gzip", [PACKED[b"gzip"] + b"\r\n", b"more"]) == ([PLAIN, b""], None)


@pytest.mark.parametrize(
    ("name", "pieces", "problem"),
    [
        (b"br", [b"a", b"b"], "compressed with br"),
        (b"zstd", [b"a", b"b"], "compressed with zstd"),
        (b"gzip", [b"no gzip", b"b"], "gzip compression, which was not asked for, is broken"),
        (b"deflate", [b"\xff\xff", b"b"], "deflate compression, which was not asked for, is broken"),
    ],
)
def test_what_cannot_be_decoded_is_named(name: bytes, pieces: list[bytes], problem: str) -> None:
    found, said = decode_pieces(name, pieces)
    assert found == [b"", b""]
    assert problem in str(said)


@pytest.mark.parametrize("name", [b"", b"identity", b"UTF-8", b"none", b"identity, utf8"])
def test_names_of_no_compression(name: bytes) -> None:
    assert decode_pieces(name, [b"a", b"b"]) == ([b"a", b"b"], None)


def test_a_body_that_grows_without_bound_is_not_decoded() -> None:
    packed = gzip.compress(bytes(encoding.LIMIT + 2), compresslevel=1)
    found, problem = decode_pieces(b"gzip", [packed, b""])
    assert found == [b"", b""]
    assert problem == "the answer is larger than 256 MiB once its gzip compression is decoded"
