"""Drives the phases of a plan over a transport, one after the other.

In: a transport, and a supply and a pace for each phase. Out: ended exchanges, given to the recorder; snapshots of
counters for a watcher; what the process observed about itself. The driver does not know load shapes. It gives each pace
a :class:`~llmdyno.engine.pacing.Lane`, and the pace decides when sessions start.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llmdyno.engine.pacing import Pace
from llmdyno.engine.recorder import Recorder
from llmdyno.engine.supply import Supply
from llmdyno.host.stop import Stop
from llmdyno.protocols.dialect import NO_REFUSALS, Refusals
from llmdyno.timeline.emulated import read_label, shortened
from llmdyno.timeline.observed import Observed, Snapshot
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.transport import Transport
from llmdyno.workload.plan import WARM
from llmdyno.workload.session import WHOLE, Reply, Slice

TICK_S = 0.25
_COLLECT_EVERY = 40
Watch = Callable[[Snapshot], None]


def quiet(snapshot: Snapshot) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules for every request.

    `timeout_s`: how long an answer may take. `retries`: how often a throttled request is sent again. `refused_pause_s`:
    how long a user pauses after a refusal, at real speed. `refusals`: how the service refuses. `speed`: how many times
    faster than real time the endpoint runs, as far as it is known before its first answer.
    """

    timeout_s: float
    retries: int = 0
    refused_pause_s: float = 0.0
    refusals: Refusals = NO_REFUSALS
    speed: float = 1.0


class DrivenPhase(NamedTuple):
    """A phase with its prepared sessions.

    `bound_s`: how long the phase may start sessions (None: no limit). `part`: this worker's part of the phase.
    """

    name: str
    supply: Supply
    pace: Pace
    bound_s: float | None = None
    part: Slice = WHOLE


class Driver:
    """The driver of one process.

    `watch` gets a snapshot a few times a second. `observed` collects what the process sees of itself while it drives.
    """

    def __init__(
        self, transport: Transport, recorder: Recorder, clock: Clock, rules: Rules, stop: Stop, watch: Watch = quiet
    ) -> None:
        self.observed = Observed()
        self.transport = transport
        self.recorder = recorder
        self.clock = clock
        self.rules = rules
        self.stop = stop
        self._watch = watch
        self._sleeper = Sleeper(clock)

    def close(self) -> None:
        """Let the timer go, of a driver that may never have run."""
        self._sleeper.close()

    async def run(self, phases: Sequence[DrivenPhase]) -> None:
        """Drive the phases, one after the other.

        After the wake phase and before the load, the transport decides how it sends.

        Raises:
            InputError: the endpoint refuses for a reason that waiting does not cure.
        """
        forget = [self.stop.on_stop(self._end), self.stop.on_stop(self._sleeper.end)]
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection would delay reads; each tick collects young garbage instead
        decided = False
        try:
            for phase in phases:
                if phase.name != WARM and not decided and not self.stop.stopping:
                    decided = True
                    notes = await self.transport.decide(self.stop)
                    self.observed.notes += tuple(map(self.recorder.hidden, notes))  # they quote the server
                if not self.stop.stopping:
                    await self._drive(phase)
        finally:
            for call in forget:
                call()
            self._sleeper.close()
            gc.enable()
            gc.unfreeze()
            self.recorder.drain()
            self.observed.notes += tuple(map(self.recorder.hidden, self.transport.notes))

    async def begin_at(self, time_ns: int) -> None:
        """Wait until `time_ns` on the clock, so that several workers begin together."""
        forget = self.stop.on_stop(self._sleeper.end)
        await self._sleeper.until(time_ns)
        forget()

    def _end(self) -> None:
        self.observed.interrupted = True
        self.transport.cancel()

    async def _drive(self, phase: DrivenPhase) -> None:
        self.recorder.reset()
        lane = _Lane(self, phase, self._sleeper)
        background = [asyncio.ensure_future(phase.supply.keep_ahead()), asyncio.ensure_future(self._tick(lane))]
        try:
            await phase.pace(lane)
        except BaseException:
            self.observed.interrupted = self.observed.interrupted or phase.name != WARM
            raise
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            if phase.name != WARM:
                self._note_cpu()
                self.observed.phases.append((phase.name, lane.start_ns, self.clock.now_ns()))
                self.observed.made_late += phase.supply.made_late
            self.recorder.drain()
        self._show(lane)

    async def _tick(self, lane: _Lane) -> None:
        """Show counters, sample the process and collect young garbage.

        The process is not sampled in the wake phase, because no figure uses that.
        """
        observes = lane.name != WARM
        ticks, due_ns = 0, self.clock.now_ns()
        while True:
            if observes:
                # The delay of this tick. Every socket waited as long.
                self.observed.loop_lags_s.append(max(0, self.clock.now_ns() - due_ns) / 1e9)
                self._note_cpu()
            self.clock.sample()
            self._show(lane)
            ticks += 1
            if ticks % _COLLECT_EVERY == 0:
                before_ns = self.clock.now_ns()
                gc.collect(0)
                if observes:
                    self.observed.gc_pauses_s.append((self.clock.now_ns() - before_ns) / 1e9)
            due_ns = self.clock.now_ns() + int(TICK_S * 1e9)
            await asyncio.sleep(TICK_S)

    def _show(self, lane: _Lane) -> None:
        """Show the counters. A watcher that fails is not called again: the run goes on without it."""
        try:
            self._watch(lane.snapshot())
        except Exception as error:
            self._watch = quiet
            self.observed.notes += (f"the watcher failed: {error!r}",)

    def _note_cpu(self) -> None:
        self.observed.cpu.append((self.clock.now_ns(), time.process_time()))


class _Lane:
    """The driver's :class:`~llmdyno.engine.pacing.Lane` for one phase."""

    def __init__(self, driver: Driver, phase: DrivenPhase, sleeper: Sleeper) -> None:
        self.name = phase.name
        self.total = phase.supply.total
        self.start_ns = driver.clock.now_ns()
        self.deadline_ns = self.start_ns + int(phase.bound_s * 1e9) if phase.bound_s is not None else None
        self.part = phase.part
        self.refusals = driver.rules.refusals
        self.retries = driver.rules.retries
        self.refused_pause_s = driver.rules.refused_pause_s
        self.waiting = 0
        self.now_ns = driver.clock.now_ns
        self.take = phase.supply.take
        self.sleep_until = sleeper.until
        self._bound_s = phase.bound_s
        self._driver = driver
        self._shown: tuple[str, int | None, int] = phase.name, None, self.start_ns
        self._replies: dict[int, Reply] = {}
        """The last reply of each session that needs it, by the session's identity."""

    def refusal(self, exchange: Exchange) -> str | None:
        """The server's name for its refusal; None: it gave no name. What the exchange says can be shown then."""
        self._driver.recorder.conceal(exchange)
        return self._driver.transport.refusal(exchange)

    def stopping(self) -> bool:
        return self._driver.stop.stopping

    def lasts_ns(self, duration_s: float) -> int:
        told = read_label(self._driver.recorder.emulated)  # an emulator labels each answer, also a refusal
        return int(shortened(duration_s, self._driver.rules.speed if told is None else told.speed) * 1e9)

    async def send(self, prepared: Prepared, user: int, planned_ns: int | None = None) -> Exchange:
        driver = self._driver
        exchange = Exchange(prepared, user)
        exchange.planned_ns = planned_ns
        try:
            await driver.transport.perform(exchange, driver.rules.timeout_s)
        except asyncio.CancelledError:
            exchange.cancelled = True  # it was sent, so it is recorded
            driver.recorder.add(exchange)
            raise
        if prepared.session is not None and prepared.session.needs_reply:
            self._replies[id(prepared.session)] = driver.recorder.read_now(exchange)
        else:
            driver.recorder.add(exchange)
        return exchange

    def following(self, exchange: Exchange) -> Prepared | None:
        session = exchange.prepared.session
        if session is None:
            return None
        turn = session.next(self._replies.pop(id(session), None))
        if turn is None or self.stopping():
            return None
        return Prepared.of(turn, self._driver.transport.prepare(turn), session)

    def show(self, phase: str, done: int) -> None:
        self._driver.recorder.reset()
        self._shown = phase, done, self.now_ns()

    def snapshot(self) -> Snapshot:
        """The counters now."""
        recorder, in_flight = self._driver.recorder, self._driver.transport.in_flight
        phase, rounds, since_ns = self._shown
        return Snapshot(
            phase=phase,
            elapsed_s=(self.now_ns() - since_ns) / 1e9,
            done=recorder.done if rounds is None else rounds,
            failed=recorder.failed,
            in_flight=len(in_flight),
            total=self.total,
            duration_s=self._bound_s,
            chunks=recorder.chunks + sum(map(_pieces, in_flight)),
            ttft_p50_s=statistics.median(recorder.ttfts_s) if recorder.ttfts_s else None,
            emulated=recorder.emulated is not None,
            waiting=self.waiting,
        )


class Sleeper:
    """Sleeps until an absolute time of the clock, to tenths of a millisecond. The end of the run ends all sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer = clock.timer(self._loop, self._due)
        self._order = itertools.count()
        self._sleeps: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._ended = False

    async def until(self, time_ns: int) -> bool:
        """Sleep until `time_ns`. Returns False if the run ends early."""
        if self._ended:
            return False
        if time_ns <= self._clock.now_ns():
            return True
        future: asyncio.Future[bool] = self._loop.create_future()
        heapq.heappush(self._sleeps, (time_ns, next(self._order), future))
        if self._sleeps[0][2] is future:
            self._timer.set(time_ns)
        return await future

    def end(self) -> None:
        """End all sleeps, also later ones."""
        self._ended = True
        for _, _, future in self._sleeps:
            if not future.done():
                future.set_result(False)
        self._sleeps.clear()

    def close(self) -> None:
        """End all sleeps and close the timer."""
        self.end()
        self._timer.close()

    def _due(self) -> None:
        now_ns = self._clock.now_ns()
        while self._sleeps and self._sleeps[0][0] <= now_ns:
            _, _, future = heapq.heappop(self._sleeps)
            if not future.done():
                future.set_result(True)
        if self._sleeps:
            self._timer.set(self._sleeps[0][0])


def _pieces(exchange: Exchange) -> int:
    return exchange.marks[-1] if exchange.marks else len(exchange.chunks)
