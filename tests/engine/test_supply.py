"""The supply: sessions made before the clock, and how many were made after it started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from llmdyno.engine.supply import AHEAD_BYTES, Supply
from llmdyno.transports.exchange import Payload
from llmdyno.workload.session import Reply, Session, Single, Turn, user_message

LARGE = bytes(AHEAD_BYTES // 4)
"""A quarter of what is kept ready; one object, however many requests hold it."""


def turn_of(number: int) -> Turn:
    return Turn(number, "measured", user_message(f"prompt {number}"), 1, 2)


def singles(count: int, made: list[int] | None = None) -> Iterator[Session]:
    for number in range(count):
        if made is not None:
            made.append(number)
        yield Single(turn_of(number))


def prepare(turn: Turn) -> Payload:
    return Payload(turn.messages[0].content.encode())


def taken(supply: Supply) -> list[int]:
    """The numbers of all that is left."""
    numbers = []
    while (prepared := supply.take()) is not None:
        numbers.append(prepared.request)
    return numbers


def test_everything_is_made_before_the_clock() -> None:
    made: list[int] = []
    supply = Supply(singles(50, made), prepare, total=50)
    assert (made, len(supply), supply.total) == (list(range(50)), 50, 50)
    first = supply.take()
    assert first is not None
    assert (first.request, first.payload.wire, first.phase) == (0, b"prompt 0", "measured")
    assert taken(supply) == list(range(1, 50))
    assert (supply.made_late, supply.take()) == (0, None)


def test_what_was_not_made_ahead_is_made_when_it_is_taken() -> None:
    made: list[int] = []
    supply = Supply(singles(10, made), prepare, total=10, ahead=4)
    assert (made, len(supply)) == ([0, 1, 2, 3], 4)
    assert taken(supply) == list(range(10))
    assert supply.made_late == 6


def test_large_prompts_are_not_all_kept_ready() -> None:
    supply = Supply(singles(50), lambda turn: Payload(LARGE), total=50)
    assert len(supply) == 4
    assert len(taken(supply)) == 50
    assert supply.made_late == 46


def test_large_prompts_are_made_again_when_others_were_taken() -> None:
    async def main() -> None:
        supply = Supply(singles(50), lambda turn: Payload(LARGE), total=50)
        task = asyncio.ensure_future(supply.keep_ahead())
        for _ in range(3):
            supply.take()
        await asyncio.sleep(0.02)
        assert (len(supply), supply.made_late) == (4, 3)
        task.cancel()

    asyncio.run(main())


def test_more_are_made_while_others_are_in_flight() -> None:
    async def main() -> None:
        supply = Supply(singles(30), prepare, total=30, ahead=10)
        task = asyncio.ensure_future(supply.keep_ahead())
        await asyncio.sleep(0)
        assert (len(supply), supply.made_late) == (10, 0)  # enough is ready
        for _ in range(6):
            supply.take()
        await asyncio.sleep(0.1)
        assert (len(supply), supply.made_late) == (10, 6)
        rest = taken(supply)
        await asyncio.wait_for(task, 1)  # there is nothing left to make
        assert rest == list(range(6, 30))
        assert supply.made_late == 20

    asyncio.run(main())


class Empty:
    """A session without a turn."""

    offset_ns = None
    needs_reply = False

    def next(self, last: Reply | None) -> Turn | None:
        return None


def test_a_session_without_a_turn_ends_the_supply() -> None:
    supply = Supply(iter([Single(turn_of(0)), Empty()]), prepare, total=None)
    assert (len(supply), supply.total) == (1, None)
    assert taken(supply) == [0]


def test_a_session_goes_with_its_request() -> None:
    session = Single(turn_of(3), 250)
    prepared = Supply(iter([session]), prepare, total=1).take()
    assert prepared is not None
    assert (prepared.session, prepared.offset_ns, prepared.think_ns) == (session, 250, 0)


def test_a_session_that_cannot_be_made_in_the_background_is_an_error_when_it_is_its_turn() -> None:
    def failing(turn: Turn) -> Payload:
        if turn.number == 5:
            raise ValueError("no request of this prompt")
        return prepare(turn)

    async def main() -> list[int | None]:
        supply = Supply(singles(10), failing, total=10, ahead=4)
        numbers = [taken.request for _ in range(3) if (taken := supply.take()) is not None]
        with pytest.raises(ValueError, match="no request"):
            await supply.keep_ahead()
        numbers += [taken.request for _ in range(2) if (taken := supply.take()) is not None]
        for _ in range(2):
            with pytest.raises(ValueError, match="no request"):
                supply.take()
        return numbers

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]
