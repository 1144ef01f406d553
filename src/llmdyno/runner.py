"""The one way through: from a spec to a run directory.

In: a spec, a callable that watches. Out: a :class:`~llmdyno.results.run.Run`, and its directory on disk.
Every room does its part here and none knows the next: spec, plan, bytes, engine, journal, timeline,
figures, files. The heavy imports (NumPy, Parquet) come after the last request.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import os
import secrets
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.endpoints import Endpoint, open_endpoint
from llmdyno.engine.client import Client, connect_text
from llmdyno.engine.clock import Clock, monotonic_ns
from llmdyno.engine.driver import TICK_S, Driver, Load, Observed, Snapshot, allow_open_files
from llmdyno.engine.probe import Found, look
from llmdyno.engine.recorder import Recorder
from llmdyno.engine.supply import Supply, prepare
from llmdyno.engine.warm import Warmer
from llmdyno.engine.wire import Origin, serialise
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import HttpRequest, Target
from llmdyno.spec import Spec
from llmdyno.workload.plan import MEASURED, WARM, WARMUP, Plan, PlannedRequest
from llmdyno.workload.tokens import TokenCounter, load_counter

if TYPE_CHECKING:
    from llmdyno.results.directory import RunDirectory
    from llmdyno.results.run import Run


@dataclasses.dataclass(frozen=True)
class Intention:
    """What is about to be measured, in words; `emulated_speed` is None for a real endpoint."""

    endpoint: str
    load: str
    emulated_speed: float | None


Watch = Callable[[Snapshot], None]
OnStart = Callable[[Intention], None]

_GUESSED_REQUESTS_A_USER_S = 4.0
"""How many requests a user may send in a second of a timed run, for making prompts ahead; more are made on the way."""


def run(spec: Spec, *, watch: Watch | None = None, on_start: OnStart | None = None) -> Run:
    """Measure an endpoint and write the run directory.

    Args:
        spec: what to measure.
        watch: gets a snapshot of counters a few times a second.
        on_start: gets what is about to be measured, when everything is ready for it.

    Returns:
        The run. Failed requests are in it; they raise nothing.

    Raises:
        InputError: the spec contradicts itself, or the endpoint cannot be measured; nothing was sent as load.
        KeyboardInterrupt: the user stopped it; what was measured is in the directory all the same.
    """
    return _in_a_loop(spec, watch, on_start, handle_signals=False)


async def run_async(spec: Spec, *, watch: Watch | None = None, on_start: OnStart | None = None) -> Run:
    """The same as :func:`run`, inside a running event loop; cancelling it writes what was measured.

    Raises:
        InputError: as in :func:`run`.
    """
    return await _measure(spec, watch, on_start, handle_signals=False)


def run_command(spec: Spec, watch: Watch, on_start: OnStart) -> Run:
    """The same as :func:`run` for the command line: SIGINT and SIGTERM end the load, and the run is returned."""
    return _in_a_loop(spec, watch, on_start, handle_signals=True)


def settle(spec: Spec) -> Spec:
    """The spec with everything settled that is settled without asking the endpoint.

    Raises:
        InputError: keys contradict each other, or one that is needed is missing.
    """
    settled = spec.resolved(os.environ, lambda: secrets.randbelow(2**32))
    if settled.api == "emulator":
        deployment = settled.deployment or DEFAULT_PROFILE
        if deployment not in PROFILES:
            raise InputError("--deployment", f"{deployment!r} is not known", "deployments: " + ", ".join(PROFILES))
        settled = dataclasses.replace(settled, deployment=deployment)
    return settled


def _in_a_loop(spec: Spec, watch: Watch | None, on_start: OnStart | None, *, handle_signals: bool) -> Run:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # no uvloop where it does not build
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_measure(spec, watch, on_start, handle_signals=handle_signals))


async def _measure(spec: Spec, watch: Watch | None, on_start: OnStart | None, *, handle_signals: bool) -> Run:
    spec = settle(spec)
    started_s = time.time()
    with contextlib.ExitStack() as stack:
        emulator = None
        if spec.api == "emulator":
            from llmdyno.emulator.embedded import EmbeddedEmulator

            assert spec.deployment is not None
            assert spec.speed is not None
            emulator = stack.enter_context(EmbeddedEmulator(spec.deployment, speed=spec.speed, seed=spec.seed or 0))
        counter = load_counter(spec.tokenizer)
        allow_open_files(spec.concurrency)
        from llmdyno.results.directory import RunDirectory

        directory = RunDirectory.create(spec.out, spec.name or _default_name(spec), started_s)
        stack.callback(directory.close)
        clock = Clock()
        stack.callback(clock.close)
        try:
            endpoint = open_endpoint(spec, emulator.ready() if emulator is not None else None)
            flow = _Flow(spec, endpoint, counter, directory, clock, watch)
            stack.callback(flow.client.close)
            await flow.prepare()
        except BaseException:
            directory.abandon()
            raise
        if on_start is not None:
            on_start(flow.intention())
        try:
            cancelled = await flow.drive(handle_signals=handle_signals)
        except InputError:
            if flow.warmer is not None and flow.warmer.refused > 1:
                flow.finish(started_s)  # attempts on a model that never came are a measurement too
            else:
                directory.abandon()
            raise
        result = flow.finish(started_s)
    if cancelled:
        raise asyncio.CancelledError
    return result


class _Flow:
    """One run under way."""

    def __init__(
        self,
        spec: Spec,
        endpoint: Endpoint,
        counter: TokenCounter,
        directory: RunDirectory,
        clock: Clock,
        watch: Watch | None,
    ) -> None:
        self.spec = spec
        self.counter = counter
        self.directory = directory
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.endpoint = endpoint
        self.origin = Origin.of(endpoint.base_url)
        self.dialect = endpoint.dialect
        self.client = Client(self.origin, self.loop, endpoint.sign)
        self.watch = watch or (lambda snapshot: None)
        self.supplies: list[tuple[str, Supply, bool]] = []
        self.found: Found | None = None
        self.observed = Observed()
        self.target = self._target(endpoint.model)
        self.recorder = Recorder(
            self.loop,
            self.dialect,
            clock,
            directory.append,
            secrets=tuple(self._secrets()),
            keep_text=counter.exact,
        )
        self.warmer: Warmer | None = None
        if endpoint.bedrock and spec.warm:
            self.warmer = Warmer(self.client, self.recorder, self.dialect, spec.timeout_s)

    async def prepare(self) -> None:
        """Look at the endpoint, then make the requests; nothing of the load is sent."""
        try:
            await self.client.resolve()
        except OSError as error:
            raise InputError(str(self.origin), connect_text(error, self.origin), "check the URL") from None
        if self.spec.preflight and not self.endpoint.bedrock:
            self.found = await look(self.client, self.origin, self.target, self.dialect, timeout_s=self.spec.timeout_s)
        if not self.target.model:
            if self.found is None:
                raise InputError("--model", "not given, and --no-preflight asks nobody for it", "name the model")
            assert self.found.models is not None
            self.spec = dataclasses.replace(self.spec, model=self.found.models[0])
            self.target = self._target(self.found.models[0])
        plan = Plan(self.spec, self.counter)
        if plan.warmup:
            supply = Supply(plan.requests(WARMUP, 0, plan.warmup), self._wire, total=plan.warmup)
            self.supplies.append((WARMUP, supply, False))
        measured, ahead = plan.measured, plan.measured
        if self.spec.duration_s is not None:
            guess = int(self.spec.concurrency * (2 + self.spec.duration_s * _GUESSED_REQUESTS_A_USER_S))
            ahead = guess if measured is None else min(guess, measured)
        assert ahead is not None
        stop = measured if measured is not None else 2**53
        supply = Supply(plan.requests(MEASURED, 0, stop), self._wire, total=measured, ahead=ahead)
        self.supplies.append((MEASURED, supply, True))

    def intention(self) -> Intention:
        """What is about to be measured."""
        spec = self.spec
        until = [f"{spec.requests} requests"] if spec.requests is not None else []
        until += [f"{spec.duration_s:g} s"] if spec.duration_s is not None else []
        load = f"{spec.concurrency} user{'s' * (spec.concurrency != 1)}, {' or '.join(until)}"
        emulated = self._emulated()
        if emulated is None:
            return Intention(f"{spec.model} at {self.endpoint.base_url}", load, None)
        where = "" if spec.api == "emulator" else f", {self.endpoint.base_url}"
        endpoint = f"an EMULATED {emulated['profile']} at {emulated['speed']:g}× real speed{where}"
        return Intention(endpoint, load, emulated["speed"])

    async def drive(self, *, handle_signals: bool) -> bool:
        """Warm the model up and send the load; returns whether this task was cancelled meanwhile.

        Raises:
            InputError: the endpoint refuses for a reason that waiting does not cure. OSError: the disk does.
        """
        spec, loop = self.spec, self.loop
        load = Load(spec.concurrency, spec.duration_s, spec.timeout_s)
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
        with _signals(loop, stop) if handle_signals else contextlib.nullcontext():
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
            spec, plan, began_ns = self.spec, Plan(self.spec, self.counter), monotonic_ns()
            planned = (plan.request(WARM, number) for number in itertools.count())
            attempts = (prepare(request, self._wire(request)) for request in planned)
            ticker = asyncio.ensure_future(self._show_warming(self.warmer, began_ns))
            interval_s = spec.warm_interval_s / (spec.speed or 1.0)
            try:
                await self.warmer.run(attempts, patience_s=spec.warm_timeout_s, interval_s=interval_s)
            finally:
                ticker.cancel()
                self.recorder.drain()
        await driver.run(self.supplies)

    async def _show_warming(self, warmer: Warmer, began_ns: int) -> None:
        while True:
            elapsed_s = (monotonic_ns() - began_ns) / 1e9
            in_flight = len(self.client.in_flight)
            self.watch(Snapshot(WARM, elapsed_s, warmer.answered, warmer.refused, in_flight, None, None, 0, None))
            await asyncio.sleep(TICK_S)

    def finish(self, started_s: float) -> Run:
        """Compute the figures and write the files."""
        from llmdyno.report.llmperf import llmperf_files
        from llmdyno.results.run import COMPLETE, INTERRUPTED, Run, conclude

        directory = self.directory
        timeline, texts = directory.timeline(self.clock.origin_ns)
        for place, text in enumerate(texts):
            if text is not None:
                timeline.requests["tokenizer_output_tokens"][place] = self.counter.count(text)
        environment = self._environment(started_s)
        directory.write_json("environment.json", environment)
        status = INTERRUPTED if self.observed.interrupted else COMPLETE
        summary = conclude(timeline, self.spec, environment, status)
        result = Run(directory.path, self.spec, environment, timeline, summary)
        for name, content in llmperf_files(result):
            directory.write(f"llmperf/{name}", content)
        directory.finish(timeline, summary)
        return result

    def _target(self, model: str) -> Target:
        spec = self.spec
        return Target(self.origin.path, model, spec.api_key, spec.headers, spec.extra_body, spec.ignore_eos)

    def _wire(self, request: PlannedRequest) -> bytes | HttpRequest:
        """A request's bytes, or the request itself where it is signed just before the send."""
        prompt = self.endpoint.template(request.prompt)
        encoded = self.dialect.encode(self.target, prompt, request.max_tokens)
        return serialise(self.origin, encoded) if self.endpoint.sign is None else encoded

    def _secrets(self) -> Iterator[str]:
        if self.spec.api_key:
            yield self.spec.api_key
        for value in self.spec.headers.values():
            yield value
            yield value.rpartition(" ")[2]  # the token after "Bearer"

    def _emulated(self) -> dict[str, Any] | None:
        """What the endpoint says it emulates; the embedded emulator is known without asking."""
        if self.spec.api == "emulator":
            return {"profile": self.spec.deployment, "speed": self.spec.speed, "embedded": True}
        said = (self.found.emulated if self.found is not None else None) or self.recorder.emulated
        if said is None:
            return None
        facts = dict(part.strip().partition("=")[::2] for part in said.split(";"))
        try:
            speed = float(facts.get("speed", "1"))
        except ValueError:
            speed = 1.0
        return {"profile": facts.get("profile", "unknown"), "speed": speed, "embedded": False}

    def _environment(self, started_s: float) -> dict[str, Any]:
        from llmdyno.results.environment import describe_host

        clock, origin_ns = self.clock, self.clock.origin_ns
        return {
            **describe_host(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started_s)),
            "event_loop": f"{type(self.loop).__module__}.{type(self.loop).__qualname__}",
            "tls_library": ssl.OPENSSL_VERSION,
            "clock": {
                "kind": "kernel" if clock.kernel_stamps else "user",
                "origin_monotonic_ns": origin_ns,
                "origin_unix_ns": origin_ns + clock.unix_offset_ns,
            },
            "endpoint": {
                "address": self.origin.authority,
                "dialect": self.dialect.name,
                "notes": list(self.endpoint.notes),
                "server": self.found.server if self.found else None,
                "models": self.found.models[:50] if self.found and self.found.models else None,
                "emulated": self._emulated(),
            },
            "tokenizer": {"name": self.counter.name, "exact": self.counter.exact},
            "prompts_made_during_the_run": sum(supply.made_late for _, supply, _ in self.supplies),
            "phases": [
                {"name": name, "start_s": (start_ns - origin_ns) / 1e9, "end_s": (end_ns - origin_ns) / 1e9}
                for name, start_ns, end_ns in self.observed.phases
            ],
            "process": {
                "cpu_s": [
                    [round((moment_ns - origin_ns) / 1e9, 4), round(used_s, 4)]
                    for moment_ns, used_s in self.observed.cpu
                ]
            },
        }


def _default_name(spec: Spec) -> str:
    return f"emulated-{spec.deployment}" if spec.api == "emulator" else (spec.model or "run").rpartition("/")[2]


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` once; another one then has its usual effect."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def once() -> None:
        restore()
        stop()

    for number in before:
        loop.add_signal_handler(number, once)
    try:
        yield
    finally:
        restore()
