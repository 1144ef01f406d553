"""A job driven in this process, through the OpenAI target, against a server that answers byte for byte as told."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.engine.driven import GOOD, HELD, driven, job_of, spec_of
from tests.support import Action, response
from tests.transports.http1.sockets import InLoop, Scripted

from llmdyno import InputError
from llmdyno.engine.driver import quiet
from llmdyno.executors.executor import Job, split
from llmdyno.executors.inline import drive, execute
from llmdyno.experiments.load import wake_phase
from llmdyno.host.stop import Stop
from llmdyno.timeline.observed import Observed
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.clock import Clock
from llmdyno.workload.session import Session, Slice

REFUSED: list[Action] = [response(b'{"error":{"message":"no access with sk-secret"}}', "403 Forbidden")]


def bodies(requests: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]


def woken(url: str, **keys: Any) -> Job:
    """A job that wakes the model before its one request."""
    job = job_of(url, requests=1, concurrency=1, **keys)
    wake = wake_phase(job.spec, job.plan.counter, None, 0.0)
    return job._replace(plan=job.plan._replace(phases=(wake, *job.plan.phases)))


def test_a_job_is_driven_to_its_end(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(GOOD)
    records: list[RequestRecord] = []

    async def main() -> tuple[Observed, ...]:
        return await execute([job_of(server.url, concurrency=2, warmup=1, requests=4)], records.append, quiet, Stop())

    [observed] = in_loop(main())
    assert sorted((record.request, record.phase, record.state) for record in records) == [
        (0, "warmup", "ok"), (1, "measured", "ok"), (2, "measured", "ok"), (3, "measured", "ok"), (4, "measured", "ok"),
    ]  # fmt: skip
    assert (observed.clock, observed.problem, observed.interrupted) == ("kernel", None, False)
    assert observed.event_loop in ("uvloop.Loop", "asyncio.unix_events._UnixSelectorEventLoop")
    assert [name for name, _, _ in observed.phases] == ["warmup", "measured"]
    assert (observed.emulated, observed.made_late, observed.notes) == (None, 0, ())
    assert {record.text for record in records} == {None}


def test_the_requests_are_the_plan_s(scripted: Scripted) -> None:
    server = scripted(GOOD)
    job = job_of(server.url, concurrency=1, requests=3, api_key="sk-secret", temperature=0.5)
    asyncio.run(driven(job))
    [phase] = job.plan.phases
    planned = [session.next(None) for session in phase.sessions(Slice())]
    sent = bodies(server.requests)
    assert [body["messages"][0]["content"] for body in sent] == [turn.messages[0].content for turn in planned if turn]
    assert [(body["model"], body["max_tokens"], body["temperature"]) for body in sent] == [("m", 2, 0.5)] * 3
    assert all(b"Authorization: Bearer sk-secret\r\n" in request for request in server.requests)


def test_a_job_that_travelled_sends_the_same(scripted: Scripted) -> None:
    here, there = scripted(GOOD), scripted(GOOD)
    keys: dict[str, Any] = {"concurrency": 1, "requests": 3}
    asyncio.run(driven(job_of(here.url, **keys)))
    asyncio.run(driven(pickle.loads(pickle.dumps(job_of(there.url, **keys)))))
    assert bodies(there.requests) == bodies(here.requests)


def test_two_parts_send_what_the_whole_sends(scripted: Scripted) -> None:
    whole, halves = scripted(GOOD), scripted(GOOD)
    keys: dict[str, Any] = {"concurrency": 2, "requests": 5, "warmup": 2}
    asyncio.run(driven(job_of(whole.url, **keys)))
    job = job_of(halves.url, **keys)
    done = [asyncio.run(driven(part)) for part in split(job.spec, job.server, job.plan, 2)]
    assert [[record.request for record in one.records] for one in done] == [[0, 2, 4, 6], [1, 3, 5]]
    assert [{record.user for record in one.records} for one in done] == [{0}, {1}]
    assert sorted(map(str, bodies(halves.requests))) == sorted(map(str, bodies(whole.requests)))


def test_a_job_begins_at_its_time(scripted: Scripted) -> None:
    job = job_of(scripted(GOOD).url, concurrency=1, requests=1)
    start_unix_ns = time.time_ns() + 300_000_000

    async def main() -> tuple[Observed, int]:
        clock = Clock()
        observed = await drive(job._replace(start_unix_ns=start_unix_ns), lambda record: None, quiet, Stop(), clock)
        return observed, clock.unix_offset_ns

    observed, offset_ns = asyncio.run(main())
    assert 0 <= observed.phases[0][1] + offset_ns - start_unix_ns < 5_000_000_000


def test_the_error_of_waking_is_kept_with_what_was_measured(scripted: Scripted) -> None:
    server = scripted(REFUSED)
    done = asyncio.run(driven(woken(server.url, api_key="sk-secret")))
    assert done.observed.problem == (
        "endpoint",
        "403: no access with ***",
        "check the model and the credentials",
    )
    assert [(record.request, record.phase, record.http_status) for record in done.records] == [(-1, "warm", 403)]
    assert done.records[0].error_message == "no access with ***"
    assert done.observed.phases == []


def test_waking_gives_up(scripted: Scripted) -> None:
    server = scripted([response(b"", "503 Service Unavailable")])
    done = asyncio.run(driven(woken(server.url, warm_timeout_s=0.02, warm_interval_s=0.05)))
    assert done.observed.problem == (
        "--warm-timeout",
        "the model did not answer within 0.02 s (2 attempts)",
        "use a longer timeout, or check the state of the model",
    )


def test_waking_and_then_the_load(scripted: Scripted) -> None:
    server = scripted([response(b"", "503 Service Unavailable")], GOOD)
    done = asyncio.run(driven(woken(server.url, warm_interval_s=0.01)))
    assert [(record.request, record.state) for record in done.records] == [
        (-3, "ok"), (-2, "ok"), (-1, "failed"), (0, "ok"),
    ]  # fmt: skip
    assert done.observed.problem is None
    assert [body["max_tokens"] for body in bodies(server.requests)] == [2, 2, 2, 2]


def test_a_sink_that_fails_ends_the_job(scripted: Scripted) -> None:
    taken: list[RequestRecord] = []
    stop = Stop()

    def sink(record: RequestRecord) -> None:
        if len(taken) == 2:
            raise OSError(28, "No space left on device")
        taken.append(record)

    job = job_of(scripted(GOOD).url, concurrency=1, requests=1000)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(drive_with(job, sink, stop))
    assert ([record.request for record in taken], stop.stopping) == ([0, 1], True)


async def drive_with(job: Job, sink: Any, stop: Stop) -> Observed:
    return await drive(job, sink, quiet, stop)


def test_a_stop_before_the_start_sends_nothing(scripted: Scripted) -> None:
    server, stop = scripted(HELD), Stop()
    stop()
    records: list[RequestRecord] = []
    observed = asyncio.run(drive_with(job_of(server.url, requests=3), records.append, stop))
    assert (records, server.requests, observed.interrupted) == ([], [], True)


def test_a_key_echoed_by_the_server_is_hidden(scripted: Scripted) -> None:
    server = scripted([response(b'{"error":{"message":"bad key sk-secret"}}', "401 Unauthorized")])
    done = asyncio.run(driven(job_of(server.url, concurrency=1, requests=1, api_key="sk-secret")))
    assert done.records[0].error_message == "bad key ***"


def test_answers_are_kept_where_the_plan_keeps_them(scripted: Scripted) -> None:
    job = job_of(scripted(GOOD).url, concurrency=1, requests=1)
    done = asyncio.run(driven(job._replace(plan=job.plan._replace(keep_text=True))))
    assert [record.text for record in done.records] == ["ab"]


def test_a_target_that_cannot_be_opened() -> None:
    job = job_of("http://nowhere.invalid/v1", requests=1)
    with pytest.raises(
        InputError, match=r"^http://nowhere\.invalid/v1: cannot look up nowhere\.invalid: .*; check the URL$"
    ):
        asyncio.run(driven(job))


def test_more_users_than_open_files() -> None:
    spec = spec_of("http://127.0.0.1:1/v1", concurrency=10**6, requests=10**6)
    job = job_of(spec.base_url or "", requests=1)
    with pytest.raises(InputError, match="--concurrency: 1000000 connections"):
        asyncio.run(driven(job._replace(spec=spec)))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_cancelled_job_records_what_it_sent_and_closes_its_sockets(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(HELD)
    job = job_of(server.url, concurrency=3, requests=3)
    records: list[RequestRecord] = []

    async def main() -> tuple[int, int]:
        before = open_files()
        begun = asyncio.Event()
        task = asyncio.ensure_future(drive(job, records.append, lambda one: one.chunks == 3 and begun.set(), Stop()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return before, open_files()

    before, after = in_loop(main())
    assert [(record.state, len(record.kinds)) for record in records] == [("cancelled", 1)] * 3
    assert after <= before + server.accepted  # the server, in this process, holds its own ends open


def test_a_plan_whose_requests_cannot_be_made_leaves_nothing_open(scripted: Scripted, in_loop: InLoop) -> None:
    def sessions(part: Slice) -> Iterator[Session]:
        raise InputError("--trace", "holds no request", "another trace")
        yield

    job = job_of(scripted(GOOD).url, requests=1)
    job = job._replace(plan=job.plan._replace(phases=(job.plan.phases[0]._replace(sessions=sessions),)))

    async def main() -> tuple[int, int]:
        before = open_files()
        with pytest.raises(InputError, match="holds no request"):
            await drive(job, lambda record: None, quiet, Stop())
        return before, open_files()

    before, after = in_loop(main())
    assert after == before
