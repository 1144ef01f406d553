"""Paces through real sockets and timers: what the virtual clock cannot show."""

from __future__ import annotations

import asyncio
import time
from array import array

from tests.engine.driven import GOOD, HELD, SLOW, driven, job_of, planned, spec_of
from tests.support import Action, response
from tests.transports.http1.sockets import InLoop, Scripted

from llmdyno.engine.pacing import instants
from llmdyno.protocols.events import TEXT
from llmdyno.transports.exchange import ATTEMPT_STRIDE


def test_warm_up_is_kept_apart_and_users_are_independent(scripted: Scripted, in_loop: InLoop) -> None:
    slow: list[Action] = [*SLOW[:1], 0.4, *SLOW[2:]]
    server = scripted(GOOD, GOOD, slow, GOOD)
    done = in_loop(driven(job_of(server.url, concurrency=2, warmup=2, requests=9)))
    assert [record.phase for record in done.records] == ["warmup"] * 2 + ["measured"] * 9
    warm_end = max(record.end_ns for record in done.records[:2])
    assert all(record.sent_ns > warm_end for record in done.records[2:])
    by_user = [sum(record.user == user for record in done.records[2:]) for user in (0, 1)]
    assert sorted(by_user) == [1, 8]  # one user was held up, the other went on
    assert server.accepted == 2
    assert [name for name, _, _ in done.observed.phases] == ["warmup", "measured"]
    last = done.snapshots[-1]
    assert (last.phase, last.done, last.in_flight, last.total) == ("measured", 9, 0, 9)
    assert last.ttft_p50_s is not None


def test_a_duration_ends_the_sending_and_lets_answers_end(scripted: Scripted) -> None:
    server = scripted(GOOD)
    done = asyncio.run(driven(job_of(server.url, concurrency=2, duration_s=0.3)))
    _, start_ns, end_ns = done.observed.phases[0]
    assert all(record.state == "ok" for record in done.records)
    assert max(record.sent_ns for record in done.records) < start_ns + 0.3e9 < end_ns
    assert len(done.records) > 8
    assert done.observed.made_late > 0  # fewer were made ahead than two users can send


def test_stopping_marks_what_is_in_flight(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(HELD)
    done = in_loop(driven(job_of(server.url, concurrency=3, requests=10, timeout_s=60.0), stop_at_chunks=3))
    assert [record.state for record in done.records] == ["cancelled"] * 3
    assert all(list(array("b", record.kinds)) == [TEXT] for record in done.records)
    assert done.observed.interrupted


def test_a_server_that_is_gone_is_not_hammered(free_port: int) -> None:
    done = asyncio.run(driven(job_of(f"http://127.0.0.1:{free_port}/v1", concurrency=1, duration_s=0.5)))
    assert 2 <= len(done.records) <= 6
    assert {record.error_kind for record in done.records} == {"connect"}


def test_more_users_than_requests(scripted: Scripted) -> None:
    done = asyncio.run(driven(job_of(scripted(GOOD).url, concurrency=8, requests=3)))
    assert [record.user for record in done.records] == [0, 1, 2]


def test_requests_leave_at_their_planned_instants(scripted: Scripted, in_loop: InLoop) -> None:
    url, offsets_s = scripted(SLOW).url, [0.0, 0.05, 0.05, 0.1, 0.3]
    plan = planned(spec_of(url, rate=1.0), instants(None), offsets_s)
    done = in_loop(driven(job_of(url, plan, rate=1.0)))
    assert [round((record.planned_ns - done.start_ns) / 1e9, 6) for record in done.records] == offsets_s
    for record in done.records:  # whatever those before it were doing
        first_ns = record.connect_start_ns or record.sent_ns
        assert 0 <= first_ns - record.planned_ns < 200_000_000
    assert [record.state for record in done.records] == ["ok"] * 5


def test_an_in_flight_limit_holds_requests_back_and_their_instants_stay(scripted: Scripted) -> None:
    server = scripted(SLOW)
    plan = planned(spec_of(server.url, rate=1.0), instants(1), [0.0, 0.01, 0.02])
    done = asyncio.run(driven(job_of(server.url, plan, rate=1.0, max_concurrency=1)))
    assert [round((record.planned_ns - done.start_ns) / 1e9, 6) for record in done.records] == [0.0, 0.01, 0.02]
    waits_s = [(record.sent_ns - record.planned_ns) / 1e9 for record in done.records]
    assert waits_s[0] < 0.2
    assert waits_s[1] > 0.25
    assert waits_s[2] > 0.5  # first come, first served
    assert server.accepted == 1
    assert max(snapshot.waiting for snapshot in done.snapshots) >= 1


def test_a_throttled_request_gives_its_slot_up_until_it_comes_again(scripted: Scripted) -> None:
    server = scripted([response(b'{"message":"slow down"}', "429 Too Many Requests")], SLOW)
    plan = planned(spec_of(server.url, rate=1.0), instants(1), [0.0, 0.01, 0.02])
    job = job_of(server.url, plan, rate=1.0, max_concurrency=1, retry_throttled=2)
    first, second, third, again = asyncio.run(driven(job)).records
    assert [record.state for record in (first, second, third, again)] == ["failed", "ok", "ok", "ok"]
    assert (again.attempt, again.request) == (1, first.request + ATTEMPT_STRIDE)
    assert second.sent_ns < third.sent_ns < again.sent_ns
    assert (second.sent_ns - first.sent_ns) / 1e9 < 0.5  # it did not wait for the other's second attempt
    assert 1.0 <= (again.sent_ns - first.sent_ns) / 1e9 < 2.0
    assert again.planned_ns is None


def test_stopping_an_open_loop_sends_nothing_more(scripted: Scripted) -> None:
    url = scripted(HELD).url
    plan = planned(spec_of(url, rate=1.0), instants(2), [0.0, 0.0, 0.0, 60.0])
    began_s = time.monotonic()
    done = asyncio.run(driven(job_of(url, plan, rate=1.0, max_concurrency=2, timeout_s=60.0), stop_at_chunks=2))
    assert time.monotonic() - began_s < 5
    assert [record.state for record in done.records] == ["cancelled", "cancelled"]
