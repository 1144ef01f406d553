"""Drives the load, phase after phase: a closed loop of independent users, or an open loop of planned instants.

In: a client, a supply for each phase, a load. Out: exchanges, handed to the recorder as they end;
snapshots of counters for whoever watches; samples of the process's own CPU time.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from llmdyno.engine.recorder import Recorder
from llmdyno.engine.supply import Supply
from llmdyno.host.timer import Timer
from llmdyno.protocols.events import Failure
from llmdyno.timeline.record import CONNECT
from llmdyno.transports.clock import Clock, monotonic_ns
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.library import SdkClient

TICK_S = 0.25
_PAUSE_AFTER_NO_CONNECTION_S = 0.1
_LONGEST_BACKOFF_S = 20.0
_COLLECT_EVERY = 40


@dataclass(frozen=True, slots=True)
class Load:
    """A closed loop: `concurrency` users, until the supply ends or `duration_s` has passed; a timeout a request. With
    `stages` (start s, length s, users) their number changes. Or, `open_loop`: each request at its own offset, with no
    more than `max_concurrency` in flight.

    A request that was `throttled` is sent again up to `retries` times, after 1 s, 2 s, 4 s and so on up to 20 s; a user
    whose last attempt was `refused`, for whatever reason that passes, pauses for `refused_pause_s`.
    """

    concurrency: int
    duration_s: float | None
    timeout_s: float
    retries: int = 0
    open_loop: bool = False
    max_concurrency: int | None = None
    stages: tuple[tuple[float, float, int], ...] = ()
    refused_pause_s: float = 0.0
    refused: Callable[[Exchange], bool] = lambda exchange: False
    throttled: Callable[[Exchange], bool] = lambda exchange: False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters of the phase under way, for a live view. `chunks` counts text chunks of ended requests, and pieces
    of the body of those in flight; `ttft_p50_s` is over the last thousand; `emulated`: the endpoint says that it is.
    `waiting`: requests past their planned instant that a bound on what is in flight holds back."""

    phase: str
    elapsed_s: float
    done: int
    failed: int
    in_flight: int
    total: int | None
    duration_s: float | None
    chunks: int
    ttft_p50_s: float | None
    emulated: bool = False
    waiting: int = 0


@dataclass(slots=True)
class Observed:
    """What the driver saw of itself: phases as (name, start ns, end ns); (moment ns, CPU s used) about every
    quarter of a second; how late the loop came to each of those looks; how long each collection of garbage took."""

    phases: list[tuple[str, int, int]] = field(default_factory=list)
    cpu: list[tuple[int, float]] = field(default_factory=list)
    loop_lags_s: list[float] = field(default_factory=list)
    gc_pauses_s: list[float] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a run: its requests, how many users send them (None: the load's), whether the load's duration
    bounds it."""

    name: str
    supply: Supply
    timed: bool = False
    users: int | None = None


class Driver:
    """One run's driver; `client` may be exchanged before it drives. `watch` gets a :class:`Snapshot` a few times a
    second."""

    def __init__(
        self,
        client: Client | SdkClient,
        recorder: Recorder,
        clock: Clock,
        load: Load,
        watch: Callable[[Snapshot], None],
    ) -> None:
        self.observed = Observed()
        self.client = client
        self._recorder = recorder
        self._clock = clock
        self._load = load
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Prepared, int | None]] = deque()
        self._wanted = 2**31
        self._wake: Callable[[], None] | None = None
        self.stopping = False

    def stop(self) -> None:
        """End the run now: nothing more is sent, what is in flight is cancelled and recorded as such."""
        self.stopping = self.observed.interrupted = True
        self._waiting.clear()
        self.client.cancel_all()
        if self._wake is not None:
            self._wake()

    async def run(self, phases: list[Phase]) -> None:
        """Drive phases, one after the other."""
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection in the middle would hold reads back; young garbage is collected at ticks
        try:
            for phase in phases:
                if not self.stopping:
                    await self._phase(phase)
        finally:
            gc.enable()
            gc.unfreeze()
            self._recorder.drain()

    async def _phase(self, phase: Phase) -> None:
        name, supply = phase.name, phase.supply
        duration_s = self._load.duration_s if phase.timed else None
        self._recorder.reset()
        self._waiting.clear()
        start_ns = monotonic_ns()
        deadline_ns = start_ns + int(duration_s * 1e9) if duration_s is not None else None
        background = [
            asyncio.ensure_future(supply.keep_ahead()),
            asyncio.ensure_future(self._tick(name, start_ns, supply, duration_s)),
        ]
        try:
            if phase.timed and self._load.open_loop:
                await self._paced(supply, start_ns)
            elif phase.timed and self._load.stages:
                await self._staged(supply, start_ns)
            else:
                users = phase.users or self._load.concurrency
                users = min(users, supply.total or users)
                await asyncio.gather(*(self._user(number, supply, deadline_ns) for number in range(users)))
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            self._note_cpu()
            self.observed.phases.append((name, start_ns, monotonic_ns()))
        self._recorder.drain()
        self._watch(self._snapshot(name, start_ns, supply, duration_s))

    async def _paced(self, supply: Supply, start_ns: int) -> None:
        """An open loop: each request at its planned instant, an absolute moment that no lateness moves.

        With a bound on what is in flight, those beyond it wait in the order of their plan.
        """
        most = self._load.max_concurrency or 2**31
        tasks: set[asyncio.Task[Exchange]] = set()
        ended = self._loop.create_future()
        following = supply.take()
        waiting, pausing = self._waiting, 0

        def begin(prepared: Prepared, planned_ns: int | None) -> None:
            exchange = Exchange(prepared, 0)
            exchange.planned_ns = planned_ns
            task = asyncio.ensure_future(self._once(exchange))
            tasks.add(task)
            task.add_done_callback(done)

        def done(task: asyncio.Task[Exchange]) -> None:
            tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None and not ended.done():
                ended.set_exception(error)
            if error is None and not task.cancelled():
                again(task.result())
            if waiting and not self.stopping:
                begin(*waiting.popleft())
            settle()

        def again(exchange: Exchange) -> None:
            """Send a throttled request again, later; until then its place is another's."""
            nonlocal pausing
            attempt = exchange.prepared.attempt
            if attempt < self._load.retries and self._load.throttled(exchange) and not self.stopping:
                pausing += 1
                self._loop.call_later(_backoff_s(attempt), resume, exchange.prepared.again())

        def resume(prepared: Prepared) -> None:
            nonlocal pausing
            pausing -= 1
            if not self.stopping and len(tasks) < most:
                begin(prepared, None)
            elif not self.stopping:
                waiting.append((prepared, None))
            settle()

        def settle() -> None:
            over = self.stopping or (following is None and not waiting and not pausing)
            if over and not tasks and not ended.done():
                ended.set_result(None)

        def due() -> None:
            nonlocal following
            now_ns = monotonic_ns()
            while following is not None and not self.stopping:
                planned_ns = start_ns + (following.offset_ns or 0)
                if planned_ns > now_ns:
                    timer.set(planned_ns)
                    return
                if len(tasks) < most:
                    begin(following, planned_ns)
                else:
                    waiting.append((following, planned_ns))
                following = supply.take()
            following = None
            settle()

        timer = Timer(self._loop, due)
        self._wake = due
        try:
            due()
            await ended
        finally:
            timer.close()
            self._wake = None

    async def _staged(self, supply: Supply, start_ns: int) -> None:
        """A closed loop whose number of users changes from stage to stage."""
        users: dict[int, asyncio.Task[None]] = {}
        end_ns = start_ns
        for start_s, duration_s, wanted in self._load.stages:
            begin_ns = start_ns + int(start_s * 1e9)
            if begin_ns > end_ns:
                self._wanted = 0
            while monotonic_ns() < begin_ns and not self.stopping:
                await asyncio.sleep(min(TICK_S, max(0.0, (begin_ns - monotonic_ns()) / 1e9)))
            if self.stopping:
                break
            self._wanted = wanted
            end_ns = begin_ns + int(duration_s * 1e9)
            for number in range(wanted):
                if number not in users or users[number].done():
                    users[number] = asyncio.ensure_future(self._user(number, supply, None))
            while monotonic_ns() < end_ns and not self.stopping:
                await asyncio.sleep(min(TICK_S, max(0.0, (end_ns - monotonic_ns()) / 1e9)))
        self._wanted = 0
        await asyncio.gather(*users.values())

    async def _once(self, exchange: Exchange) -> Exchange:
        await self.client.perform(exchange, self._load.timeout_s)
        self._recorder.add(exchange)
        return exchange

    async def _user(self, number: int, supply: Supply, deadline_ns: int | None) -> None:
        while number < self._wanted and not self.stopping and (deadline_ns is None or monotonic_ns() < deadline_ns):
            prepared = supply.take()
            if prepared is None:
                return
            exchange = await self._retried(await self._once(Exchange(prepared, number)))
            if _is_connect(exchange.failure) and not self.stopping:
                # Nobody answered: without a pause a timed run would record nothing but refusals, thousands a second.
                await asyncio.sleep(_PAUSE_AFTER_NO_CONNECTION_S)
            elif self._load.refused_pause_s and self._load.refused(exchange) and not self.stopping:
                await asyncio.sleep(self._load.refused_pause_s)

    async def _retried(self, exchange: Exchange) -> Exchange:
        """Send a throttled request again, later each time, as often as the load says; the last attempt."""
        for attempt in range(self._load.retries):
            if not self._load.throttled(exchange):
                break
            await asyncio.sleep(_backoff_s(attempt))
            if self.stopping:  # also where it came while this waited
                break
            exchange = await self._once(Exchange(exchange.prepared.again(), exchange.user))
        return exchange

    async def _tick(self, name: str, start_ns: int, supply: Supply, duration_s: float | None) -> None:
        ticks, due_ns = 0, monotonic_ns()
        while True:
            # How long the loop kept this waiting: nothing else was served meanwhile either.
            self.observed.loop_lags_s.append(max(0, monotonic_ns() - due_ns) / 1e9)
            self._note_cpu()
            self._clock.sample()
            self._watch(self._snapshot(name, start_ns, supply, duration_s))
            ticks += 1
            if ticks % _COLLECT_EVERY == 0:
                before_ns = monotonic_ns()
                gc.collect(0)
                self.observed.gc_pauses_s.append((monotonic_ns() - before_ns) / 1e9)
            due_ns = monotonic_ns() + int(TICK_S * 1e9)
            await asyncio.sleep(TICK_S)

    def _note_cpu(self) -> None:
        self.observed.cpu.append((monotonic_ns(), time.process_time()))

    def _snapshot(self, name: str, start_ns: int, supply: Supply, duration_s: float | None) -> Snapshot:
        in_flight = self.client.in_flight
        recorder = self._recorder
        return Snapshot(
            phase=name,
            elapsed_s=(monotonic_ns() - start_ns) / 1e9,
            done=recorder.done,
            failed=recorder.failed,
            in_flight=len(in_flight),
            total=supply.total,
            duration_s=duration_s,
            chunks=recorder.chunks + sum(map(_pieces, in_flight)),
            ttft_p50_s=statistics.median(recorder.ttfts_s) if recorder.ttfts_s else None,
            emulated=recorder.emulated is not None,
            waiting=len(self._waiting),
        )


def _backoff_s(attempt: int) -> float:
    """How long to wait after a throttled attempt, counted from 0."""
    return min(_LONGEST_BACKOFF_S, 2.0**attempt)


def _pieces(exchange: Exchange) -> int:
    return exchange.marks[-1] if exchange.marks else len(exchange.chunks)


def _is_connect(failure: Failure | None) -> bool:
    return failure is not None and failure.kind == CONNECT
