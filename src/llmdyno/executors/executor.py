"""The contract of an executor: it runs the jobs of a load, in this process or elsewhere.

In: one job for each worker. A job is a picklable value, and a worker opens its own target from it. Out: what each
process observed about itself. Records go to the sink while the load runs. An executor does not know load shapes,
metrics or files.

To add an executor, add a module here that defines ``execute``. ``inline`` is the one that drives in this process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from llmdyno.engine.driver import Watch
from llmdyno.engine.recorder import Sink
from llmdyno.host.limits import allow_open_files
from llmdyno.host.stop import Stop
from llmdyno.runs.server import Server
from llmdyno.spec.spec import Spec
from llmdyno.timeline.observed import Observed
from llmdyno.workload.plan import Plan
from llmdyno.workload.session import WHOLE, Slice

_OPEN_FILES = 4096
"""How many connections to allow for an open loop without an in-flight limit, if the system allows it."""


class Job(NamedTuple):
    """The work of one worker.

    `spec`: the resolved spec. `server`: what the preflight found. `plan`: every phase of the run. `part`: this worker's
    part of each phase. `start_unix_ns`: when to begin, in ns of the wall clock (None: at once).
    """

    spec: Spec
    server: Server
    plan: Plan
    part: Slice = WHOLE
    start_unix_ns: int | None = None


Execute = Callable[[Sequence[Job], Sink, Watch, Stop], Awaitable[tuple[Observed, ...]]]
"""Drives all jobs to their end and returns what each process observed, in the order of the jobs.

The sink gets each record when its request ends. The watch gets snapshots of counters. A call of the stop ends the load
early. Raises OSError if the sink fails, and InputError if a target cannot be opened.
"""


def split(spec: Spec, server: Server, plan: Plan, workers: int = 1) -> list[Job]:
    """The plan's jobs, one a worker, of which there are no more than requests may be in flight.

    Raises:
        InputError: this machine does not allow enough connections for the load.
    """
    allow_connections(spec)
    most = spec.max_concurrency if spec.open_loop else spec.users
    workers = min(workers, most or workers)
    return [Job(spec, server, plan, Slice(worker, workers)) for worker in range(workers)]


def allow_connections(spec: Spec) -> None:
    """Raise this process's limit on open files to what the load needs.

    Raises:
        InputError: the system does not allow enough connections.
    """
    if spec.open_loop and spec.max_concurrency is None:
        allow_open_files(_OPEN_FILES, needed=False)
    elif spec.open_loop and spec.max_concurrency is not None:
        allow_open_files(spec.max_concurrency, flag="--max-concurrency")
    else:
        allow_open_files(spec.users, flag="--stage" if spec.stages else "--concurrency")


def executor(name: str = "inline") -> Execute:
    """The ``execute`` of the module with this name."""
    found: Execute = import_module(f"llmdyno.executors.{name}").execute
    return found
