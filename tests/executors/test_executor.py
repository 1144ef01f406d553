"""The contract of an executor: jobs that travel, parts that make the whole."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
from tests.engine.driven import job_of, spec_of

from llmdyno.executors import inline
from llmdyno.executors.executor import executor, split
from llmdyno.experiments.load import wake_phase
from llmdyno.runs.environment import Emulation, ModelFacts
from llmdyno.runs.server import Server
from llmdyno.timeline.observed import Observed
from llmdyno.transports.exchange import Payload
from llmdyno.workload.session import WHOLE, Slice, Turn
from llmdyno.workload.tokens import Approximation

URL = "http://127.0.0.1:1/v1"
LOADS: list[dict[str, object]] = [
    {"concurrency": 3, "requests": 7, "warmup": 2},
    {"rate": 20.0, "arrivals": "poisson", "requests": 9},
    {"stages": [{"concurrency": 1, "duration": 1}, {"concurrency": 4, "duration": 1}], "requests": 6},
]


def turns(sessions: object) -> list[tuple[int | None, Turn | None]]:
    return [(session.offset_ns, session.next(None)) for session in sessions]  # type: ignore[attr-defined]


def test_one_worker_has_the_whole_plan() -> None:
    job = job_of(URL, requests=3)
    assert split(job.spec, job.server, job.plan) == [job]
    assert (job.part, job.start_unix_ns) == (WHOLE, None)


@pytest.mark.parametrize("keys", LOADS)
def test_the_parts_make_the_whole(keys: dict[str, object]) -> None:
    job = job_of(URL, **keys)
    jobs = split(job.spec, job.server, job.plan, 3)
    assert [one.part for one in jobs] == [Slice(0, 3), Slice(1, 3), Slice(2, 3)]
    for index, phase in enumerate(job.plan.phases):
        whole = turns(phase.sessions(WHOLE))
        parts = [turns(one.plan.phases[index].sessions(one.part)) for one in jobs]
        assert [len(part) for part in parts] == [one.part.share(phase.total) for one in jobs]
        assert [whole[worker::3] for worker in range(3)] == parts


@pytest.mark.parametrize("keys", LOADS)
def test_a_job_travels(keys: dict[str, object]) -> None:
    job = job_of(URL, **keys)
    job = job._replace(
        server=Server(base_url=URL, model="m", emulated=Emulation("p", 2.0), imported_model=ModelFacts("arn")),
        part=Slice(1, 2),
        start_unix_ns=5,
    )
    other = pickle.loads(pickle.dumps(job))
    assert (other.spec, other.server, other.part, other.start_unix_ns) == (job.spec, job.server, job.part, 5)
    for mine, theirs in zip(job.plan.phases, other.plan.phases, strict=True):
        assert (mine.name, mine.total, mine.bound_s, mine.ahead) == (
            theirs.name,
            theirs.total,
            theirs.bound_s,
            theirs.ahead,
        )
        assert turns(theirs.sessions(job.part)) == turns(mine.sessions(job.part))


def test_waking_travels_too() -> None:
    spec = spec_of(URL, requests=1)
    phase = wake_phase(spec, Approximation(), 2, 30.0)
    other = pickle.loads(pickle.dumps(phase))
    assert (other.name, other.total, other.ahead) == ("warm", None, 2)
    first = next(iter(other.sessions(WHOLE))).next(None)
    assert first == next(iter(phase.sessions(WHOLE))).next(None)
    assert other.pace.keywords == phase.pace.keywords  # type: ignore[attr-defined]


def test_what_a_process_saw_travels_back() -> None:
    observed = Observed("kernel", "loop", [("measured", 1, 2)], [(1, 0.5)], [0.1], problem=("endpoint", "403", "wait"))
    assert pickle.loads(pickle.dumps(observed)) == observed


def test_executors_are_found_by_name() -> None:
    assert executor() is executor("inline") is inline.execute
    with pytest.raises(ModuleNotFoundError):
        executor("nowhere")


def test_there_are_no_more_workers_than_requests_in_flight() -> None:
    def workers(**keys: Any) -> int:
        job = job_of("http://h/v1", **keys)
        return len(split(job.spec, job.server, job.plan, 4))

    assert workers(concurrency=3, requests=9) == 3
    assert workers(rate=9.0, requests=9, max_concurrency=2) == 2
    assert workers(rate=9.0, requests=9) == 4


def test_a_job_s_repr_shows_no_secret_and_a_worker_still_gets_them() -> None:
    job = job_of("http://h/v1", requests=1, api_key="sk-secret", headers={"X-Token": "sk-secret"})
    job = job._replace(server=msgspec.structs.replace(job.server, secrets=("sk-secret",)))
    assert "sk-secret" not in repr(job)
    assert repr(job.server).startswith("Server(base_url='http://h/v1', model='m', format='', ")
    assert "sk-secret" not in repr(Payload(b"Authorization: Bearer sk-secret"))
    assert pickle.loads(pickle.dumps(job)).server.secrets == ("sk-secret",)
