"""One way to end a run early: everyone who listens hears it once."""

from __future__ import annotations

import asyncio

import pytest

from llmdyno.host.stop import Stop


def test_listeners_hear_it_once() -> None:
    stop, heard = Stop(), []
    stop.on_stop(lambda: heard.append("a"))
    stop.on_stop(lambda: heard.append("b"))
    assert not stop.stopping
    stop()
    stop()
    assert stop.stopping
    assert heard == ["a", "b"]


def test_who_comes_late_hears_it_at_once() -> None:
    stop, heard = Stop(), []
    stop()
    forget = stop.on_stop(lambda: heard.append("late"))
    assert heard == ["late"]
    forget()
    forget()  # a second time does nothing


def test_who_left_hears_nothing() -> None:
    stop, heard = Stop(), []
    forget = stop.on_stop(lambda: heard.append("a"))
    stop.on_stop(lambda: heard.append("b"))
    forget()
    stop()
    assert heard == ["b"]


def test_a_listener_may_leave_while_it_is_told() -> None:
    stop, heard = Stop(), []

    def once() -> None:
        heard.append("a")
        forget()

    forget = stop.on_stop(once)
    stop.on_stop(lambda: heard.append("b"))
    stop()
    assert heard == ["a", "b"]


def test_guarded_work_gives_its_result() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def main() -> None:
        stop = Stop()
        assert await stop.guard(work()) == 7
        stop()  # it is forgotten: nothing is cancelled any more

    asyncio.run(main())


def test_guarded_work_raises_its_error() -> None:
    async def work() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(Stop().guard(work()))


@pytest.mark.parametrize("before", [True, False])
def test_guarded_work_is_abandoned_when_the_run_ends(before: bool) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("work")

    async def main() -> None:
        stop = Stop()
        if before:
            stop()
        else:
            asyncio.get_running_loop().call_later(0.01, stop)
        await stop.guard(work())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert ended == ([] if before else ["work"])


def test_cancelling_the_caller_cancels_the_work() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("work")

    async def main() -> None:
        task = asyncio.ensure_future(Stop().guard(work()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert ended == ["work"]

    asyncio.run(main())
