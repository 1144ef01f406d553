"""One run under way: prepared, warmed, driven, finished.

In: a settled spec, an endpoint, a run directory, a program. Out: the directory's files and a
:class:`~llmdyno.runs.run.Run`. Every room does its part here and none knows the next: plan, bytes, engine,
journal, timeline, figures, files. NumPy and Parquet are imported after the last request.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from llmdyno.engine.driver import TICK_S, Driver, Load, Observed, Phase, Snapshot
from llmdyno.engine.pacing import Warmer, refusal_of
from llmdyno.engine.recorder import Assemble, Recorder, outcome
from llmdyno.engine.supply import Supply, prepare
from llmdyno.errors import InputError
from llmdyno.host.memory import give_memory_back
from llmdyno.host.signals import signals
from llmdyno.protocols.bedrock import NOT_READY, REFUSED_STATUS
from llmdyno.protocols.dialect import Target
from llmdyno.protocols.events import Event
from llmdyno.spec.load import placed
from llmdyno.spec.spec import SECRET_HEADER, Spec
from llmdyno.targets.bedrock import Endpoint
from llmdyno.targets.litellm.trial import PROMPT, TOKENS, choose
from llmdyno.targets.openai import Found, look
from llmdyno.timeline.emulated import read_label
from llmdyno.timeline.record import KERNEL, OK, SDK, USER, RequestRecord, answer_of
from llmdyno.transports.assemble import assemble, reread
from llmdyno.transports.clock import Clock, monotonic_ns
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.http1.client import Client, connect_text
from llmdyno.transports.http1.proxy import find_proxy
from llmdyno.transports.http1.tls import make_context
from llmdyno.transports.http1.wire import Origin
from llmdyno.transports.library import SdkClient, assemble_sdk
from llmdyno.workload.plan import MEASURED, WARM, WARMUP, Plan, PlannedRequest
from llmdyno.workload.tokens import TokenCounter

if TYPE_CHECKING:
    from llmdyno.runs.directory import RunDirectory
    from llmdyno.runs.run import Run
    from llmdyno.targets.litellm.library import LiteLLM

_GUESSED_REQUESTS_A_USER_S = 4.0
"""How many requests a user may send in a second of a timed run, for making prompts ahead; more are made on the way."""

_VAIN_ROUNDS = 2
"""So many rounds may find the model warm before a series of cold starts is given up."""


@dataclasses.dataclass(frozen=True)
class Program:
    """What a run does: drive the load, or only measure so many cold starts, `idle_s` (at real speed) apart.

    `plan` makes its requests; `warmup_users` send the warm-up (None: as many as the load's); `keep_text` keeps answers;
    `workload` says in words what is asked, where it is not lengths.
    """

    load: bool = True
    cold_starts: int = 1
    idle_s: float = 0.0
    plan: Callable[[Spec, TokenCounter], Plan] = Plan
    warmup_users: int | None = None
    keep_text: bool = False
    workload: str | None = None


@dataclasses.dataclass(frozen=True)
class Intention:
    """What is about to be measured, in words; `emulated_speed` is None for a real endpoint."""

    endpoint: str
    load: str
    emulated_speed: float | None


Watch = Callable[[Snapshot], None]


class Flow:
    """One run under way."""

    def __init__(
        self,
        spec: Spec,
        endpoint: Endpoint,
        counter: TokenCounter,
        directory: RunDirectory,
        clock: Clock,
        watch: Watch | None,
        program: Program,
    ) -> None:
        self.spec = spec
        self.program = program
        self.counter = counter
        self.directory = directory
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.endpoint = endpoint
        self.origin = Origin.of(endpoint.base_url)
        self.dialect = endpoint.dialect
        self.proxy = find_proxy(self.origin) if endpoint.wire else None
        files = {"ca_file": spec.ca_file, "client_cert": spec.client_cert, "client_key": spec.client_key}
        tls = make_context(**files, insecure=spec.insecure) if self.origin.scheme == "https" else None
        self.sockets = Client(self.origin, self.loop, endpoint.sign, tls=tls, proxy=self.proxy)
        self.client: Client | SdkClient = self.sockets
        self.keep_text = counter.exact or program.keep_text
        self.watch = watch or (lambda snapshot: None)
        self.phases: list[Phase] = []
        self.found: Found | None = None
        self.observed = Observed()
        self.answers: dict[int, str] = {}
        self._made_late = 0
        self.notes = list(endpoint.notes)
        if spec.insecure:
            self.notes.append("the server's certificate is NOT VERIFIED (--insecure)")
        if self.proxy is not None:
            self.notes.append(f"through the proxy {self.proxy.authority}")
        self.target = self._target(endpoint.model)
        self.recorder = Recorder(
            self.loop, self._assemble_wire(self.keep_text), directory.append, secrets=tuple(self._secrets())
        )
        if endpoint.library is not None and not endpoint.wire:
            self._use_library(endpoint.library)
        self._round, self._round_ns, self._waiting_s = 0, monotonic_ns(), 0.0
        self.warmer: Warmer | None = None
        if endpoint.wakes and (spec.warm or not program.load):
            self.warmer = Warmer(self.client, self.recorder, self.dialect, spec.timeout_s)

    def _assemble_wire(self, keep_text: bool) -> Assemble:
        return lambda exchange: assemble(exchange, self.dialect, self.clock, keep_text=keep_text)

    def _use_library(self, library: LiteLLM) -> None:
        """Let the library send, and stamp its chunks."""
        self.client = SdkClient(library.open, library.refusal)
        self.recorder.assemble = lambda exchange: assemble_sdk(exchange, library.event, keep_text=self.keep_text)

    async def prepare(self) -> None:
        """Look at the endpoint, then make the requests; nothing of the load is sent."""
        if self.client is self.sockets:
            try:
                await self.sockets.resolve()
            except OSError as error:
                raise InputError(str(self.origin), connect_text(error, self.origin), "check the URL") from None
        if self.spec.preflight and not self.endpoint.wakes and self.endpoint.library is None:
            self.found = await look(self.sockets, self.origin, self.target, self.dialect, timeout_s=self.spec.timeout_s)
        if not self.target.model:
            if self.found is None:
                raise InputError("--model", "not given, and --no-preflight asks nobody for it", "name the model")
            assert self.found.models is not None
            self.spec = dataclasses.replace(self.spec, model=self.found.models[0])
            self.target = self._target(self.found.models[0])
        if not self.program.load:
            return
        plan = self.program.plan(self.spec, self.counter)
        if plan.warmup:
            planned = plan.requests(WARMUP, 0, plan.warmup)
            supply = Supply(planned, self._prepare, total=plan.warmup)
            self.phases.append(Phase(WARMUP, supply, users=self.program.warmup_users))
        measured, ahead = plan.measured, plan.measured
        length_s = self.spec.load.length_s
        if self.spec.open_loop:
            # The plan itself knows how many there are.
            measured = ahead = sum(1 for _ in plan.offsets_ns())
            if not measured:
                fits = "a higher rate, or longer"
                raise InputError("--rate, --duration", "not one request is planned in that time", fits)
        elif length_s:
            guess = int(self.spec.users * (2 + length_s * _GUESSED_REQUESTS_A_USER_S))
            ahead = guess if measured is None else min(guess, measured)
        assert ahead is not None
        stop = measured if measured is not None else 2**53
        supply = Supply(plan.requests(MEASURED, 0, stop), self._prepare, total=measured, ahead=ahead)
        self.phases.append(Phase(MEASURED, supply, timed=True))

    def intention(self) -> Intention:
        """What is about to be measured."""
        spec = self.spec
        load = spec.load.words()
        if not self.program.load:
            load = "how it wakes"
        emulated = self._emulated()
        if emulated is None:
            where = f"at {self.endpoint.base_url}" if self.endpoint.base_url else "through LiteLLM"
            return Intention(f"{spec.model} {where}", load, None)
        where = "" if spec.api == "emulator" else f", {self.endpoint.base_url}"
        endpoint = f"an EMULATED {emulated['profile']} at {emulated['speed']:g}× real speed{where}"
        return Intention(endpoint, load, emulated["speed"])

    async def drive(self, *, handle_signals: bool) -> bool:
        """Warm the model up and send the load; returns whether this task was cancelled meanwhile.

        Raises:
            InputError: the endpoint refuses for a reason that waiting does not cure. OSError: the disk does.
        """
        spec, loop = self.spec, self.loop
        load = Load(
            spec.concurrency,
            spec.duration_s,
            spec.timeout_s,
            retries=spec.retry_throttled,
            refused_pause_s=spec.throttle_pause_s,
            refused=lambda exchange: exchange.status == REFUSED_STATUS,
            throttled=self._throttled,
            open_loop=spec.open_loop,
            max_concurrency=spec.max_concurrency,
            stages=self._stages(),
        )
        driver = Driver(self.client, self.recorder, self.clock, load, self.watch)
        self.observed = driver.observed

        def stop() -> None:
            driver.stop()
            if self.warmer is not None:
                self.warmer.stop()

        self.recorder.on_error = stop
        self.directory.write("spec.toml", spec.to_toml().encode())
        self.directory.write_json("environment.json", self._environment(time.time()))
        task = asyncio.ensure_future(self._warm_and_drive(driver))
        cancelled = False
        with signals(loop, stop) if handle_signals else contextlib.nullcontext():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.done():
                    raise
                cancelled = True
                stop()
                await task
        if self.recorder.error is not None:
            error = self.recorder.error
            raise OSError(error.errno, error.strerror, str(self.directory.path))
        return cancelled

    async def _warm_and_drive(self, driver: Driver) -> None:
        if self.warmer is not None:
            ticker = asyncio.ensure_future(self._show_warming(self.warmer))
            try:
                await self._warm(self.warmer)
            finally:
                ticker.cancel()
                self.recorder.drain()
        if self.program.load and not driver.stopping:
            await self._try_library()
            driver.client = self.client
            await driver.run(self.phases)

    async def _warm(self, warmer: Warmer) -> None:
        """One round, or as many as it takes to see the wanted number of cold starts."""
        spec, plan = self.spec, Plan(self.spec, self.counter)
        planned = (plan.request(WARM, number) for number in itertools.count())
        attempts = map(self._prepare, planned)
        speed = spec.speed or 1.0
        seen = 0
        for number in range(self.program.cold_starts + _VAIN_ROUNDS):
            self._round, self._round_ns = number, monotonic_ns()
            interval_s = spec.warm_interval_s / speed
            await warmer.run(attempts, number, patience_s=spec.warm_timeout_s, interval_s=interval_s)
            seen += warmer.refused > 0
            if warmer.stopped or seen >= self.program.cold_starts or self.program.load:
                return
            self._waiting_s = self.program.idle_s / speed
            await warmer.pause(self._waiting_s)
            self._waiting_s = 0.0

    async def _show_warming(self, warmer: Warmer) -> None:
        while True:
            elapsed_s = (monotonic_ns() - self._round_ns) / 1e9
            phase = "idle" if self._waiting_s else WARM
            in_flight = len(self.client.in_flight)
            emulated = self.recorder.emulated is not None
            counts = (self._round, warmer.refused, in_flight)
            self.watch(Snapshot(phase, elapsed_s, *counts, None, None, 0, None, emulated))
            await asyncio.sleep(TICK_S)

    def finish(self, started_s: float) -> Run:
        """Compute the figures and write the files."""
        from llmdyno.reports.llmperf import llmperf_files
        from llmdyno.runs.run import COMPLETE, INTERRUPTED, Run, conclude
        from llmdyno.timeline.columns import MISSING, from_records

        directory = self.directory
        self._made_late = self.made_late()
        self.phases.clear()  # what was prepared and is not needed any more
        give_memory_back()
        counted: dict[int, int] = {}
        timeline = from_records(map(partial(self._read_late, counted), directory.records()), self.clock.origin_ns)
        give_memory_back()
        for place, number in enumerate(timeline.requests["request"].tolist() if counted else ()):
            timeline.requests["tokenizer_output_tokens"][place] = counted.get(number, MISSING)
        environment = self._environment(started_s)
        directory.write_json("environment.json", environment)
        status = INTERRUPTED if self.observed.interrupted else COMPLETE
        summary = conclude(timeline, self.spec, environment, status)
        result = Run(directory.path, self.spec, environment, timeline, summary, self.answers)
        for name, content in llmperf_files(result) if self.program.load else ():
            directory.write(f"llmperf/{name}", content)
        give_memory_back()
        directory.finish(timeline, summary)
        return result

    def _read_late(self, counted: dict[int, int], record: RequestRecord) -> RequestRecord:
        """What had to wait until the load was over: answers that only the library's parser reads; counting tokens."""
        if record.body is not None and self.endpoint.library is not None:
            reread(record, self._reader(self.endpoint.library), keep_text=self.keep_text)
        if record.text is not None and self.counter.exact:
            counted[record.request] = self.counter.count(record.text)
        if self.program.keep_text:
            self.answers[record.request] = answer_of(record)
        return record

    def _stages(self) -> tuple[tuple[float, float, int], ...]:
        """Stages of users: start, length, how many."""
        return tuple(
            (start_s, stage.duration_s, stage.concurrency)
            for start_s, _, stage in placed(self.spec.stages)
            if stage.concurrency is not None
        )

    def _target(self, model: str) -> Target:
        spec = self.spec
        return Target(
            self.origin.path, model, spec.api_key, spec.headers, spec.extra_body, spec.ignore_eos, spec.temperature
        )

    def _prepare(self, request: PlannedRequest) -> Prepared:
        """A request with its bytes, or unsigned where it is signed just before the send, or as a library takes it."""
        prompt = self.endpoint.template(request.prompt)
        request = dataclasses.replace(request, prompt=prompt)
        if self.client is not self.sockets:
            return prepare(request, b"", keep_prompt=True)
        encoded = self.dialect.encode(self.target, prompt, request.max_tokens)
        wire = self.sockets.serialise(encoded) if self.endpoint.sign is None else encoded
        return prepare(request, wire, keep_prompt=self.endpoint.library is not None)

    async def _try_library(self) -> None:
        """One request each way decides whether our sockets or the library sends the load.

        Raises:
            InputError: the endpoint refuses both.
        """
        library, mode = self.endpoint.library, self.spec.litellm_mode
        if library is None:
            return
        if not self.spec.preflight:
            self.notes.append(f"mode: {'wire' if self.client is self.sockets else 'sdk'} (not tried beforehand)")
            return
        request = PlannedRequest(0, "trial", None, PROMPT, 0, TOKENS)
        wire = sdk = parsed = None
        if self.client is self.sockets:
            exchange = await self._once(self.sockets, self._prepare(request))
            self.recorder.note_emulated(exchange)
            wire = outcome(self._assemble_wire(True)(exchange))
            if wire.body is not None:
                reread(wire, self._reader(library), keep_text=True)
            elif wire.state == OK:
                parsed = "".join(event.text for event in library.read(exchange.pieces, self.dialect.media_type))
        if mode == "auto" or self.client is not self.sockets:
            client = SdkClient(library.open, library.refusal)
            exchange = await self._once(client, prepare(request, b"", keep_prompt=True))
            self.recorder.note_emulated(exchange)
            sdk = outcome(assemble_sdk(exchange, library.event, keep_text=True))
        choice = choose(wire, sdk, parsed)
        self.notes += choice.notes
        if not choice.wire and self.client is self.sockets:
            self._use_library(library)

    async def _once(self, client: Client | SdkClient, prepared: Prepared) -> Exchange:
        exchange = Exchange(prepared, 0)
        await client.perform(exchange, self.spec.timeout_s)
        return exchange

    def _reader(self, library: LiteLLM) -> Callable[[list[bytes]], list[Event]]:
        return lambda pieces: library.read(pieces, self.dialect.media_type or "text/event-stream")

    def _throttled(self, exchange: Exchange) -> bool:
        """Whether an answer says "too many requests", and not that the model is not ready."""
        return exchange.status == REFUSED_STATUS and refusal_of(exchange, self.dialect) != NOT_READY

    def made_late(self) -> int:
        """How many requests were prepared while others were in flight."""
        return self._made_late + sum(phase.supply.made_late for phase in self.phases)

    def _clock_kind(self) -> str:
        if self.client is not self.sockets:
            return SDK
        return KERNEL if self.clock.kernel_stamps else USER

    def _secrets(self) -> Iterator[str]:
        if self.spec.api_key:
            yield self.spec.api_key
        yield from self.endpoint.secrets
        for name, value in self.spec.headers.items():
            if SECRET_HEADER.search(name):
                yield value
                yield value.rpartition(" ")[2]  # the token after "Bearer"

    def _emulated(self) -> dict[str, Any] | None:
        """What the endpoint says it emulates; the embedded emulator is known without asking."""
        said = read_label((self.found.emulated if self.found is not None else None) or self.recorder.emulated)
        since_s = said.since_unix_s if said is not None else None
        if self.spec.api == "emulator":
            found = {"profile": self.spec.deployment, "speed": self.spec.speed, "embedded": True}
        elif said is not None:
            found = {"profile": said.profile, "speed": said.speed, "embedded": False}
        else:
            return None
        return {**found, "since_unix_s": since_s}

    def _environment(self, started_s: float) -> dict[str, Any]:
        from llmdyno.host.describe import describe_host

        clock, origin_ns, library = self.clock, self.clock.origin_ns, self.endpoint.library
        return {
            **describe_host(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started_s)),
            "event_loop": f"{type(self.loop).__module__}.{type(self.loop).__qualname__}",
            "tls_library": ssl.OPENSSL_VERSION,
            "clock": {
                "kind": self._clock_kind(),
                "origin_monotonic_ns": origin_ns,
                "origin_unix_ns": origin_ns + clock.unix_offset_ns,
            },
            "endpoint": {
                "proxy": self.proxy.authority if self.proxy is not None else None,
                "address": self.origin.authority if self.origin.host else f"{self.spec.model} through LiteLLM",
                "dialect": self.dialect.name,
                "library": library.version if library is not None else None,
                "notes": self.notes,
                "server": self.found.server if self.found else None,
                "models": self.found.models[:50] if self.found and self.found.models else None,
                "emulated": self._emulated(),
                "imported_model": self.endpoint.imported_model,
            },
            "workload": self.program.workload,
            "tokenizer": {"name": self.counter.name, "exact": self.counter.exact},
            "prompts_made_during_the_run": self.made_late(),
            "phases": [
                {"name": name, "start_s": (start_ns - origin_ns) / 1e9, "end_s": (end_ns - origin_ns) / 1e9}
                for name, start_ns, end_ns in self.observed.phases
            ],
            "process": {
                "cpu_s": [
                    [round((moment_ns - origin_ns) / 1e9, 4), round(used_s, 4)]
                    for moment_ns, used_s in self.observed.cpu
                ],
                "loop_lag_s": _largest(self.observed.loop_lags_s),
                "gc_pauses": len(self.observed.gc_pauses_s),
                "gc_pause_s": _largest(self.observed.gc_pauses_s),
            },
        }


def _largest(values: list[float]) -> float | None:
    return round(max(values), 6) if values else None
