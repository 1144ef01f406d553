"""Ctrl-C, SIGTERM and SIGHUP: the first one ends the run in good order, the second one has its usual effect."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import uvloop

from llmdyno.host.signals import signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_first_signal_stops_and_the_second_is_the_usual_one(number: signal.Signals, factory: object) -> None:
    told: list[str] = []
    usual: list[int] = []

    async def main() -> None:
        with signals(asyncio.get_running_loop(), lambda: told.append("stop")):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.02)
            assert (told, usual) == (["stop"], [])
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.02)

    before = signal.signal(number, lambda received, frame: usual.append(received))
    try:
        loop = factory()  # type: ignore[operator]
        loop.run_until_complete(main())
        loop.close()
    finally:
        signal.signal(number, before)
    assert (told, usual) == (["stop"], [number])


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGINT])
def test_a_closed_terminal_may_say_so_twice(first: signal.Signals) -> None:
    told: list[str] = []

    async def main() -> None:
        with signals(asyncio.get_running_loop(), lambda: told.append("stop")):
            os.kill(os.getpid(), first)
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGHUP)  # its usual effect would end this process
            await asyncio.sleep(0.02)

    asyncio.run(main())
    assert told == ["stop"]
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    async def main() -> None:
        with signals(asyncio.get_running_loop(), lambda: told.append("stop")):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.02)

    told: list[str] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        asyncio.run(main())
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told == []


def test_afterwards_the_handlers_are_as_before() -> None:
    def handler(received: int, frame: object) -> None:
        raise AssertionError

    async def main() -> None:
        with signals(asyncio.get_running_loop(), lambda: None):
            assert signal.getsignal(signal.SIGTERM) is not handler

    before = signal.signal(signal.SIGTERM, handler)
    try:
        asyncio.run(main())
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_second_signal_interrupts_code_that_never_lets_the_loop_run(factory: object) -> None:
    """While figures are computed, the loop does not run."""
    told: list[str] = []
    usual: list[int] = []

    async def main() -> None:
        with signals(asyncio.get_running_loop(), lambda: told.append("stop")):
            os.kill(os.getpid(), signal.SIGINT)
            assert (told, usual) == ([], [])
            os.kill(os.getpid(), signal.SIGINT)
            assert (told, usual) == ([], [signal.SIGINT])
            await asyncio.sleep(0)
            assert told == ["stop"]

    before = signal.signal(signal.SIGINT, lambda received, frame: usual.append(received))
    try:
        loop = factory()  # type: ignore[operator]
        loop.run_until_complete(main())
        loop.close()
    finally:
        signal.signal(signal.SIGINT, before)
