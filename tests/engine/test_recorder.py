"""The recorder: records in the order in which requests ended, counters, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import UNSET

from llmdyno.engine.recorder import Recorder
from llmdyno.host.stop import Stop
from llmdyno.protocols.dialect import Dialect, Envelope
from llmdyno.protocols.events import HTTP_STATUS, Failure
from llmdyno.protocols.openai import CHAT
from llmdyno.timeline.record import CONNECT, RequestRecord
from llmdyno.transports.clock import NO_STAMP, Clock
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.transport import Http1Transport
from llmdyno.transports.http1.wire import Origin
from llmdyno.workload.session import Reply

MS = 1_000_000
TWO_EVENTS = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n'


def recorder_of(
    sink: Callable[[RequestRecord], None], *, dialect: Dialect = CHAT, keep_text: bool = False, **options: Any
) -> tuple[Recorder, Stop]:
    """A recorder over our sockets' transport, none of which is open, and the run's stop."""
    loop, clock, stop = asyncio.get_running_loop(), Clock(), Stop()
    clock.close()
    client = Client(Origin("http", "h", 80, ""), loop)
    transport = Http1Transport(client, dialect, Envelope("", "m"), lambda messages: messages, clock, signed=False)
    return Recorder(transport, sink, stop, keep_text=keep_text, **options), stop


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def refused(number: int, message: str = "refused") -> Exchange:
    """An exchange without a connection."""
    exchange = Exchange(Prepared(number, "measured", None, 1, 2, Payload()), 0)
    exchange.failure, exchange.end_ns = Failure(CONNECT, None, message), 5
    return exchange


def answered(number: int, ttft_ms: int = 7, body: bytes = TWO_EVENTS) -> Exchange:
    """An exchange sent at 0 whose answer came in one read."""
    exchange = Exchange(Prepared(number, "measured", None, 1, 2, Payload()), 0)
    exchange.status, exchange.sent_ns, exchange.pieces = 200, 0, [body]
    exchange.reads, exchange.stamps, exchange.marks = [ttft_ms * MS], [NO_STAMP], [1]
    return exchange


def test_records_come_when_the_loop_is_free_and_in_order() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, stop = recorder_of(handed.append)
        for number in (2, 0, 1):
            recorder.add(answered(number, 7 + number))
        assert handed == []
        for _ in range(10):
            await asyncio.sleep(0)
        assert [record.request for record in handed] == [2, 0, 1]
        assert (recorder.done, recorder.failed, recorder.chunks, recorder.recorded) == (3, 0, 3, 3)
        assert list(recorder.ttfts_s) == [0.009, 0.007, 0.008]
        assert not stop.stopping

    run(main)


def test_a_phase_starts_its_counters_again() -> None:
    async def main() -> None:
        recorder, _ = recorder_of(lambda record: None)
        recorder.add(answered(0))
        recorder.add(refused(1))
        recorder.drain()
        assert (recorder.done, recorder.failed, recorder.chunks, list(recorder.ttfts_s)) == (1, 1, 1, [0.007])
        recorder.reset()
        assert (recorder.done, recorder.failed, recorder.chunks, list(recorder.ttfts_s)) == (0, 0, 0, [])
        assert recorder.recorded == 2

    run(main)


def test_a_sink_that_fails_ends_the_run_and_the_handing_over() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []

        def sink(record: RequestRecord) -> None:
            handed.append(record)
            if record.request == 1:
                raise OSError(28, "No space left on device")

        recorder, stop = recorder_of(sink)
        told: list[str] = []
        stop.on_stop(lambda: told.append("told"))
        for number in range(4):
            recorder.add(refused(number))
        recorder.drain()
        assert [record.request for record in handed] == [0, 1]
        assert (recorder.error.errno, recorder.recorded) == (28, 4)
        assert told == ["told"]

    run(main)


class Defeated:
    """A decoder that cannot take an answer."""

    def feed(self, data: bytes) -> list[Any]:
        raise RecursionError("too deep")


def test_an_answer_that_defeats_the_decoder_is_still_a_record() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, stop = recorder_of(handed.append, dialect=dataclasses.replace(CHAT, decoder=Defeated))
        recorder.add(answered(0))
        recorder.add(refused(1))
        recorder.drain()
        assert [(record.state, record.error_kind, record.end_ns) for record in handed] == [
            ("failed", "malformed_event", 7 * MS),
            ("failed", "connect", 5),
        ]
        assert handed[0].error_message == "the answer could not be decoded: RecursionError: too deep"
        assert recorder.read_now(answered(2)) == Reply(False, "", 7 * MS)
        assert not stop.stopping

    run(main)


def test_secrets_are_hidden_in_messages() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, _ = recorder_of(handed.append, secrets=("sk-secret", "abc"))
        exchange = refused(0, "bad key sk-secret, abc")
        exchange.failure = Failure(HTTP_STATUS, 401, "bad key sk-secret, abc")
        recorder.add(exchange)
        recorder.drain()
        assert handed[0].error_message == "bad key ***, abc"  # three letters are no secret and may be any word

    run(main)


def test_a_session_that_needs_the_reply_gets_it_at_once() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, _ = recorder_of(handed.append)
        reply = recorder.read_now(answered(4, 9))
        assert reply == Reply(True, "a", 9 * MS)
        assert [(record.request, record.text) for record in handed] == [(4, None)]
        keeping, _ = recorder_of(handed.append, keep_text=True)
        keeping.read_now(answered(5))
        assert handed[1].text == "a"

    run(main)


def test_the_first_label_of_an_emulator_is_kept() -> None:
    async def main() -> None:
        made: list[RequestRecord] = []
        recorder, _ = recorder_of(made.append)
        recorder.add(answered(0))
        recorder.drain()
        assert recorder.emulated is None
        for number, profile in enumerate((b"p", b"q"), 1):
            exchange = answered(number)
            exchange.headers[b"x-llmdyno-emulated"] = b"profile=" + profile
            recorder.add(exchange)
        recorder.drain()
        assert recorder.emulated == "profile=p"
        assert [record.emulated for record in made] == [UNSET, "profile=p", UNSET]

    run(main)


KEY = "sk-proj-Ab3dEf5hIj7lMn9p"


def test_a_secret_is_masked_before_a_message_is_cut() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, _ = recorder_of(handed.append, secrets=(KEY,))
        for before in (*range(270, 301), 20):
            error = b'{"error":{"message":"%b %b is bad","type":"%b"}}' % (b"x" * before, KEY.encode(), KEY.encode())
            refusal, stream = answered(0, body=error), answered(0, body=b"data: " + error + b"\n\n")
            refusal.status = 400
            odd = answered(0, body=b"data: {%b %b\n\n" % (b"x" * (before - 220), KEY.encode()))
            for exchange in (refusal, stream, odd):
                recorder.add(exchange)
        recorder.drain()
        for record in handed:
            assert record.error_message is not None
            assert not any(KEY[at : at + 4] in record.error_message for at in range(3, len(KEY) - 4)), (
                record.error_message
            )
            assert record.error_type in (None, "***")
        assert handed[-2].error_message == f"{'x' * 20} *** is bad"

    run(main)


def test_a_secret_is_masked_in_every_field_of_a_good_answer() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, _ = recorder_of(handed.append, secrets=(KEY,), keep_text=True)
        event = '{"id":"KEY","choices":[{"index":0,"delta":{"content":"KEY"},"finish_reason":"KEY"}]}'.replace(
            "KEY", KEY
        )
        body = f"data: {event}\n\ndata: [DONE]\n\n".encode()
        recorder.add(answered(0, body=body))
        reply = recorder.read_now(answered(1, body=body))
        recorder.drain()
        assert reply.text == "*" * 24
        for record in handed:
            assert (record.response_id, record.text, record.finish_reason) == ("***", "*" * 24, "***")
            assert record.state == "ok"

    run(main)


def test_a_usual_answer_is_not_searched() -> None:
    async def main() -> None:
        handed: list[RequestRecord] = []
        recorder, _ = recorder_of(handed.append, secrets=(KEY,))
        good, bad = answered(0), answered(1, body=b"data: {\n\n")
        recorder.add(good)
        recorder.add(bad)
        recorder.drain()
        assert [good.concealed, bad.concealed] == [False, True]
        assert [record.state for record in handed] == ["ok", "failed"]

    run(main)
