"""The one way through: from a spec to a run directory.

In: a spec, callables that watch. Out: a :class:`~llmdyno.runs.run.Run`, and its directory on disk. It
settles the spec, opens what a run needs and closes it again, whatever happens; the run itself is the
:class:`~llmdyno.executors.inline.Flow`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.errors import InputError
from llmdyno.executors.inline import Flow, Intention, Program, Watch
from llmdyno.host.limits import allow_open_files
from llmdyno.spec.spec import Spec
from llmdyno.targets.bedrock import open_endpoint
from llmdyno.transports.clock import Clock
from llmdyno.workload.tokens import load_counter

if TYPE_CHECKING:
    from llmdyno.runs.run import Run


OnStart = Callable[[Intention], None]
_LOAD = Program()
_OPEN_FILES = 4096
"""How many connections an open loop without a bound may come to need, as far as the limits allow."""


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


def run_command(spec: Spec, watch: Watch, on_start: OnStart, program: Program = _LOAD) -> Run:
    """The same as :func:`run` for the command line: SIGINT and SIGTERM end it, and the run is returned."""
    return _in_a_loop(spec, watch, on_start, program, handle_signals=True)


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


def _in_a_loop(
    spec: Spec, watch: Watch | None, on_start: OnStart | None, program: Program = _LOAD, *, handle_signals: bool
) -> Run:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # no uvloop where it does not build
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_measure(spec, watch, on_start, program, handle_signals=handle_signals))


async def _measure(
    spec: Spec, watch: Watch | None, on_start: OnStart | None, program: Program = _LOAD, *, handle_signals: bool
) -> Run:
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
        if spec.open_loop and spec.max_concurrency is None:
            allow_open_files(_OPEN_FILES, needed=False)
        else:
            allow_open_files(spec.max_concurrency or spec.users)
        from llmdyno.runs.directory import RunDirectory

        directory = RunDirectory.create(spec.out, spec.name or _default_name(spec), started_s)
        stack.callback(directory.close)
        clock = Clock()
        stack.callback(clock.close)
        try:
            endpoint = open_endpoint(spec, emulator.ready() if emulator is not None else None)
            flow = Flow(spec, endpoint, counter, directory, clock, watch, program)
            stack.callback(flow.sockets.close)
            await flow.prepare()
        except BaseException:
            directory.abandon()
            raise
        if on_start is not None:
            on_start(flow.intention())
        try:
            cancelled = await flow.drive(handle_signals=handle_signals)
        except InputError:
            if flow.recorder.failed + flow.recorder.done > 1:
                flow.finish(started_s)  # attempts on a model that never came are a measurement too
            else:
                directory.abandon()
            raise
        result = flow.finish(started_s)
        from llmdyno.services.service import service_of

        service = service_of(result)
        if service is not None:
            await asyncio.to_thread(service.after, result)
    if cancelled:
        raise asyncio.CancelledError
    return result


def _default_name(spec: Spec) -> str:
    return f"emulated-{spec.deployment}" if spec.api == "emulator" else (spec.model or "run").rpartition("/")[2]
