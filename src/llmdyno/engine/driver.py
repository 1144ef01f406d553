"""Drives the load: a closed loop of independent users, phase after phase.

In: a client, a supply for each phase, a load. Out: exchanges, handed to the recorder as they end;
snapshots of counters for whoever watches; samples of the process's own CPU time.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llmdyno.engine.client import Client
from llmdyno.engine.clock import Clock, monotonic_ns
from llmdyno.engine.exchange import Exchange
from llmdyno.engine.recorder import Recorder
from llmdyno.engine.sdk import SdkClient
from llmdyno.engine.supply import Supply
from llmdyno.errors import InputError
from llmdyno.protocols.events import Failure
from llmdyno.timeline.record import CONNECT

TICK_S = 0.25
_PAUSE_AFTER_NO_CONNECTION_S = 0.1
_LONGEST_BACKOFF_S = 20.0
_COLLECT_EVERY = 40
_SPARE_FILES = 64


@dataclass(frozen=True, slots=True)
class Load:
    """A closed loop: `concurrency` users, until the supply ends or `duration_s` has passed; a timeout a request.

    A request that was `throttled` is sent again up to `retries` times, after 1 s, 2 s, 4 s and so on up to 20 s.
    """

    concurrency: int
    duration_s: float | None
    timeout_s: float
    retries: int = 0
    throttled: Callable[[Exchange], bool] = lambda exchange: False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters of the phase under way, for a live view. `chunks` counts text chunks of ended requests, and pieces
    of the body of those in flight; `ttft_p50_s` is over the last thousand; `emulated`: the endpoint says that it is."""

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


@dataclass(slots=True)
class Observed:
    """What the driver saw of itself: phases as (name, start ns, end ns), and (moment ns, CPU s used) about every
    quarter of a second."""

    phases: list[tuple[str, int, int]] = field(default_factory=list)
    cpu: list[tuple[int, float]] = field(default_factory=list)
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
        self.stopping = False

    def stop(self) -> None:
        """End the run now: nothing more is sent, what is in flight is cancelled and recorded as such."""
        self.stopping = self.observed.interrupted = True
        self.client.cancel_all()

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
        users = phase.users or self._load.concurrency
        users = min(users, supply.total or users)
        duration_s = self._load.duration_s if phase.timed else None
        self._recorder.reset()
        start_ns = monotonic_ns()
        deadline_ns = start_ns + int(duration_s * 1e9) if duration_s is not None else None
        background = [
            asyncio.ensure_future(supply.keep_ahead()),
            asyncio.ensure_future(self._tick(name, start_ns, supply, duration_s)),
        ]
        try:
            await asyncio.gather(*(self._user(number, supply, deadline_ns) for number in range(users)))
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            self._note_cpu()
            self.observed.phases.append((name, start_ns, monotonic_ns()))
        self._recorder.drain()
        self._watch(self._snapshot(name, start_ns, supply, duration_s))

    async def _user(self, number: int, supply: Supply, deadline_ns: int | None) -> None:
        while not self.stopping and (deadline_ns is None or monotonic_ns() < deadline_ns):
            prepared = supply.take()
            if prepared is None:
                return
            exchange = Exchange(prepared, number)
            await self.client.perform(exchange, self._load.timeout_s)
            self._recorder.add(exchange)
            exchange = await self._retried(exchange)
            if _is_connect(exchange.failure) and not self.stopping:
                # Nobody answered: without a pause a timed run would record nothing but refusals, thousands a second.
                await asyncio.sleep(_PAUSE_AFTER_NO_CONNECTION_S)

    async def _retried(self, exchange: Exchange) -> Exchange:
        """Send a throttled request again, later each time, as often as the load says; the last attempt."""
        for attempt in range(self._load.retries):
            if not self._load.throttled(exchange):
                break
            await asyncio.sleep(min(_LONGEST_BACKOFF_S, 2.0**attempt))
            if self.stopping:  # also where it came while this waited
                break
            exchange = Exchange(exchange.prepared.again(), exchange.user)
            await self.client.perform(exchange, self._load.timeout_s)
            self._recorder.add(exchange)
        return exchange

    async def _tick(self, name: str, start_ns: int, supply: Supply, duration_s: float | None) -> None:
        ticks = 0
        while True:
            self._note_cpu()
            self._clock.sample()
            self._watch(self._snapshot(name, start_ns, supply, duration_s))
            ticks += 1
            if ticks % _COLLECT_EVERY == 0:
                gc.collect(0)
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
        )


def _pieces(exchange: Exchange) -> int:
    return exchange.marks[-1] if exchange.marks else len(exchange.chunks)


def _is_connect(failure: Failure | None) -> bool:
    return failure is not None and failure.kind == CONNECT


def allow_open_files(concurrency: int) -> None:
    """Raise the process's soft limit on open files as far as the load needs.

    Raises:
        InputError: the hard limit is below that.
    """
    needed = concurrency + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise InputError(
            "--concurrency",
            f"{concurrency} connections do not fit under this process's limit of {hard} open files",
            f"use at most {hard - _SPARE_FILES}, or raise the hard limit (ulimit -Hn)",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
