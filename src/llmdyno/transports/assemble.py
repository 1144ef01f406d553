"""Builds a record from the raw facts of an exchange, after the last byte.

In: an ended exchange, a decoder, the clock. Out: a :class:`~llmdyno.timeline.record.RequestRecord`. It works in slices,
so that the engine can serve its sockets in between. It cannot change a stamp. Some answers can only be decoded after
the run. The record then keeps their bytes, and :func:`reread` adds the chunks later.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Mapping
from itertools import accumulate, pairwise

from llmdyno.protocols.dialect import Dialect, HeaderFacts, common_header_facts, error_text
from llmdyno.protocols.events import (
    ABORTED,
    EMPTY,
    HTTP_STATUS,
    MALFORMED_EVENT,
    OTHER,
    STREAM_ERROR,
    Event,
    Failure,
    is_abort,
    is_normal_end,
)
from llmdyno.protocols.server_error import failure_in_body, first_words
from llmdyno.protocols.sse import looks_like_sse
from llmdyno.protocols.values import without_surrogates
from llmdyno.timeline.record import CANCELLED, FAILED, KERNEL, OK, USER, RequestRecord
from llmdyno.transports.advice import redirect_text, remedy_for
from llmdyno.transports.chunks import Chunks
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange

SSE = "text/event-stream"
"""The media type of server-sent events."""
SLICE = 64
"""How many pieces of a body are decoded in one slice, about 0.1 ms."""
_NO_FAILURE = Failure("", None, "")


def assemble(
    exchange: Exchange, dialect: Dialect, clock: Clock, *, keep_text: bool
) -> Generator[None, None, RequestRecord]:
    """Build the record of an exchange. Yields after each slice of work, and returns the record."""
    record = facts(exchange, dialect.header_facts)
    exchange.uncompress()
    failure = exchange.failure
    whole = failure is None and not exchange.cancelled
    if exchange.reads:
        arrivals, stamped = clock.arrivals(exchange.stamps, exchange.reads)
        record.clock = KERNEL if stamped else USER
        record.headers_ns = arrivals[0]
        if whole:
            record.end_ns = arrivals[-1]
        if exchange.status is not None and not _answers(exchange, dialect):
            # The status says more than the reason why the body was cut short.
            name = dialect.error_type(exchange.headers, b"".join(exchange.pieces))
            failure = Failure(HTTP_STATUS, exchange.status, _status_text(exchange), name)
        elif exchange.status is not None and (odd := _not_a_stream(exchange, dialect)):
            failure = failure or odd
        elif exchange.status is not None and dialect.decoder is None:
            _keep(exchange, arrivals, record)
        elif exchange.status is not None:
            chunks = yield from _decode(exchange, dialect, arrivals, record, whole=whole, keep_text=keep_text)
            failure = chunks.failure or (failure if not chunks.ended else None)
            settle(record, failure, cancelled=exchange.cancelled and not chunks.ended)
            return record
    settle(record, failure, cancelled=exchange.cancelled)
    return record


def settle(record: RequestRecord, failure: Failure | None, *, cancelled: bool) -> None:
    """Note in the record how the exchange ended. A decoded answer is a failure if it is aborted or empty."""
    if failure is None and not cancelled and record.body is None:
        failure = _shortcoming(record)
    if failure is not None:
        record.state = FAILED
        record.error_kind, record.error_code, message, name = failure
        record.error_message = without_surrogates(message)
        record.error_type = without_surrogates(name) if name is not None else None
    elif cancelled:
        record.state = CANCELLED
    else:
        record.state = OK


def _shortcoming(record: RequestRecord) -> Failure | None:
    """Why an answer that ended well is none: the server aborted it, or it holds no output.

    A model whose first token is its end of text has answered, although nothing was streamed: the server names a normal
    end and counts that token.
    """
    reason = record.finish_reason
    if reason is not None and is_abort(reason):
        return Failure(ABORTED, None, f"the server ended the answer with the finish reason {reason!r}")
    if record.kinds.count(OTHER) < len(record.kinds):
        return None
    if reason is not None and is_normal_end(reason) and (record.server_output_tokens or 0) > 0:
        return None
    told = [f"finish reason {reason!r}"] if reason is not None else []
    if record.server_output_tokens is not None:
        told.append(f"{record.server_output_tokens} output tokens by the server's count")
    return Failure(EMPTY, None, "the answer holds no output" + (f" ({', '.join(told)})" if told else ""))


def facts(
    exchange: Exchange, header_facts: Callable[[Mapping[bytes, bytes]], HeaderFacts] = common_header_facts
) -> RequestRecord:
    """A record with everything that is known without decoding the answer."""
    prepared = exchange.prepared
    # The events of the stream replace these values later.
    told = header_facts(exchange.headers)
    return RequestRecord(
        request=prepared.request,
        phase=prepared.phase,
        user=exchange.user,
        planned_ns=exchange.planned_ns,
        connect_start_ns=exchange.connect_start_ns,
        connected_ns=exchange.connected_ns,
        tls_ns=exchange.tls_ns,
        sent_ns=exchange.sent_ns,
        sign_ns=exchange.sign_ns,
        end_ns=exchange.end_ns,
        http_status=exchange.status,
        reused=exchange.reused,
        reconnects=exchange.reconnects,
        resends=exchange.resends,
        first_sent_ns=exchange.first_sent_ns,
        resend_reason=exchange.resend_reason,
        attempt=prepared.attempt,
        input_tokens=prepared.input_tokens,
        max_tokens=prepared.max_tokens,
        response_id=told.response_id,
        server_input_tokens=told.input_tokens,
        server_output_tokens=told.output_tokens,
        server_latency_ms=told.latency_ms,
        service_tier=told.service_tier,
        body_bytes=exchange.body_bytes,
    )


def undecodable(exchange: Exchange, error: Exception) -> RequestRecord:
    """The record of an exchange whose answer cannot be decoded: its facts, without chunks."""
    record = facts(exchange)
    record.state, record.error_kind = FAILED, MALFORMED_EVENT
    record.error_message = f"the answer could not be decoded: {type(error).__name__}: {error}"
    record.end_ns = record.end_ns or (exchange.reads[-1] if exchange.reads else None)
    return record


def refusal_of(exchange: Exchange, dialect: Dialect) -> str | None:
    """The server's name for its refusal, from the failure or from the answer's bytes; None: the server gave no name."""
    exchange.uncompress()
    if exchange.failure is not None and exchange.failure.type is not None:
        return exchange.failure.type
    return dialect.error_type(exchange.headers, b"".join(exchange.pieces))


def built(work: Generator[None, None, RequestRecord]) -> RequestRecord:
    """Run `work` to its end and return the record."""
    while True:
        try:
            next(work)
        except StopIteration as finished:
            record: RequestRecord = finished.value
            return record


def _decode(
    exchange: Exchange,
    dialect: Dialect,
    arrivals: array[int],
    record: RequestRecord,
    *,
    whole: bool,
    keep_text: bool,
) -> Generator[None, None, Chunks]:
    """Decode the chunks into the record."""
    assert dialect.decoder is not None
    decoder = dialect.decoder()
    pieces = exchange.pieces
    sizes = list(accumulate(map(len, pieces), initial=0))
    chunks = Chunks(arrivals, exchange.reads, [sizes[mark] for mark in exchange.marks], keep_text=keep_text)
    for start in range(0, len(pieces), SLICE):
        chunks.take(record, decoder.feed(b"".join(pieces[start : start + SLICE])))
        yield
    rest = decoder.close()
    # The end mark, or the server's error, may lack its blank line.
    if whole or any(event.end_mark or (event.failure or _NO_FAILURE).kind == STREAM_ERROR for event in rest):
        chunks.take(record, rest)
    chunks.put(record)
    return chunks


def _keep(exchange: Exchange, arrivals: array[int], record: RequestRecord) -> None:
    """Keep the answer's bytes in the record, one chunk for each read. They are decoded after the run."""
    sizes = [0, *accumulate(map(len, exchange.pieces))]
    received = [sizes[mark] for mark in exchange.marks]
    record.body = b"".join(exchange.pieces)
    record.arrivals, record.reads = arrivals.tobytes(), array("q", exchange.reads).tobytes()
    record.kinds = bytes(len(received))
    record.sizes = array("i", [after - before for before, after in pairwise([0, *received])]).tobytes()


def reread(record: RequestRecord, read: Callable[[list[bytes]], list[Event]], *, keep_text: bool) -> None:
    """Decode the bytes that a record kept, and put the chunks into the record.

    Args:
        record: a record with a `body`. The body is removed.
        read: decodes the body, in the pieces in which it arrived, to events. An event's `end` counts pieces.
        keep_text: whether the record holds the answer's text.
    """
    assert record.body is not None
    body, record.body = record.body, None
    sizes = array("i", record.sizes)
    ends = list(accumulate(sizes, initial=0))
    pieces = [body[start:end] for start, end in pairwise(ends)]
    arrivals, reads = array("q", record.arrivals), array("q", record.reads)
    chunks = Chunks(arrivals, reads, range(1, len(pieces) + 1), keep_text=keep_text)
    chunks.take(record, read(pieces))
    chunks.put(record)
    if record.state == OK:
        settle(record, chunks.failure, cancelled=False)


def _answers(exchange: Exchange, dialect: Dialect) -> bool:
    """Whether the status is that of an answer. A 202 and the like promise one for later, unless they hold a stream."""
    status = exchange.status or 0
    media_type = exchange.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    return status == 200 or (200 < status < 300 and media_type == dialect.media_type)


def _status_text(exchange: Exchange) -> str:
    """What the server says about its status, with what helps."""
    body = b"".join(exchange.pieces)
    location, status = exchange.headers.get(b"location"), exchange.status or 0
    if location is not None and 300 <= status < 400:
        return exchange.advice or redirect_text(location.decode("latin-1"))
    message = error_text(body) or (exchange.failure.message if exchange.failure is not None else "no message")
    if 200 < status < 300:
        return f"accepted, but not answered: {message}"
    remedy = remedy_for(body[:4096].decode("utf-8", "replace")) if status in (400, 422) else None
    return message if remedy is None else f"{message}; {remedy}"


def _not_a_stream(exchange: Exchange, dialect: Dialect) -> Failure | None:
    """The failure of a 200 that is not a stream of this dialect, such as a web page; None: it is a stream."""
    media_type = exchange.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media_type in (dialect.media_type, "") or not dialect.media_type:
        return None
    body = b"".join(exchange.pieces)
    if dialect.media_type == SSE and looks_like_sse(body):
        return None
    if (failure := failure_in_body(body)) is not None:
        return failure
    text = first_words(body, 60)
    return Failure(
        MALFORMED_EVENT,
        None,
        f"the answer is {media_type}, not {dialect.media_type}; it starts with {text!r}",
    )
