"""CloudWatch through boto3: dimensions discovered, late datapoints waited for, refusals in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from tests.support import ScriptedServer, response

from llmdyno.aws.clients import Aws
from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.cloudwatch import COPIES, Readings, from_json, read, wait_for

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"
JSON = "application/x-amz-json-1.0"
Servers = Callable[..., ScriptedServer]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws(keys: None, scripted: Servers) -> Iterator[Callable[..., Aws]]:
    made: list[Aws] = []

    def make(*answers: bytes) -> Aws:
        server = scripted(*([answer] for answer in answers))
        made.append(Aws("us-east-1", None, server.url.removesuffix("/v1"), attempts=1))
        made[-1].server = server  # type: ignore[attr-defined]
        return made[-1]

    yield make
    for one in made:
        one.close()


def listed(*metrics: tuple[str, dict[str, str]]) -> bytes:
    found = [
        {
            "Namespace": "AWS/Bedrock",
            "MetricName": name,
            "Dimensions": [{"Name": k, "Value": v} for k, v in what.items()],
        }
        for name, what in metrics
    ]
    return response(json.dumps({"Metrics": found}).encode(), media_type=JSON)


def data(*results: tuple[str, list[float], list[float]]) -> bytes:
    found = [{"Id": one, "Timestamps": when, "Values": what, "StatusCode": "Complete"} for one, when, what in results]
    return response(json.dumps({"MetricDataResults": found}).encode(), media_type=JSON)


def asked(client: Aws) -> list[dict[str, object]]:
    server: ScriptedServer = client.server  # type: ignore[attr-defined]
    return [json.loads(one.partition(b"\r\n\r\n")[2]) for one in server.requests]


def test_dimensions_are_found_and_minutes_asked_for(aws: Callable[..., Aws]) -> None:
    client = aws(
        listed(
            (COPIES, {"ModelId": "a1b2c3d4e5f6", "Account": "1"}),
            (COPIES, {"ModelId": "a1b2c3d4e5f6"}),
            ("Invocations", {"ModelId": ARN}),
            ("Invocations", {"ModelId": "another"}),
            ("Unknown", {"ModelId": ARN}),
        ),
        data(("m0", [600, 660], [0, 1]), ("m1", [600, 660], [1, 2]), ("m2", [600], [0.5]), ("m3", [660], [12])),
    )
    found = read(client, ARN, 605.5, 700.0)
    assert (found.from_s, found.to_s) == (600, 720)
    assert found.dimensions == {COPIES: {"ModelId": "a1b2c3d4e5f6"}, "Invocations": {"ModelId": ARN}}
    assert found.points(COPIES, "Maximum") == [[600, 1], [660, 2]]
    assert found.points("Invocations", "Sum") == [[660, 12]]
    assert found.covered
    assert from_json(json.loads(json.dumps(found.as_json()))) == found
    queries = asked(client)[1]["MetricDataQueries"]
    statistics = [one["MetricStat"]["Stat"] for one in queries]  # type: ignore[attr-defined]
    assert statistics == ["Minimum", "Maximum", "Average", "Sum"]
    assert {one["MetricStat"]["Period"] for one in queries} == {60}  # type: ignore[attr-defined]


def test_no_metric_and_no_datapoint_are_said(aws: Callable[..., Aws]) -> None:
    none = read(aws(listed()), ARN, 0, 60)
    assert none.notes == ["CloudWatch has no ModelCopy of this model yet"]
    assert not none.covered
    empty = read(aws(listed((COPIES, {"ModelId": ARN})), data(("m1", [], []))), ARN, 0, 60)
    assert "no datapoint" in empty.notes[0]


def test_a_missing_permission_is_named(aws: Callable[..., Aws]) -> None:
    denied = json.dumps({"__type": "AccessDeniedException", "message": "User: x is not authorized"}).encode()
    refusal = response(denied, "403 Forbidden", JSON)
    with pytest.raises(InputError) as caught:
        read(aws(refusal), ARN, 0, 60)
    assert str(caught.value).endswith("allow cloudwatch:ListMetrics")
    with pytest.raises(InputError) as caught:
        read(aws(listed((COPIES, {"ModelId": ARN})), refusal), ARN, 0, 60)
    assert str(caught.value).endswith("allow cloudwatch:GetMetricData")


def test_late_datapoints_are_waited_for_and_no_longer_than_said() -> None:
    clock, slept, said = [1000.0], list[float](), list[float]()
    late = Readings(900, 1020, series={COPIES: {"Maximum": [[900, 1]]}})
    whole = Readings(900, 1020, series={COPIES: {"Maximum": [[900, 1], [960, 1]]}})

    def sleep(length_s: float) -> None:
        slept.append(length_s)
        clock[0] += length_s

    answers = iter([late, late, whole])
    options = {"on_wait": said.append, "now": lambda: clock[0], "sleep": sleep, "poll_s": 5.0}
    assert wait_for(lambda: next(answers), 1100.0, **options) is whole  # type: ignore[arg-type]
    assert (slept, said) == ([5.0, 5.0], [100.0])
    slept.clear()
    found = wait_for(lambda: late, 1022.0, **options)  # type: ignore[arg-type]
    assert slept == [5.0, 5.0, 2.0]
    assert "have not come" in found.notes[-1]
