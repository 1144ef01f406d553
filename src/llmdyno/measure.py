"""The whole program on one page: from a spec to a run.

In: a spec, an experiment, callables that watch. Out: a :class:`~llmdyno.runs.run.Run`, and its directory on disk. Each
step here is one folder's work. Flags, dry run, budget and printed reports are the work of :mod:`llmdyno.cli.drive`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from llmdyno.engine.driver import Watch, quiet
from llmdyno.errors import InputError
from llmdyno.executors.executor import executor, split
from llmdyno.experiments.experiment import Experiment
from llmdyno.experiments.load import LOAD
from llmdyno.host.loop import loop_factory
from llmdyno.host.stop import Stop, to_the_end
from llmdyno.reports.files import exports
from llmdyno.runs.describe import Announcement, Origin, announcement, describe
from llmdyno.runs.directory import RunDirectory, check_out, default_name
from llmdyno.runs.late import Late
from llmdyno.runs.run import COMPLETE, INTERRUPTED, Run, conclude_run
from llmdyno.services.service import find
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import late_reader, resolve, secrets_of, target_module, without_secrets

OnStart = Callable[[Announcement], None]


def silent(announcement: Announcement) -> None:
    """Announce nothing."""


async def measure(
    spec: Spec,
    experiment: Experiment = LOAD,
    *,
    watch: Watch = quiet,
    stop: Stop | None = None,
    on_start: OnStart = silent,
) -> Run:
    """Measure an endpoint, inside a running event loop.

    Args:
        spec: what to measure.
        experiment: the question to answer.
        watch: gets a snapshot of counters a few times a second.
        stop: ends the run early when somebody calls it.
        on_start: gets the endpoint and the load, just before the load starts.

    Returns:
        The run, also if it was stopped early or if requests failed.

    Raises:
        InputError: the spec contradicts itself, or the endpoint cannot be measured.
        asyncio.CancelledError: the task was cancelled, or the run was stopped before its first request.
    """
    stop = stop or Stop()
    with without_secrets(spec, os.environ), contextlib.ExitStack() as stack:
        spec = resolve(spec, os.environ)  # every default is settled
        experiment.check(spec, experiment.options)
        check_out(spec.out)
        origin = stack.enter_context(Origin())
        spec, server = await stop.guard(target_module(spec.api).preflight(spec, stack))  # the model has a name now
        plan = experiment.plan(spec, experiment.options)  # every phase, decided before the clock starts
        directory = stack.enter_context(RunDirectory.create(spec.out, default_name(spec), origin.started_s))
        directory.begin(spec, describe(spec, server, plan, origin))
        jobs = split(spec, server, plan)  # one job unless asked otherwise
        on_start(announcement(server, plan))
        observed, cancelled = await to_the_end(executor()(jobs, directory.append, watch, stop), stop)
        problem = next((one.problem for one in observed if one.problem is not None), None)
        if problem is not None and directory.recorded <= 1:
            raise InputError(*problem)  # one refused attempt is not a measurement
        if stop.stopping and not directory.recorded:
            raise asyncio.CancelledError  # nothing was sent for the run, so it leaves no directory
        late = Late(plan, late_reader(spec, server), secrets_of(spec, server))
        timeline = directory.timeline(late)  # facts, read from the journals
        environment = describe(spec, server, plan, origin, observed)
        status = INTERRUPTED if any(one.interrupted for one in observed) else COMPLETE
        run = conclude_run(directory.path, spec, environment, timeline, status, late.answers, directory.damages)
        directory.finish(run, exports(spec) if plan.measures else ())  # parquet, summary, llmperf/, …
    if problem is not None:
        raise InputError(*problem)
    if server.service is not None:
        await asyncio.to_thread(find(server.service).after, run)  # what the service already reports about the run
    if cancelled:
        raise asyncio.CancelledError
    return run


def run(spec: Spec, *, watch: Watch | None = None, on_start: OnStart | None = None) -> Run:
    """Measure an endpoint and write the run directory.

    Args:
        spec: what to measure.
        watch: gets a snapshot of counters a few times a second.
        on_start: gets what is about to be measured.

    Returns:
        The run. A failed request is part of it and raises nothing.

    Raises:
        InputError: the spec contradicts itself, or the endpoint cannot be measured.
        KeyboardInterrupt: the user stopped the run. The run directory keeps what was measured before.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(run_async(spec, watch=watch, on_start=on_start))


async def run_async(spec: Spec, *, watch: Watch | None = None, on_start: OnStart | None = None) -> Run:
    """The same as :func:`run`, inside a running event loop. A task that is cancelled writes what was measured.

    Raises:
        InputError, asyncio.CancelledError: as in :func:`measure`.
    """
    return await measure(spec, watch=watch or quiet, on_start=on_start or silent)
