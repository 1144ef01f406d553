"""Paces: when sessions start. One function a load shape, each over a :class:`Lane`.

In: a lane, which takes prepared requests, sends them and sleeps. Out: nothing; a pace returns when its phase is over.
A pace knows no socket, no record and no clock but the lane's. A new load shape is one more function here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Refusals, error_text
from llmdyno.timeline.record import CONNECT
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.workload.backoff import backoff_s
from llmdyno.workload.plan import IDLE, WARM
from llmdyno.workload.session import Slice

WARMED_ANSWERS = 2
"""The first answer of a cold model is slower than the next: a round of waking takes both."""

_UNNEEDED_ROUNDS = 2
"""How many rounds may find the model warm before a series of cold starts is given up."""

_PAUSE_AFTER_NO_CONNECTION_S = 0.1
_PASSING_STATUSES = (408, 424, 429)
"""Client errors that waiting may cure."""


class Lane(Protocol):
    """All that a pace may do. `total`: how many sessions the phase has (None: without end). `start_ns`: when the phase
    began. `deadline_ns`: when it ends (None: it has no bound). `part`: the share of the phase that is this worker's.
    `retries`: how often a throttled request is sent again. `refused_pause_s`: how long a user pauses after a refusal.
    `waiting`: how many requests the in-flight limit holds back now.
    """

    total: int | None
    start_ns: int
    deadline_ns: int | None
    part: Slice
    refusals: Refusals
    retries: int
    refused_pause_s: float
    waiting: int

    def stopping(self) -> bool:
        """Whether the run is ending early."""
        ...

    def now_ns(self) -> int:
        """The time of the run's clock."""
        ...

    def take(self) -> Prepared | None:
        """The first turn of the next session; None when the phase has no more."""
        ...

    async def send(self, prepared: Prepared, user: int, planned_ns: int | None = None) -> Exchange:
        """Send a request and wait until its answer has ended; its record is taken care of."""
        ...

    def following(self, exchange: Exchange) -> Prepared | None:
        """The next turn of an exchange's session; None when the session is over."""
        ...

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for its refusal of an ended exchange."""
        ...

    async def sleep_until(self, time_ns: int) -> bool:
        """Sleep until a time of the run's clock; False when the run ends early, at once."""
        ...

    def show(self, phase: str, done: int) -> None:
        """Show watchers another phase name from now on, with this many rounds done."""
        ...


Pace = Callable[[Lane], Awaitable[None]]


def users(count: int) -> Pace:
    """A closed loop: `count` users, each of whom sends when their last request ended."""
    return partial(_users, count=count)


def stages(parts: Sequence[tuple[float, float, int]]) -> Pace:
    """A closed loop whose number of users changes: (start s, duration s, users) of each stage, ascending."""
    return partial(_stages, parts=tuple(parts))


def instants(max_in_flight: int | None) -> Pace:
    """An open loop: each session starts at its planned instant, an absolute time that no lateness moves.

    With an in-flight limit, requests beyond it wait in the order of their plan.
    """
    return partial(_instants, max_in_flight=max_in_flight)


def wake(cold_starts: int | None, idle_s: float, patience_s: float, interval_s: float) -> Pace:
    """Wake a model that scales to zero: one request at a time until it answers.

    `cold_starts`: how many cold starts to see, with a pause of `idle_s` after each; None: one round, whatever it finds.
    A round gives up when the model has not answered for `patience_s`; `interval_s` is the pause after a refusal.
    """
    return partial(_wake, cold_starts=cold_starts, idle_s=idle_s, patience_s=patience_s, interval_s=interval_s)


@contextlib.asynccontextmanager
async def _crew() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that end together: the first error cancels the others, and is raised when all of them have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


# --- closed loops


async def _users(lane: Lane, *, count: int) -> None:
    count = lane.part.share(count)
    if lane.total is not None:
        count = min(max(1, count), lane.total)  # sessions that are this worker's need a user
    async with _crew() as crew:
        for index in range(count):
            crew.create_task(_user(lane, lane.part.at(index), _always))


def _always(user: int) -> bool:
    return True


async def _user(lane: Lane, user: int, wanted: Callable[[int], bool]) -> None:
    """One user: a session after the other, turn by turn, while the user is wanted and the phase lasts."""

    def goes_on() -> bool:
        in_time = lane.deadline_ns is None or lane.now_ns() < lane.deadline_ns
        return in_time and wanted(user) and not lane.stopping()

    prepared: Prepared | None = None
    while goes_on():
        prepared = prepared or lane.take()
        if prepared is None:
            return
        if prepared.think_ns:
            await lane.sleep_until(lane.now_ns() + prepared.think_ns)
            if not goes_on():
                return
        exchange = await _with_retries(lane, await lane.send(prepared, user))
        if pause_s := _pause_s(lane, exchange):
            await lane.sleep_until(lane.now_ns() + int(pause_s * 1e9))
        prepared = lane.following(exchange)


async def _with_retries(lane: Lane, exchange: Exchange) -> Exchange:
    """Send a throttled request again, later each time, up to the lane's limit; returns the last attempt."""
    for attempt in range(lane.retries):
        if not is_throttled(lane, exchange):
            break
        if not await lane.sleep_until(lane.now_ns() + int(backoff_s(attempt) * 1e9)):
            break
        exchange = await lane.send(exchange.prepared.again(), exchange.user)
    return exchange


def _pause_s(lane: Lane, exchange: Exchange) -> float:
    """How long a user pauses after an exchange."""
    if exchange.failure is not None and exchange.failure.kind == CONNECT:
        # Nobody answered. Without a pause a timed run would record thousands of refused connections a second.
        return _PAUSE_AFTER_NO_CONNECTION_S
    return lane.refused_pause_s if exchange.status in lane.refusals.statuses else 0.0


def is_throttled(lane: Lane, exchange: Exchange) -> bool:
    """Whether an answer says "too many requests", and not that the model is not ready."""
    return exchange.status in lane.refusals.statuses and lane.refusal(exchange) not in lane.refusals.not_ready


async def _stages(lane: Lane, *, parts: tuple[tuple[float, float, int], ...]) -> None:
    wanted = 0
    tasks: dict[int, asyncio.Task[None]] = {}

    def is_wanted(user: int) -> bool:
        return user < wanted

    end_ns = lane.start_ns
    async with _crew() as crew:
        for start_s, duration_s, count in parts:
            begin_ns = lane.start_ns + int(start_s * 1e9)
            if begin_ns > end_ns:
                wanted = 0
            if not await lane.sleep_until(begin_ns):
                break
            wanted, end_ns = count, begin_ns + int(duration_s * 1e9)
            for user in range(count):
                if lane.part.has(user) and (user not in tasks or tasks[user].done()):
                    tasks[user] = crew.create_task(_user(lane, user, is_wanted))
            if not await lane.sleep_until(end_ns):
                break
        wanted = 0


# --- the open loop


async def _instants(lane: Lane, *, max_in_flight: int | None) -> None:
    # A worker without a share of the limit still sends what is its own, one request at a time.
    places = asyncio.Semaphore(max(1, lane.part.share(max_in_flight))) if max_in_flight is not None else None
    async with _crew() as crew:
        while (prepared := lane.take()) is not None:
            planned_ns = lane.start_ns + (prepared.offset_ns or 0)
            if not await lane.sleep_until(planned_ns):
                break
            crew.create_task(_planned(lane, prepared, planned_ns, places))
            await asyncio.sleep(0)  # it leaves, and the sockets are served, before the next one has to be made


async def _planned(lane: Lane, prepared: Prepared | None, planned_ns: int, places: asyncio.Semaphore | None) -> None:
    """One session of an open loop, its retries and later turns included."""
    due_ns: int | None = planned_ns
    while prepared is not None:
        exchange = await _placed(lane, prepared, due_ns, places)
        if exchange is None:
            return
        due_ns = None
        # While a throttled request waits for its next attempt, its place is another request's.
        attempt = exchange.prepared.attempt
        if attempt < lane.retries and is_throttled(lane, exchange):
            pause_ns, prepared = int(backoff_s(attempt) * 1e9), exchange.prepared.again()
        else:
            prepared = lane.following(exchange)
            pause_ns = prepared.think_ns if prepared is not None else 0
        if pause_ns and not await lane.sleep_until(lane.now_ns() + pause_ns):
            return


async def _placed(
    lane: Lane, prepared: Prepared, planned_ns: int | None, places: asyncio.Semaphore | None
) -> Exchange | None:
    """Send when there is a place; None when the run ends early while it waits."""
    if places is None:
        return await lane.send(prepared, 0, planned_ns)
    lane.waiting += 1
    try:
        await places.acquire()
    finally:
        lane.waiting -= 1
    try:
        return None if lane.stopping() else await lane.send(prepared, 0, planned_ns)
    finally:
        places.release()


# --- waking


async def _wake(lane: Lane, *, cold_starts: int | None, idle_s: float, patience_s: float, interval_s: float) -> None:
    seen = 0
    for number in range((cold_starts or 1) + _UNNEEDED_ROUNDS):
        lane.show(WARM, number)
        seen += await _round(lane, number, patience_s, interval_s)
        if lane.stopping() or cold_starts is None or seen >= cold_starts:
            return
        lane.show(IDLE, number)
        if not await lane.sleep_until(lane.now_ns() + int(idle_s * 1e9)):
            return


async def _round(lane: Lane, number: int, patience_s: float, interval_s: float) -> bool:
    """One round: attempt after attempt until the model has answered twice; whether it was cold.

    Its records carry the round's number as their user.

    Raises:
        InputError: it was refused for a reason that waiting does not cure, or the patience ran out.
    """
    answered = refused = 0
    deadline_ns = lane.now_ns() + int(patience_s * 1e9)
    while not lane.stopping() and (prepared := lane.take()) is not None:
        exchange = await lane.send(prepared, number)
        if lane.stopping():
            break
        if exchange.failure is None and exchange.status is not None and 200 <= exchange.status < 300:
            answered += 1
            if answered == WARMED_ANSWERS:
                break
            continue
        refused += 1
        _check_refusal(lane, exchange)
        if lane.now_ns() > deadline_ns:
            what = f"the model did not answer within {patience_s:g} s ({refused} attempts)"
            raise InputError("--warm-timeout", what, "give it longer, or look at its state")
        if not await lane.sleep_until(lane.now_ns() + int(interval_s * 1e9)):
            break
    return refused > 0


def _check_refusal(lane: Lane, exchange: Exchange) -> None:
    """See that waiting may cure a refusal.

    Raises:
        InputError: it cannot.
    """
    if exchange.failure is not None and exchange.status is None:
        if exchange.failure.kind in ("connect", "tls"):
            raise InputError("endpoint", exchange.failure.message, "check the URL, the region and the network")
        return
    name, status = lane.refusal(exchange) or "", exchange.status or 0
    if name in lane.refusals.remedies or (400 <= status < 500 and status not in _PASSING_STATUSES):
        message = exchange.failure.message if exchange.failure else error_text(b"".join(exchange.pieces))
        remedy = lane.refusals.remedies.get(name, "check the model and the credentials")
        raise InputError("endpoint", f"{name or status}: {message or 'no message'}", remedy)
