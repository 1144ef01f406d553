"""LiteLLM's two ways to send: which one a trial decides on, and that a stopped trial sends nothing more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.support import ENDING, ScriptedServer, event, response, stream_head

from llmdyno.errors import InputError
from llmdyno.host.stop import Stop
from llmdyno.protocols.dialect import Envelope
from llmdyno.protocols.events import HTTP_STATUS, TEXT, Event, Failure
from llmdyno.protocols.openai import DIALECTS
from llmdyno.targets.litellm.transport import LiteLLMTransport
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.transport import Http1Transport
from llmdyno.transports.http1.wire import Origin
from llmdyno.transports.library import LibraryTransport
from llmdyno.workload.session import Messages, Turn, user_message

Scripted = Callable[..., ScriptedServer]
GOOD = [stream_head() + event("a"), event("b") + ENDING]
BAD = [response(b'{"error":{"message":"no such thing"}}', "400 Bad Request")]
HOLD = [stream_head(), 5.0]
TURN = Turn(3, "measured", user_message("why"), 1, 5)


class Refused(Exception):
    pass


class MadeLibrary:
    """A library whose stream gives these chunks; `parsed` is what its parser finds in recorded bytes."""

    def __init__(self, chunks: list[str], parsed: str = "ab", held_s: float = 0.0) -> None:
        self.opened: list[str] = []
        self.chunks = chunks
        self.parsed = parsed
        self.held_s = held_s

    async def open(self, messages: Messages, max_tokens: int) -> tuple[dict[bytes, bytes], AsyncIterator[str]]:
        self.opened.append(messages[0].content)
        if self.chunks == ["refused"]:
            raise Refused("LiteLLM says no")

        async def stream() -> AsyncIterator[str]:
            await asyncio.sleep(self.held_s)
            for chunk in self.chunks:
                yield chunk

        return {}, stream()

    def event(self, chunk: str, number: int) -> Event:
        return Event(number, TEXT, chunk, "stop")

    def refusal(self, error: Exception, streaming: bool) -> tuple[int | None, dict[bytes, bytes], Failure]:
        return 400, {}, Failure(HTTP_STATUS, 400, str(error), "Refused")

    def read(self, pieces: list[bytes], media_type: str) -> list[Event]:
        assert b"".join(pieces).startswith(b"data: ")
        assert media_type == "text/event-stream"
        return [Event(1, TEXT, self.parsed)]


@contextlib.asynccontextmanager
async def opened(
    server: ScriptedServer | None, library: MadeLibrary, *, mode: str = "auto", try_first: bool = True
) -> AsyncIterator[LiteLLMTransport]:
    """The transport over a scripted server and a made library; without a server there is no wire."""

    def template(messages: Messages) -> Messages:
        return messages

    clock, wire = Clock(), None
    if server is not None:
        client = Client(Origin.of(server.url), asyncio.get_running_loop(), None, tls=None, proxy=None)
        await client.resolve()
        wire = Http1Transport(client, DIALECTS["chat"], Envelope("/v1", "m"), template, clock, signed=False)
    sdk: Any = library
    transport = LiteLLMTransport(
        wire, LibraryTransport(sdk, template), sdk, template, mode=mode, try_first=try_first, timeout_s=5.0
    )
    try:
        yield transport
    finally:
        transport.close()
        clock.close()


def decide(
    server: ScriptedServer | None, library: MadeLibrary, *, mode: str = "auto", try_first: bool = True
) -> tuple[tuple[str, ...], str]:
    """What a trial decides: its notes, and the clock of the way that was chosen."""

    async def main() -> tuple[tuple[str, ...], str]:
        async with opened(server, library, mode=mode, try_first=try_first) as transport:
            return await transport.decide(Stop()), transport.clock

    return asyncio.run(main())


def test_both_ways_work_and_the_wire_carries_the_load(scripted: Scripted) -> None:
    server, library = scripted(GOOD), MadeLibrary(["ab"])
    notes, clock = decide(server, library)
    assert (notes, clock in ("kernel", "user")) == (("mode: wire",), True)
    assert (len(server.requests), library.opened) == (1, ["Say hello in a few words."])


@pytest.mark.parametrize(
    ("script", "library", "note"),
    [
        (BAD, MadeLibrary(["ab"]), "mode: sdk (on the wire the first request failed: no such thing)"),
        (
            GOOD,
            MadeLibrary(["ab"], parsed="other"),
            "mode: sdk (our decoder and LiteLLM's read different texts from the same bytes)",
        ),
        ([stream_head() + ENDING], MadeLibrary(["ab"]), None),
    ],
)
def test_the_library_sends_where_the_wire_does_not_work(
    scripted: Scripted, script: list[Any], library: MadeLibrary, note: str | None
) -> None:
    notes, clock = decide(scripted(script), library)
    assert clock == "sdk"
    assert len(notes) == 1
    assert notes[0] == note if note is not None else notes[0].startswith("mode: sdk (on the wire ")


def test_the_wire_sends_where_the_library_does_not_work(scripted: Scripted) -> None:
    notes, clock = decide(scripted(GOOD), MadeLibrary(["refused"]))
    assert notes == ("mode: wire (LiteLLM's own call failed: LiteLLM says no)",)
    assert clock in ("kernel", "user")


def test_both_refused_is_bad_input(scripted: Scripted) -> None:
    with pytest.raises(InputError) as caught:
        decide(scripted(BAD), MadeLibrary(["refused"]))
    assert (caught.value.where, caught.value.problem) == ("endpoint", "400: no such thing")


def test_a_mode_that_the_user_gave_is_the_only_one_tried(scripted: Scripted) -> None:
    server, library = scripted(GOOD), MadeLibrary(["ab"])
    assert decide(server, library, mode="wire")[0] == ("mode: wire",)
    assert (len(server.requests), library.opened) == (1, [])
    assert decide(None, library, mode="sdk") == (("mode: sdk",), "sdk")
    assert len(library.opened) == 1


def test_without_a_trial_nothing_is_sent(scripted: Scripted) -> None:
    server, library = scripted(GOOD), MadeLibrary(["ab"])
    notes, clock = decide(server, library, try_first=False)
    assert (notes, clock in ("kernel", "user")) == (("mode: wire (not tried beforehand)",), True)
    assert decide(None, library, try_first=False) == (("mode: sdk (not tried beforehand)",), "sdk")
    assert (server.asked, library.opened) == ([], [])


def stopped(server: ScriptedServer | None, library: MadeLibrary, under_way: Callable[[], bool]) -> tuple[str, ...]:
    """The notes of a trial that is stopped as soon as a request is under way."""

    async def main() -> tuple[str, ...]:
        async with opened(server, library) as transport:
            stop = Stop()
            stop.on_stop(transport.cancel)  # as the driver has it
            task = asyncio.ensure_future(transport.decide(stop))
            while not under_way():
                await asyncio.sleep(0.005)
            stop()
            notes = await asyncio.wait_for(task, 1.0)
            assert list(transport.in_flight) == []
            return notes

    return asyncio.run(main())


def test_a_stop_during_the_first_request_sends_no_second(scripted: Scripted) -> None:
    server, library = scripted(HOLD), MadeLibrary(["ab"])
    assert stopped(server, library, lambda: len(server.asked) == 1) == ()
    assert (len(server.asked), library.opened) == (1, [])


def test_a_stop_during_the_second_request_ends_it(scripted: Scripted) -> None:
    server, library = scripted(GOOD), MadeLibrary(["ab"], held_s=5.0)
    assert stopped(server, library, lambda: len(library.opened) == 1) == ()
    assert (len(server.asked), len(library.opened)) == (1, 1)


def test_a_stop_before_the_trial_sends_nothing(scripted: Scripted) -> None:
    server, library = scripted(GOOD), MadeLibrary(["ab"])

    async def main() -> tuple[str, ...]:
        async with opened(server, library) as transport:
            stop = Stop()
            stop()
            return await transport.decide(stop)

    assert asyncio.run(main()) == ()
    assert (server.asked, library.opened) == ([], [])


def test_a_turn_is_prepared_for_both_ways_until_one_is_chosen(scripted: Scripted) -> None:
    async def main() -> None:
        async with opened(scripted(GOOD), MadeLibrary(["ab"])) as both:
            payload = both.prepare(TURN)
            assert payload.messages == TURN.messages
            assert payload.wire.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
            exchange = Exchange(Prepared.of(TURN, payload), 0)
            await both.perform(exchange, 5.0)
            assert (exchange.status, both.refusal(exchange)) == (200, None)
        async with opened(None, MadeLibrary(["ab"])) as sdk:
            assert sdk.prepare(TURN).wire == b""

    asyncio.run(main())


def test_a_request_is_held_in_one_form_as_soon_as_its_way_is_decided(scripted: Scripted) -> None:
    turn = Turn(0, "measured", user_message("why"), 1, 2)

    async def forms(mode: str, try_first: bool) -> list[tuple[bool, int]]:
        found = []
        async with opened(scripted(GOOD), MadeLibrary(["ab"]), mode=mode, try_first=try_first) as transport:
            for _ in range(2):
                payload = transport.prepare(turn)
                found.append((payload.wire != b"", len(payload.messages)))
                await transport.decide(Stop())
        return found

    assert asyncio.run(forms("auto", True)) == [(True, 1), (True, 0)]
    assert asyncio.run(forms("auto", False)) == [(True, 0), (True, 0)]
    assert asyncio.run(forms("wire", True)) == [(True, 0), (True, 0)]
