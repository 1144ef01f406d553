"""From raw facts to a record, after the last byte.

In: an exchange that has ended, a decoder, the clock. Out: a
:class:`~llmdyno.timeline.record.RequestRecord`. It works in slices, so that the engine can look at its
sockets in between; nothing it does can move a stamp.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator
from itertools import accumulate

from llmdyno.engine.clock import Clock
from llmdyno.engine.exchange import Exchange
from llmdyno.protocols.dialect import Dialect, error_text
from llmdyno.protocols.events import HTTP_STATUS, MALFORMED_EVENT, OTHER, Event, Failure
from llmdyno.timeline.record import CANCELLED, FAILED, KERNEL, OK, USER, RequestRecord

_ID_HEADERS = (b"x-request-id", b"x-amzn-requestid")

SLICE = 64
"""Pieces of a body decoded at a time, about 0.1 ms."""


def assemble(
    exchange: Exchange, dialect: Dialect, clock: Clock, *, keep_text: bool
) -> Generator[None, None, RequestRecord]:
    """Build the record of an exchange; yields between slices, returns the record."""
    record = _facts(exchange)
    failure = exchange.failure
    whole = failure is None and not exchange.cancelled
    if exchange.reads:
        arrivals, stamped = clock.arrivals(exchange.stamps, exchange.reads)
        record.clock = KERNEL if stamped else USER
        record.headers_ns = arrivals[0]
        if whole:
            record.end_ns = arrivals[-1]
        if exchange.status is not None and not 200 <= exchange.status < 300:
            # The status says more than whatever cut its body short.
            name = dialect.error_type(exchange.headers, b"".join(exchange.pieces))
            failure = Failure(HTTP_STATUS, exchange.status, _status_text(exchange), name)
        elif exchange.status is not None and (odd := _not_a_stream(exchange, dialect)):
            failure = failure or odd
        elif exchange.status is not None:
            found = yield from _decode(exchange, dialect, arrivals, record, whole=whole, keep_text=keep_text)
            failure = found or failure
    if failure is not None:
        record.state = FAILED
        record.error_kind, record.error_code, record.error_message, record.error_type = failure
    elif exchange.cancelled:
        record.state = CANCELLED
    else:
        record.state = OK
    return record


def _facts(exchange: Exchange) -> RequestRecord:
    """What is known without looking into the answer."""
    prepared = exchange.prepared
    return RequestRecord(
        request=prepared.request,
        phase=prepared.phase,
        user=exchange.user,
        planned_ns=prepared.offset_ns,
        connect_start_ns=exchange.connect_start_ns,
        connected_ns=exchange.connected_ns,
        tls_ns=exchange.tls_ns,
        sent_ns=exchange.sent_ns,
        sign_ns=exchange.sign_ns,
        end_ns=exchange.end_ns,
        http_status=exchange.status,
        reused=exchange.reused,
        reconnects=exchange.reconnects,
        attempt=prepared.attempt,
        input_tokens=prepared.input_tokens,
        max_tokens=prepared.max_tokens,
        response_id=_response_id(exchange),
        # What the stream itself says later goes before what its headers say.
        server_input_tokens=_count(exchange, b"x-amzn-bedrock-input-token-count"),
        server_output_tokens=_count(exchange, b"x-amzn-bedrock-output-token-count"),
        server_latency_ms=_count(exchange, b"x-amzn-bedrock-invocation-latency"),
        body_bytes=sum(map(len, exchange.pieces)),
    )


def undecodable(exchange: Exchange, error: Exception) -> RequestRecord:
    """The record of an exchange whose answer the decoder could not take: its facts, without chunks."""
    record = _facts(exchange)
    record.state, record.error_kind = FAILED, MALFORMED_EVENT
    record.error_message = f"the answer could not be decoded: {type(error).__name__}: {error}"
    record.end_ns = record.end_ns or (exchange.reads[-1] if exchange.reads else None)
    return record


def _decode(
    exchange: Exchange,
    dialect: Dialect,
    arrivals: array[int],
    record: RequestRecord,
    *,
    whole: bool,
    keep_text: bool,
) -> Generator[None, None, Failure | None]:
    """Fill in the record's chunks; returns the failure that the stream itself shows."""
    decoder = dialect.decoder()
    pieces, reads, marks = exchange.pieces, exchange.reads, exchange.marks
    sizes = list(accumulate(map(len, pieces), initial=0))
    last = len(reads) - 1
    read, received = 0, sizes[marks[0]]
    at, seen, kinds, characters, totals = array("q"), array("q"), array("b"), array("i"), array("i")
    texts: list[str] = []
    failure: Failure | None = None

    def take(events: list[Event]) -> None:
        nonlocal read, received, failure
        for event in events:
            while received < event.end and read < last:
                read += 1
                received = sizes[marks[read]]
            if event.failure is not None:
                failure = failure or event.failure
                continue
            kind, count = event.kind, event.output_tokens
            at.append(arrivals[read])
            seen.append(reads[read])
            kinds.append(kind)
            characters.append(len(event.text))
            totals.append(-1 if count is None or kind == OTHER else count)
            if count is not None:
                record.server_output_tokens = count
            if event.input_tokens is not None:
                record.server_input_tokens = event.input_tokens
            if event.finish_reason is not None:
                record.finish_reason = event.finish_reason
            if event.response_id is not None:
                record.response_id = event.response_id
            if event.server_latency_ms is not None:
                record.server_latency_ms = event.server_latency_ms
                record.server_first_byte_ms = event.server_first_byte_ms
            if keep_text:
                texts.append(event.text)

    for start in range(0, len(pieces), SLICE):
        take(decoder.feed(b"".join(pieces[start : start + SLICE])))
        yield
    if whole:
        take(decoder.close())
    record.arrivals, record.reads = at.tobytes(), seen.tobytes()
    record.kinds, record.sizes = kinds.tobytes(), characters.tobytes()
    if any(total >= 0 for total in totals):
        record.cumulative_tokens = totals.tobytes()
    if keep_text:
        record.text = "".join(texts)
    return failure


def _count(exchange: Exchange, name: bytes) -> int | None:
    value = exchange.headers.get(name, b"")
    return int(value) if value.isdigit() and len(value) < 16 else None


def _response_id(exchange: Exchange) -> str | None:
    for name in _ID_HEADERS:
        if name in exchange.headers:
            return exchange.headers[name].decode("latin-1")
    return None


def _status_text(exchange: Exchange) -> str:
    message = error_text(b"".join(exchange.pieces))
    location = exchange.headers.get(b"location")
    if location is not None and exchange.status is not None and 300 <= exchange.status < 400:
        return f"redirected to {location.decode('latin-1')}: give that as the base URL"
    return message or "no message"


def _not_a_stream(exchange: Exchange, dialect: Dialect) -> Failure | None:
    """A 200 that is no stream of this dialect, such as a web page or an answer given in one piece."""
    media_type = exchange.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media_type in (dialect.media_type, ""):
        return None
    start = b"".join(exchange.pieces[:2])[:60].decode("utf-8", "replace")
    if start.lstrip("\ufeff").startswith(("data:", "event:", ":")):
        return None
    text = " ".join(start.split())
    return Failure(
        MALFORMED_EVENT,
        None,
        f"the answer is {media_type}, not {dialect.media_type}; it starts with {text!r}",
    )
