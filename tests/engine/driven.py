"""A load driven through our own sockets, against a server that answers byte for byte as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support import ENDING, Action, event, stream_head

from llmdyno import Spec
from llmdyno.engine.pacing import Pace
from llmdyno.executors.executor import Job
from llmdyno.executors.inline import drive
from llmdyno.experiments.load import load_plan
from llmdyno.host.stop import Stop
from llmdyno.runs.server import Server
from llmdyno.timeline.observed import Observed, Snapshot
from llmdyno.timeline.record import RequestRecord
from llmdyno.workload.plan import MEASURED, Phase, Plan
from llmdyno.workload.session import Session, Single, Slice, Turn, user_message
from llmdyno.workload.sources.drawn import Drawn
from llmdyno.workload.tokens import Approximation

COUNTER = Approximation()
GOOD: list[Action] = [stream_head() + event("a"), 0.02, event("b") + ENDING]
SLOW: list[Action] = [stream_head() + event("a"), 0.3, event("b") + ENDING]
HELD: list[Action] = [stream_head() + event("a"), 30.0]


@dataclass
class Driven:
    """What came of a job: its records by number, the snapshots that a watcher got, what the driver saw."""

    records: list[RequestRecord]
    snapshots: list[Snapshot]
    observed: Observed

    @property
    def start_ns(self) -> int:
        """When its first phase began."""
        return self.observed.phases[0][1]


def spec_of(url: str, **keys: Any) -> Spec:
    """A resolved spec of an OpenAI-compatible server."""
    given = {"api": "openai", "base_url": url, "route": "chat", "model": "m", "seed": 1, "timeout_s": 5.0}
    return Spec(**{**given, "input_tokens": 5, "output_tokens": 2, **keys})


def job_of(url: str, plan: Plan | None = None, **keys: Any) -> Job:
    """A job: a load as the spec's keys have it, or a plan of its own."""
    spec = spec_of(url, **keys)
    server = Server(base_url=url, model="m", dialect="openai chat")
    return Job(spec, server, plan or load_plan(spec, Drawn(spec, COUNTER), COUNTER))


def planned(spec: Spec, pace: Pace, offsets_s: Sequence[float]) -> Plan:
    """A plan of one phase with requests at these instants."""

    def sessions(part: Slice) -> Iterator[Session]:
        for number, offset_s in enumerate(offsets_s):
            turn = Turn(number, MEASURED, user_message("why"), 1, 2)
            yield Single(turn, round(offset_s * 1e9))

    return Plan((Phase(MEASURED, sessions, pace, len(offsets_s)),), Drawn(spec, COUNTER), COUNTER, "as planned")


async def driven(job: Job, stop_at_chunks: int | None = None) -> Driven:
    """Drive a job; with `stop_at_chunks` it is stopped when that many chunks have come."""
    records: list[RequestRecord] = []
    snapshots: list[Snapshot] = []
    stop = Stop()
    observed = await drive(job, records.append, _watching(snapshots, stop, stop_at_chunks), stop)
    return Driven(sorted(records, key=lambda record: record.request), snapshots, observed)


def _watching(snapshots: list[Snapshot], stop: Stop, chunks: int | None) -> Callable[[Snapshot], None]:
    def watch(snapshot: Snapshot) -> None:
        snapshots.append(snapshot)
        if chunks is not None and snapshot.chunks >= chunks:
            stop()

    return watch
