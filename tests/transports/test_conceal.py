"""Secrets in what a server said: masked in records, in exchanges before they are read, in chunks at their sizes."""

from __future__ import annotations

import gzip
from array import array

import pytest
from tests.support import make_record

from llmdyno.protocols.events import HTTP_STATUS, OTHER, REASONING, TEXT, Failure
from llmdyno.spec.masking import Masker
from llmdyno.transports.conceal import conceal_record
from llmdyno.transports.exchange import Exchange, Payload, Prepared

KEY = "sk-proj-Ab3dEf5hIj7lMn9p"
MASK = Masker([KEY])


def test_every_text_of_a_record_is_masked() -> None:
    record = make_record(
        1,
        1.0,
        [(2.0, TEXT, 1)],
        error_message=f"bad key {KEY}",
        error_type=KEY,
        finish_reason=f"{KEY}!",
        response_id=f"id-{KEY}",
        resend_reason=f"the server redirects (307) to /x?k={KEY}",
        body=f'{{"a":"{KEY}"}}'.encode(),
    )
    conceal_record(record, MASK)
    assert (record.error_message, record.error_type, record.finish_reason) == ("bad key ***", "***", "***!")
    assert (record.response_id, record.resend_reason) == ("id-***", "the server redirects (307) to /x?k=***")
    assert record.body == b'{"a":"%b"}' % (b"*" * len(KEY))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 24, 40])
@pytest.mark.parametrize("kinds", [(TEXT,), (TEXT, REASONING), (TEXT, OTHER, REASONING)])
def test_a_secret_that_is_split_over_chunks_is_masked_at_its_size(size: int, kinds: tuple[int, ...]) -> None:
    said = f"the key is {KEY}, isn't it?"
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    chunks = [(kind, piece if kind != OTHER else "") for piece in pieces for kind in kinds]
    record = make_record(0, 0.0, [(1.0, kind, len(piece)) for kind, piece in chunks])
    record.text = "".join(piece for _, piece in chunks)
    sizes = array("i", record.sizes).tolist()
    conceal_record(record, MASK)
    assert record.text is not None
    ends = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
    for kind in set(kinds) - {OTHER}:
        of_kind = [record.text[ends[at] : ends[at + 1]] for at, one in enumerate(record.kinds) if one == kind]
        assert "".join(of_kind) == f"the key is {'*' * len(KEY)}, isn't it?"
    assert array("i", record.sizes).tolist() == sizes


def test_a_text_that_goes_on_in_another_kind_is_masked() -> None:
    record = make_record(0, 0.0, [(1.0, REASONING, 12), (2.0, TEXT, 12)], text=KEY)
    conceal_record(record, MASK)
    assert record.text == "*" * 24


def exchange_of(*pieces: bytes, **headers: bytes) -> Exchange:
    exchange = Exchange(Prepared(0, "measured", None, 1, 2, Payload()), 0)
    exchange.status, exchange.pieces = 400, list(pieces)
    exchange.headers = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return exchange


def test_an_exchange_masks_headers_and_body_and_keeps_their_sizes() -> None:
    exchange = exchange_of(b'{"error":"' + KEY[:9].encode(), KEY[9:].encode() + b'"}', server=KEY.encode(), via=b"1")
    exchange.failure = Failure(HTTP_STATUS, 407, f"the proxy says {KEY}", KEY)
    exchange.conceal(MASK)
    assert exchange.pieces == [b'{"error":"' + b"*" * 9, b"*" * 15 + b'"}']
    assert exchange.headers == {b"server": b"*" * 24, b"via": b"1"}
    assert exchange.failure == Failure(HTTP_STATUS, 407, "the proxy says ***", "***")
    assert exchange.concealed


def test_a_compressed_body_is_masked_and_its_size_is_that_of_the_wire() -> None:
    body = gzip.compress(f"bad key {KEY}".encode())
    exchange = exchange_of(body, content_encoding=b"gzip")
    exchange.conceal(MASK)
    assert b"".join(exchange.pieces) == b"bad key " + b"*" * 24
    assert exchange.body_bytes == len(body)
    assert exchange_of(b"abc").body_bytes == 3
