"""Drives one job in this process, on this event loop.

In: one job. Out: records to the sink, and what this process observed about itself. It always closes the target that it
opened. Other executors run the same :func:`drive` in other processes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from llmdyno.engine.driver import DrivenPhase, Driver, Rules, Watch
from llmdyno.engine.recorder import Recorder, Sink
from llmdyno.engine.supply import Supply
from llmdyno.errors import InputError
from llmdyno.executors.executor import Job, allow_connections
from llmdyno.host.stop import Stop
from llmdyno.targets.target import secrets_of, target_module
from llmdyno.timeline.observed import Observed
from llmdyno.transports.clock import Clock
from llmdyno.transports.transport import Transport


async def execute(jobs: Sequence[Job], sink: Sink, watch: Watch, stop: Stop) -> tuple[Observed, ...]:
    """Drive the only job.

    Raises:
        ValueError: there is not exactly one job.
        InputError, OSError: as for :func:`drive`.
    """
    [job] = jobs
    return (await drive(job, sink, watch, stop),)


async def drive(job: Job, sink: Sink, watch: Watch, stop: Stop, clock: Clock | None = None) -> Observed:
    """Open the job's target and drive its plan.

    An endpoint that refuses in the middle of the load raises nothing. The reason is the `problem` of what is returned.

    Raises:
        InputError: the target cannot be opened, or a request cannot be prepared.
        OSError: the sink failed.
    """
    spec, plan = job.spec, job.plan
    allow_connections(spec)
    with contextlib.ExitStack() as stack:
        clock = clock or Clock()
        stack.callback(clock.close)
        target = await target_module(spec.api).open_target(spec, job.server, clock, stack)
        stack.callback(target.transport.close)
        recorder = Recorder(
            target.transport,
            sink,
            stop,
            keep_text=plan.keep_text or plan.counter.exact,
            secrets=secrets_of(spec, job.server),
        )
        emulated = job.server.emulated
        speed = 1.0 if emulated is None else emulated.speed or 1.0
        rules = Rules(spec.timeout_s, spec.retry_throttled, spec.throttle_pause_s, target.refusals, speed)
        phases = prepare_phases(job, target.transport)
        driver = Driver(target.transport, recorder, clock, rules, stop, watch)
        stack.callback(driver.close)
        observed = driver.observed
        if job.start_unix_ns is not None:
            await driver.begin_at(job.start_unix_ns - clock.unix_offset_ns)
        try:
            await driver.run(phases)
        except InputError as error:
            told = recorder.without_secrets(error)
            observed.problem = told.where, told.problem, told.fits
        observed.clock = target.transport.clock
        observed.emulated = recorder.emulated
        loop = type(asyncio.get_running_loop())
        observed.event_loop = f"{loop.__module__}.{loop.__qualname__}"
        if recorder.error is not None:
            raise recorder.error
        return observed


def prepare_phases(job: Job, transport: Transport) -> list[DrivenPhase]:
    """The phases of a job, with their first sessions prepared before the clock starts."""
    phases = []
    for phase in job.plan.phases:
        total = job.part.share(phase.total) if phase.total is not None else None
        supply = Supply(phase.sessions(job.part), transport.prepare, total=total, ahead=job.part.share(phase.ahead))
        phases.append(DrivenPhase(phase.name, supply, phase.pace, phase.bound_s, job.part))
    return phases
