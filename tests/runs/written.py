"""A small run directory, written as a run writes it."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.support import make_record

from llmdyno import Spec
from llmdyno.experiments.load import load_plan
from llmdyno.protocols.events import OTHER, TEXT
from llmdyno.runs.directory import RunDirectory
from llmdyno.runs.environment import ClockFacts, Environment
from llmdyno.runs.late import Late
from llmdyno.runs.run import COMPLETE, conclude_run
from llmdyno.timeline.columns import Timeline
from llmdyno.timeline.record import RequestRecord
from llmdyno.workload.plan import Plan
from llmdyno.workload.sources.drawn import Drawn
from llmdyno.workload.tokens import Approximation

ENVIRONMENT = Environment(clock=ClockFacts("kernel", 0, 1_795_348_129_000_000_000))
SPEC = Spec(base_url="http://h/v1", model="m", requests=3, api="openai", seed=1, headers={"X-Key": "hidden"})


def plan_of(spec: Spec = SPEC, *, keep_text: bool = False) -> Plan:
    counter = Approximation()
    return load_plan(spec, Drawn(spec, counter), counter, keep_text=keep_text)


def records() -> list[RequestRecord]:
    return [
        make_record(1, 2.0, [], state="failed", error_kind="connect", error_message="rëfused", sent_ns=None),
        make_record(0, 1.0, [(1.5, OTHER, 0), (2.0, TEXT, 3), (3.0, TEXT, 9)], server_output_tokens=2, reused=True),
        make_record(2, 1.0, [(4.0, TEXT, 3)], phase="warmup", finish_reason="stop"),
    ]


def written(tmp_path: Path, made: list[RequestRecord], *, finished: bool = True, spec: Spec = SPEC) -> Path:
    """The path of a run directory with these records; without `finished` it is left as by a run that was killed."""
    with RunDirectory.create(str(tmp_path / "run"), "x", 0) as directory:
        directory.begin(spec, ENVIRONMENT)
        for record in made:
            directory.append(record)
        if finished:
            timeline = directory.timeline(Late(plan_of(), None))
            directory.finish(conclude_run(directory.path, spec, ENVIRONMENT, timeline, COMPLETE))
    return directory.path


def same(one: Timeline, other: Timeline) -> bool:
    """Whether two timelines hold the same columns: names, types and values."""
    return all(
        list(mine) == list(theirs)
        and all(np.array_equal(mine[name], theirs[name]) and mine[name].dtype == theirs[name].dtype for name in mine)
        for mine, theirs in ((one.requests, other.requests), (one.chunks, other.chunks))
    )


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file grows beyond this size meanwhile: a disk that is full, as far as a write can tell."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
