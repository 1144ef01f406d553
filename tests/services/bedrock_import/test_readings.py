"""What is asked of AWS about a run, and what is not; what an answer or none leaves behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from tests.services.runs import ARN, COLD_START, FACTS, ONE_USER, ORIGIN_S, Sent, make_run
from tests.support import ScriptedServer, response

from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.services.bedrock_import.cloudwatch import COPIES, Readings
from llmdyno.services.bedrock_import.readings import CLOUDWATCH, Answers, inquire, read_once, span_of, stored_readings
from llmdyno.services.clock import ServiceClock
from llmdyno.services.service import ASK, NO_OVERRIDES, Inquiry, Overrides

JSON = "application/x-amz-json-1.0"
RUN = [*COLD_START, *ONE_USER]
UNKNOWN_UNITS = ModelFacts(ARN, "us-east-1")
Servers = Callable[..., ScriptedServer]


def listed() -> bytes:
    metric = {"Namespace": "AWS/Bedrock", "MetricName": COPIES, "Dimensions": [{"Name": "ModelId", "Value": ARN}]}
    return response(json.dumps({"Metrics": [metric]}).encode(), media_type=JSON)


def data(until_s: int) -> bytes:
    """A datapoint a minute, from the run's origin."""
    minutes = list(range(ORIGIN_S, ORIGIN_S + until_s, 60))
    results = [
        {"Id": f"m{number}", "Timestamps": minutes, "Values": [1.0] * len(minutes), "StatusCode": "Complete"}
        for number in range(3)
    ]
    return response(json.dumps({"MetricDataResults": results}).encode(), media_type=JSON)


def url(server: ScriptedServer) -> str:
    return server.url.removesuffix("/v1")


def keep(path: Path, to_s: int, last_s: int) -> Readings:
    found = Readings(ORIGIN_S, ORIGIN_S + to_s, {}, {COPIES: {"Maximum": [[ORIGIN_S + last_s, 1]]}})
    path.mkdir(exist_ok=True)
    (path / CLOUDWATCH).write_text(json.dumps(found.as_json()), encoding="utf-8")
    return found


def test_cloudwatch_is_read_and_kept(tmp_path: Path, control_plane: Servers) -> None:
    server = control_plane(listed(), data(600))
    run = make_run(tmp_path, RUN, endpoint_url=url(server))
    found = inquire(run, FACTS, NO_OVERRIDES, ASK)
    assert found.readings is not None
    assert (found.readings.from_s, found.readings.to_s) == (ORIGIN_S, ORIGIN_S + 600)  # the run's 500 s and a minute
    assert found.readings.covered
    assert (found.overrides, found.notes) == (NO_OVERRIDES, ())
    assert stored_readings(run) == found.readings
    assert len(server.requests) == 2


def test_a_complete_reading_is_not_read_again(tmp_path: Path, keys: None) -> None:
    kept = keep(tmp_path, 600, 540)
    run = make_run(tmp_path, RUN, endpoint_url="http://127.0.0.1:9")
    assert inquire(run, FACTS, NO_OVERRIDES, ASK) == Answers(kept, NO_OVERRIDES, ())


def test_an_incomplete_one_or_a_refresh_is(tmp_path: Path, control_plane: Servers) -> None:
    keep(tmp_path, 600, 480)
    server = control_plane(listed(), data(600), listed(), data(600))
    run = make_run(tmp_path, RUN, endpoint_url=url(server))
    assert inquire(run, FACTS, NO_OVERRIDES, ASK).readings is not None
    assert len(server.requests) == 2
    assert inquire(run, FACTS, NO_OVERRIDES, Inquiry(refresh=True)).readings is not None
    assert len(server.requests) == 4


def test_who_gives_the_copies_needs_no_cloudwatch(tmp_path: Path, keys: None) -> None:
    keep(tmp_path, 600, 540)
    run = make_run(tmp_path, RUN, endpoint_url="http://127.0.0.1:9")
    better = Overrides(copies=2)
    assert inquire(run, FACTS, better, ASK) == Answers(None, better, ())


def test_units_that_nobody_knows_are_asked_for(tmp_path: Path, control_plane: Servers) -> None:
    server = control_plane()
    run = make_run(tmp_path, RUN, endpoint_url=url(server))
    found = inquire(run, UNKNOWN_UNITS, Overrides(copies=2), ASK)
    assert found == Answers(None, Overrides(2, 8, "v1.0"), ())
    assert inquire(run, UNKNOWN_UNITS, Overrides(copies=2, units_version="v2.0"), ASK).overrides.units_version == "v2.0"


def test_a_version_that_nobody_knows_is_asked_for_unless_the_rate_is_given(
    tmp_path: Path, control_plane: Servers
) -> None:
    """Units of each version have a price of their own."""
    server = control_plane()
    run = make_run(tmp_path, RUN, endpoint_url=url(server))
    versionless = ModelFacts(FACTS.arn, FACTS.region, 4)
    assert inquire(run, versionless, Overrides(copies=2), ASK).overrides == Overrides(2, 8, "v1.0")
    assert inquire(run, versionless, Overrides(copies=2, units=4), ASK).overrides == Overrides(2, 4, "v1.0")
    priced = Overrides(copies=2, dollars_per_cmu_minute=Decimal("0.1"))
    assert inquire(run, versionless, priced, ASK).overrides == priced


def test_a_question_that_is_refused_becomes_a_note(tmp_path: Path, control_plane: Servers) -> None:
    denied = response(b'{"__type": "AccessDeniedException", "message": "no"}', "403 Forbidden", JSON)
    server = control_plane(denied, model=None)
    run = make_run(tmp_path, RUN, endpoint_url=url(server))
    found = inquire(run, UNKNOWN_UNITS, NO_OVERRIDES, ASK)
    assert found.readings is None
    assert found.overrides == NO_OVERRIDES
    assert found.notes == (
        "GetImportedModel was not answered: ResourceNotFoundException: no such model (GetImportedModel); "
        "list the models with: llmdyno models",
        "CloudWatch was not read: AccessDeniedException: no (ListMetrics); allow cloudwatch:ListMetrics",
    )


def test_nobody_is_asked_about_what_has_ended_or_is_unknown(tmp_path: Path, keys: None) -> None:
    embedded = make_run(tmp_path, RUN, speed=100.0, embedded=True)
    note = "the embedded emulator ended with its run: there is no CloudWatch to ask"
    assert inquire(embedded, FACTS, NO_OVERRIDES, ASK) == Answers(None, NO_OVERRIDES, (note,))
    assert inquire(embedded, FACTS, NO_OVERRIDES, Inquiry(ask=False)) == Answers(None, NO_OVERRIDES, ())
    assert inquire(embedded, ModelFacts(), Overrides(copies=1), ASK) == Answers(None, Overrides(copies=1), ())


def test_it_waits_for_the_last_minute_and_says_so_once(tmp_path: Path, control_plane: Servers) -> None:
    said: list[str] = []
    server = control_plane(listed(), data(480), listed(), data(540), listed(), data(600))
    run = make_run(tmp_path, RUN, speed=1000.0, endpoint_url=url(server))
    found = inquire(run, FACTS, NO_OVERRIDES, Inquiry(say=said.append)).readings
    assert found is not None
    assert (found.covered, found.notes) == (True, [])
    assert len(said) == 1
    assert re.fullmatch(r"waiting for CloudWatch's last datapoints, \d+ s at most", said[0])


def test_it_waits_no_longer_than_it_may(tmp_path: Path, control_plane: Servers) -> None:
    said: list[str] = []
    run = make_run(tmp_path, RUN, endpoint_url=url(control_plane(listed(), data(540))))
    found = inquire(run, FACTS, NO_OVERRIDES, Inquiry(say=said.append, wait_s=-(10.0**9))).readings
    assert found is not None
    assert found.notes == ["the last minutes of ModelCopy have not come; --refresh reads again"]
    assert said == []


def test_right_after_a_run_it_is_read_once(tmp_path: Path, control_plane: Servers) -> None:
    server = control_plane(listed(), data(600))
    run = make_run(tmp_path, RUN, endpoint_url=url(server))
    read_once(run, FACTS)
    assert len(server.requests) == 2
    denied = response(b'{"__type": "AccessDeniedException", "message": "no"}', "403 Forbidden", JSON)
    other = make_run(tmp_path, RUN, endpoint_url=url(control_plane(denied)))
    read_once(other, FACTS)
    kept = stored_readings(other)
    assert kept is not None
    assert kept.notes == ["CloudWatch was not read: AccessDeniedException: no (ListMetrics)"]


def test_why_cloudwatch_was_not_read_is_said_once(tmp_path: Path, control_plane: Servers) -> None:
    """The reading right after the run failed, and so does the next one: its reason is the one that holds."""
    denied = response(b'{"__type": "AccessDeniedException", "message": "no"}', "403 Forbidden", JSON)
    run = make_run(tmp_path, RUN, endpoint_url=url(control_plane(denied)))
    read_once(run, FACTS)
    found = inquire(run, FACTS, NO_OVERRIDES, ASK)
    assert found.readings is None
    assert len(found.notes) == 1
    assert found.notes[0].endswith("AccessDeniedException: no (ListMetrics); allow cloudwatch:ListMetrics")


def test_readings_outlive_a_later_failure(tmp_path: Path, control_plane: Servers) -> None:
    denied = response(b'{"__type": "AccessDeniedException", "message": "no"}', "403 Forbidden", JSON)
    run = make_run(tmp_path, RUN, endpoint_url=url(control_plane(denied)))
    kept = keep(run.path, 600, 0)
    found = inquire(run, FACTS, NO_OVERRIDES, ASK)
    assert (found.readings, len(found.notes)) == (kept, 1)


def test_a_file_that_holds_something_else_is_no_reading(tmp_path: Path) -> None:
    run = make_run(tmp_path, RUN)
    for text in ("{}", "[]", "nonsense", '{"from_s": 1}'):
        (tmp_path / CLOUDWATCH).write_text(text, encoding="utf-8")
        assert stored_readings(run) is None


def test_the_span_of_a_run_at_real_speed(tmp_path: Path) -> None:
    run = make_run(tmp_path, RUN, speed=10.0)
    assert span_of(run, ServiceClock.of(run)) == (ORIGIN_S, ORIGIN_S + 560.0)
    empty: list[Sent] = []
    with pytest.raises(InputError, match="this run sent nothing"):
        span_of(make_run(tmp_path, empty), ServiceClock.of(run))
