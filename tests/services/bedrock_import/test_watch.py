"""Watching copies during a run: which readings are news, and the process beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from tests.services.runs import ARN
from tests.support import ScriptedServer, response

from llmdyno.services.bedrock_import.cloudwatch import COPIES
from llmdyno.services.bedrock_import.watch import CopiesWatch, new_points

JSON = "application/x-amz-json-1.0"


def test_only_a_new_datapoint_is_news() -> None:
    readings = [[], [[0.0, 1.0]], [[0.0, 1.0]], [], [[0.0, 1.0], [60.0, 1.0]], [[0.0, 1.0], [60.0, 2.0]]]
    assert list(new_points(iter(readings))) == [[0.0, 1.0], [60.0, 1.0], [60.0, 2.0]]


def test_a_process_beside_the_run_tells_the_copies(control_plane: Callable[..., ScriptedServer]) -> None:
    metric = {"Namespace": "AWS/Bedrock", "MetricName": COPIES, "Dimensions": [{"Name": "ModelId", "Value": ARN}]}
    results = [
        {"Id": f"m{number}", "Timestamps": [600, 660], "Values": [1, 2], "StatusCode": "Complete"}
        for number in range(3)
    ]
    server = control_plane(
        response(json.dumps({"Metrics": [metric]}).encode(), media_type=JSON),
        response(json.dumps({"MetricDataResults": results}).encode(), media_type=JSON),
    )
    heard, come = list[int](), threading.Event()

    def on_copies(count: int) -> None:
        heard.append(count)
        come.set()

    with CopiesWatch(ARN, "us-east-1", None, server.url.removesuffix("/v1"), on_copies):
        assert come.wait(30.0)
    assert heard == [2]
