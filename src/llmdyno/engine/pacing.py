"""Paces: each decides when sessions start. A load shape is one function over a :class:`Lane`.

In: a lane, which gives prepared requests, sends them and sleeps. Out: nothing; a pace returns when its phase is over.
A pace does not know sockets, records, or any clock except the lane's. To add a load shape, add a function here.
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
"""How many answers a round waits for. The first answer of a cold model is slower than the second."""

_UNNEEDED_ROUNDS = 2
"""How many rounds may find the model warm before a series of cold starts gives up."""

_PAUSE_AFTER_NO_CONNECTION_S = 0.1
_PASSING_STATUSES = (408, 424, 429)
"""Client errors that waiting may cure."""


class Lane(Protocol):
    """Everything that a pace may use. The driver gives it one lane for each phase.

    A lane hides the transport, the recorder and the clock. All times are nanoseconds of the run's monotonic clock.

    Attributes:
        total: the number of sessions in this worker's part of the phase; None: no limit.
        start_ns: when the phase began.
        deadline_ns: when users stop starting sessions; None: no limit.
        part: this worker's part of the phase.
        refusals: how the service refuses: the status codes, and the names for "not ready".
        retries: how often a throttled request is sent again.
        refused_pause_s: how long a user pauses after a refusal, at real speed.
        waiting: the number of requests that the in-flight limit holds back now. The pace sets it.
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
        """Return True if the run ends early. A pace then sends nothing more."""
        ...

    def now_ns(self) -> int:
        """The time now."""
        ...

    def lasts_ns(self, duration_s: float) -> int:
        """How long a duration at real speed lasts: an emulator's speed divides it."""

    def take(self) -> Prepared | None:
        """The first turn of the next session, ready to send; None: the phase has no more sessions."""
        ...

    async def send(self, prepared: Prepared, user: int, planned_ns: int | None = None) -> Exchange:
        """Send a request, wait until its answer has ended, and record it.

        Args:
            prepared: the request.
            user: the index of the user who sends it.
            planned_ns: when the request was due, in an open loop.

        Returns:
            The ended exchange. A failed request raises nothing: the exchange holds the failure.
        """
        ...

    def following(self, exchange: Exchange) -> Prepared | None:
        """The next turn of the exchange's session, ready to send; None: the session is over, or the run ends."""
        ...

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for the refusal in an ended exchange; None: the server gave no name."""
        ...

    async def sleep_until(self, time_ns: int) -> bool:
        """Sleep until `time_ns`. Returns False, without further delay, if the run ends early."""
        ...

    def show(self, phase: str, done: int) -> None:
        """Show watchers this phase name from now on, with `done` rounds completed."""
        ...


Pace = Callable[[Lane], Awaitable[None]]
"""Drives one phase over a lane and returns when the phase is over.

Raises :class:`~llmdyno.errors.InputError` if the endpoint refuses for a reason that waiting does not cure.
"""


def users(count: int) -> Pace:
    """A closed loop with `count` users. Each user sends again when their last request has ended."""
    return partial(_users, count=count)


def stages(parts: Sequence[tuple[float, float, int]]) -> Pace:
    """A closed loop whose number of users changes.

    Args:
        parts: (start in s after the phase began, duration in s, number of users) for each stage, in ascending order.
    """
    return partial(_stages, parts=tuple(parts))


def instants(max_in_flight: int | None) -> Pace:
    """An open loop. Each session starts at its planned instant. A late send does not move the instants after it.

    Args:
        max_in_flight: the most requests in flight (None: no limit). Requests above the limit wait in planned order.
    """
    return partial(_instants, max_in_flight=max_in_flight)


def wake(cold_starts: int | None, idle_s: float, patience_s: float, interval_s: float) -> Pace:
    """Wake a model that scales to zero. Send one request at a time until the model answers.

    Args:
        cold_starts: how many cold starts to measure; None: do one round, even if the model is already warm.
        idle_s, patience_s, interval_s: how long to wait between two rounds, so that the model scales to zero; in a
            round, before it gives up; after a refusal. All are at real speed.
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
        if pause_ns := _pause_ns(lane, exchange):
            await lane.sleep_until(lane.now_ns() + pause_ns)
        prepared = lane.following(exchange)


async def _with_retries(lane: Lane, exchange: Exchange) -> Exchange:
    """Send a throttled request again, after a longer pause each time. Returns the last attempt."""
    for attempt in range(lane.retries):
        if not is_throttled(lane, exchange):
            break
        if not await lane.sleep_until(lane.now_ns() + lane.lasts_ns(backoff_s(attempt))):
            break
        exchange = await lane.send(exchange.prepared.again(), exchange.user)
    return exchange


def _pause_ns(lane: Lane, exchange: Exchange) -> int:
    """How long a user pauses after an exchange."""
    if exchange.failure is not None and exchange.failure.kind == CONNECT:
        # There is no connection. Without a pause, a timed run would record thousands of failed attempts a second.
        return int(_PAUSE_AFTER_NO_CONNECTION_S * 1e9)
    return lane.lasts_ns(lane.refused_pause_s) if exchange.status in lane.refusals.statuses else 0


def is_throttled(lane: Lane, exchange: Exchange) -> bool:
    """Return True if the answer means "too many requests". "The model is not ready" does not count."""
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
    slots = asyncio.Semaphore(max(1, lane.part.share(max_in_flight))) if max_in_flight is not None else None
    async with _crew() as crew:
        while (prepared := lane.take()) is not None:
            planned_ns = lane.start_ns + (prepared.offset_ns or 0)
            if not await lane.sleep_until(planned_ns):
                break
            crew.create_task(_planned(lane, prepared, planned_ns, slots))
            await asyncio.sleep(0)  # it leaves, and the sockets are served, before the next one has to be made


async def _planned(lane: Lane, prepared: Prepared | None, planned_ns: int, slots: asyncio.Semaphore | None) -> None:
    """Drive one session of an open loop, with its retries and later turns."""
    due_ns: int | None = planned_ns
    while prepared is not None:
        exchange = await _send_in_slot(lane, prepared, due_ns, slots)
        if exchange is None:
            return
        due_ns = None
        # A throttled request that waits for its next attempt does not count as in flight.
        attempt = exchange.prepared.attempt
        if attempt < lane.retries and is_throttled(lane, exchange):
            pause_ns, prepared = lane.lasts_ns(backoff_s(attempt)), exchange.prepared.again()
        else:
            prepared = lane.following(exchange)
            pause_ns = prepared.think_ns if prepared is not None else 0
        if pause_ns and not await lane.sleep_until(lane.now_ns() + pause_ns):
            return


async def _send_in_slot(
    lane: Lane, prepared: Prepared, planned_ns: int | None, slots: asyncio.Semaphore | None
) -> Exchange | None:
    """Send as soon as the in-flight limit allows it. Returns None if the run ends before that."""
    if slots is None:
        return await lane.send(prepared, 0, planned_ns)
    lane.waiting += 1
    try:
        await slots.acquire()
    finally:
        lane.waiting -= 1
    try:
        return None if lane.stopping() else await lane.send(prepared, 0, planned_ns)
    finally:
        slots.release()


# --- waking


async def _wake(lane: Lane, *, cold_starts: int | None, idle_s: float, patience_s: float, interval_s: float) -> None:
    seen = 0
    for number in range((cold_starts or 1) + _UNNEEDED_ROUNDS):
        lane.show(WARM, number)
        seen += await _round(lane, number, patience_s, interval_s)
        if lane.stopping() or cold_starts is None or seen >= cold_starts:
            return
        lane.show(IDLE, number)
        if not await lane.sleep_until(lane.now_ns() + lane.lasts_ns(idle_s)):
            return


async def _round(lane: Lane, number: int, patience_s: float, interval_s: float) -> bool:
    """Do one round: send attempts until the model has answered twice. Returns True if the model was cold.

    The round's records hold its number as their user.

    Raises:
        InputError: the endpoint refuses for a reason that waiting does not cure, or `patience_s` has passed.
    """
    answered = refused = 0
    began_ns = lane.now_ns()
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
        if lane.now_ns() > began_ns + lane.lasts_ns(patience_s):  # the first answer tells an emulator's speed
            what = f"the model did not answer within {patience_s:g} s ({refused} attempts)"
            raise InputError("--warm-timeout", what, "use a longer timeout, or check the state of the model")
        if not await lane.sleep_until(lane.now_ns() + lane.lasts_ns(interval_s)):
            break
    return refused > 0


def _check_refusal(lane: Lane, exchange: Exchange) -> None:
    """Check that waiting may cure the refusal.

    Raises:
        InputError: waiting cannot cure it.
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
