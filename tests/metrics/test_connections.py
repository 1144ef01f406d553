"""Churn of connections: who closed them, and whether it is a reason."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import SECOND, make_record, make_timeline

from llmdyno.metrics.connections import Churn, churn, closes_on_its_own
from llmdyno.metrics.request import request_metrics
from llmdyno.metrics.verdict import closed_by, verdict
from llmdyno.protocols.events import TEXT
from llmdyno.timeline.record import RequestRecord

OPENED = {"connect_start_ns": 0, "connected_ns": 1}
TIMED_OUT = {"state": "failed", "error_kind": "timeout", "http_status": None}


def answered(number: int, **facts: Any) -> RequestRecord:
    return make_record(number, float(number), [(number + 0.1, TEXT, 4), (number + 0.2, TEXT, 4)], **facts)


def churned(records: list[RequestRecord]) -> dict[str, Any] | None:
    timeline = make_timeline(*records)
    found = verdict(timeline, request_metrics(timeline), concurrency=1, exact_tokens=False, cpu=[])
    return next((one for one in found["reasons"] if one["reason"] == "connections_churned"), None)


def test_a_server_that_closes_after_every_answer() -> None:
    records = [answered(number, **OPENED) for number in range(40)]
    found = churn(make_timeline(*records))
    assert found == Churn(39, 0, 0, True)
    assert closed_by(found) == "the server closes each one after its answer"
    assert churned(records) is None  # no figure of a closed loop has connecting in it


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        (17, 11, []),  # closed whether a request came or not
        (0, 11, ["requests_resent"]),  # the request may have been read
        (4, 11, ["requests_resent"]),  # too few to tell
        (5, 11, []),
    ],
)
def test_a_server_that_closes_on_its_own_while_the_next_request_is_written(
    before: int, after: int, reasons: list[str]
) -> None:
    records = [answered(number, **OPENED) for number in range(40)]
    for record in records[:before]:
        record.reconnects = 1
    for record in records[before : before + after]:
        record.reconnects, record.resends = 1, 1
    timeline = make_timeline(*records)
    found = verdict(timeline, request_metrics(timeline), concurrency=1, exact_tokens=False, cpu=[])
    assert [one["reason"] for one in found["reasons"]] == reasons


def test_connections_that_are_used_again_are_not_closed_after_every_answer() -> None:
    records = [answered(number, reconnects=1, **({"reused": True} if number % 10 else OPENED)) for number in range(40)]
    records[7].resends = 1
    assert not closes_on_its_own(make_timeline(*records))


def test_an_open_loop_waits_for_the_connection() -> None:
    records = [answered(number, planned_ns=number * SECOND, **OPENED) for number in range(40)]
    reason = churned(records)
    assert reason is not None
    assert reason["text"].endswith("(bound 10%); the server closes each one after its answer")
    assert "ttft_s" not in reason["touches"]
    assert "ttft_scheduled_s" in reason["touches"]


def test_timeouts_of_this_client() -> None:
    records = [answered(number, reused=True) for number in range(20)]
    records += [make_record(20 + n, 20.0 + n, [], **TIMED_OUT, **OPENED) for n in range(20)]
    found = churn(make_timeline(*records))
    assert found == Churn(19, 20, 0, False)
    assert closed_by(found) == "this client closed 20 of them, whose requests timed out or were stopped"
    assert churned(records) is None


def test_churn_that_nothing_explains() -> None:
    records = [answered(number, **(OPENED if number % 2 else {"reused": True})) for number in range(40)]
    assert churn(make_timeline(*records)) == Churn(19, 0, 0, False)
    reason = churned(records)
    assert reason is not None
    assert reason["value"] == pytest.approx(19 / 40)
    assert reason["text"].endswith("the server or a proxy closes them")


def test_failures_end_connections_too() -> None:
    broken = {"state": "failed", "error_kind": "http_status", "http_status": 500}
    records = [answered(number, reused=True) for number in range(20)]
    records += [answered(20 + n, **broken, **OPENED) for n in range(10)]
    found = churn(make_timeline(*records))
    assert found == Churn(9, 0, 10, False)
    assert closed_by(found) == "10 ended with a failed request"
