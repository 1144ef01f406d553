"""The contract of an executor: a place where the driving happens.

In: jobs, one a worker, each a picklable value from which a worker opens its own target. Out: what each process saw of
itself; records go to the sink as they come. One file here is one place: this process (``inline``), others later.
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
"""How many connections to allow for an open loop without an in-flight limit, as far as the system's limit goes."""


class Job(NamedTuple):
    """One worker's work: the resolved spec, what the endpoint is, the plan, which part of it, and when to begin
    (unix ns; None: at once)."""

    spec: Spec
    server: Server
    plan: Plan
    part: Slice = WHOLE
    start_unix_ns: int | None = None


Execute = Callable[[Sequence[Job], Sink, Watch, Stop], Awaitable[tuple[Observed, ...]]]
"""Drives jobs to their end; raises OSError when the sink fails, InputError when a target cannot be opened."""


def split(spec: Spec, server: Server, plan: Plan, workers: int = 1) -> list[Job]:
    """The plan's jobs, one a worker, of which there are no more than requests may be in flight.

    Raises:
        InputError: this machine cannot hold as many connections.
    """
    allow_connections(spec)
    most = spec.max_concurrency if spec.open_loop else spec.users
    workers = min(workers, most or workers)
    return [Job(spec, server, plan, Slice(worker, workers)) for worker in range(workers)]


def allow_connections(spec: Spec) -> None:
    """Raise this process's limit on open files to what a load needs.

    Raises:
        InputError: the system's limits are below that.
    """
    if spec.open_loop and spec.max_concurrency is None:
        allow_open_files(_OPEN_FILES, needed=False)
    elif spec.open_loop and spec.max_concurrency is not None:
        allow_open_files(spec.max_concurrency, flag="--max-concurrency")
    else:
        allow_open_files(spec.users, flag="--stage" if spec.stages else "--concurrency")


def executor(name: str = "inline") -> Execute:
    """The executor of that name: the module here that defines ``execute``."""
    found: Execute = import_module(f"llmdyno.executors.{name}").execute
    return found
