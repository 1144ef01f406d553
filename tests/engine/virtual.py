"""Whole runs under a virtual clock: an event loop that jumps to its next timer, and a transport that answers as told.

Nothing waits and nothing is random, so every time in a record is known to the nanosecond.
"""

from __future__ import annotations

import asyncio
import selectors
from array import array
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from llmdyno.engine.driver import Driver, Rules, Watch, quiet
from llmdyno.engine.recorder import Recorder
from llmdyno.executors.executor import Job
from llmdyno.executors.inline import prepare_phases
from llmdyno.host.stop import Stop
from llmdyno.protocols.dialect import Refusals
from llmdyno.protocols.events import HTTP_STATUS, TEXT, Failure
from llmdyno.runs.server import Server
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline, from_records
from llmdyno.timeline.emulated import HEADER
from llmdyno.timeline.observed import Observed
from llmdyno.timeline.record import KERNEL, RequestRecord
from llmdyno.transports.assemble import facts, settle
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Payload
from llmdyno.workload.plan import Plan
from llmdyno.workload.session import WHOLE, Slice, Turn

MS = 1_000_000
SECOND = 1_000_000_000
START_NS = 5 * SECOND
"""When the virtual clock begins."""


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's time on."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("the virtual loop would wait for ever")
            self.loop.now_ns += round(timeout * 1e9)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while code runs and jumps to the next timer when nothing does."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_ns / 1e9


class VirtualTimer:
    """The host's timer, on the virtual loop."""

    def __init__(self, loop: VirtualLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._handle: asyncio.TimerHandle | None = None

    def set(self, moment_ns: int) -> None:
        self.close()
        self._handle = self._loop.call_at(moment_ns / 1e9, self._call)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class VirtualClock(Clock):
    """The run's clock, on the virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.origin_ns = START_NS
        self.now_ns = lambda: loop.now_ns  # type: ignore[method-assign,assignment]

    def timer(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> VirtualTimer:  # type: ignore[override]
        assert isinstance(loop, VirtualLoop)
        return VirtualTimer(loop, call)


@dataclass(frozen=True)
class Answer:
    """An answer: after `ttft_ns` the first of `chunks` chunks of `text`, each further one `gap_ns` later. With a
    `status` other than 200 it is a refusal under `name` after `ttft_ns`. `label`: an emulator's."""

    ttft_ns: int = 100 * MS
    gap_ns: int = 10 * MS
    chunks: int = 3
    text: str = "word "
    status: int = 200
    name: str = ""
    label: str = ""


Script = Callable[[Exchange, int], Answer]
"""The answer to an exchange that is sent at a time of the virtual clock."""


@dataclass(eq=False)
class ScriptedTransport:
    """Answers every exchange as its script says. `sent` are the numbers of requests in the order of their sends."""

    loop: VirtualLoop
    script: Script
    sent: list[int] = field(default_factory=list)
    most_in_flight: int = 0
    clock = KERNEL

    def __post_init__(self) -> None:
        self._busy: dict[Exchange, asyncio.Future[None]] = {}
        self._answers: dict[Exchange, Answer] = {}
        self.decided = 0

    @property
    def in_flight(self) -> Sequence[Exchange]:
        return list(self._busy)

    def prepare(self, turn: Turn) -> Payload:
        return Payload(messages=turn.messages)

    async def perform(self, exchange: Exchange, timeout_s: float) -> None:
        answer = self._answers[exchange] = self.script(exchange, self.loop.now_ns)
        exchange.sent_ns = self.loop.now_ns
        self.sent.append(exchange.prepared.request)
        count = answer.chunks if answer.status == 200 else 1
        due = [answer.ttft_ns + index * answer.gap_ns for index in range(count)]
        try:
            for delay_ns in due:
                ended = self._busy[exchange] = self.loop.create_future()
                self.most_in_flight = max(self.most_in_flight, len(self._busy))
                handle = self.loop.call_at((exchange.sent_ns + delay_ns) / 1e9, _done, ended)
                await ended
                handle.cancel()
                if exchange.cancelled:
                    return
                exchange.reads.append(self.loop.now_ns)
                exchange.marks.append(len(exchange.reads))
            exchange.status = answer.status
            exchange.headers = {HEADER.encode(): answer.label.encode()} if answer.label else {}
            if answer.status != 200:
                exchange.failure = Failure(HTTP_STATUS, answer.status, "refused", answer.name)
        finally:
            exchange.end_ns = self.loop.now_ns
            del self._busy[exchange]

    def read(self, exchange: Exchange, *, keep_text: bool) -> Generator[None, None, RequestRecord]:
        record, answer = facts(exchange), self._answers.pop(exchange)
        record.clock = KERNEL
        if answer.status == 200:
            count = len(exchange.reads)
            record.arrivals = record.reads = array("q", exchange.reads).tobytes()
            record.kinds = bytes([TEXT]) * count
            record.sizes = array("i", [len(answer.text)] * count).tobytes()
            record.text = answer.text * count if keep_text else None
        settle(record, exchange.failure, cancelled=exchange.cancelled)
        yield
        return record

    def refusal(self, exchange: Exchange) -> str | None:
        return exchange.failure.type if exchange.failure is not None else None

    async def decide(self, stop: Stop) -> tuple[str, ...]:
        self.decided += 1
        return ("decided",)

    @property
    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()

    def cancel(self) -> None:
        for exchange, ended in self._busy.items():
            exchange.cancelled = True
            _done(ended)

    def close(self) -> None:
        pass


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@dataclass
class Outcome:
    """What came of a run: its records in the order in which they ended, the timeline, what the driver saw."""

    records: list[RequestRecord]
    observed: Observed
    transport: ScriptedTransport
    ended_ns: int
    error: BaseException | None = None

    @property
    def timeline(self) -> Timeline:
        return from_records(self.records, START_NS)

    def sent_ms(self) -> list[float]:
        """Sends by request number, ms after the run's start."""
        by_number = sorted(self.records, key=lambda record: record.request)
        return [(record.sent_ns - START_NS) / MS for record in by_number if record.sent_ns is not None]


def whole_run(
    spec: Spec,
    plan: Plan,
    script: Script,
    *,
    refusals: Refusals = Refusals(frozenset({"NotReady"}), frozenset({"Throttled"})),  # noqa: B008  a value
    watch: Watch = quiet,
    stop_at_ns: int | None = None,
    sink: Callable[[RequestRecord], None] | None = None,
    part: Slice = WHOLE,
    begin_after_ns: int | None = None,
    secrets: tuple[str, ...] = (),
    speed: float = 1.0,
) -> Outcome:
    """Drive a worker's part of a plan over a scripted transport to its end. `stop_at_ns` (after the start) ends it
    early; `begin_after_ns` has the driver wait first. `speed` of the endpoint is known beforehand."""
    records: list[RequestRecord] = []

    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        stop, clock, transport = Stop(), VirtualClock(loop), ScriptedTransport(loop, script)
        recorder = Recorder(transport, sink or records.append, stop, keep_text=False, secrets=secrets)
        rules = Rules(spec.timeout_s, spec.retry_throttled, spec.throttle_pause_s, refusals, speed)
        driver = Driver(transport, recorder, clock, rules, stop, watch)
        phases = prepare_phases(Job(spec, Server(), plan, part), transport)
        if stop_at_ns is not None:
            loop.call_at((START_NS + stop_at_ns) / 1e9, stop)
        error: BaseException | None = None
        if begin_after_ns is not None:
            await driver.begin_at(START_NS + begin_after_ns)
        try:
            await driver.run(phases)
        except Exception as raised:
            error = raised
        clock.close()
        return Outcome(records, driver.observed, transport, loop.now_ns - START_NS, error or recorder.error)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
