"""What CloudWatch knows of an imported model: ModelCopy and the runtime's metrics, minute by minute.

In: a model, a span of time. Out: a :class:`Readings`, which stands in a run directory as it is. The dimensions that a
metric has are asked for first (ListMetrics), because for ModelCopy they are documented nowhere. Datapoints come late:
they are waited for, no longer than a bound.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from llmdyno.aws.clients import Aws, plainly

NAMESPACE, COPIES, PERIOD_S = "AWS/Bedrock", "ModelCopy", 60
STATISTICS = {
    COPIES: ("Minimum", "Maximum", "Average"),
    "Invocations": ("Sum",),
    "InvocationThrottles": ("Sum",),
    "InvocationLatency": ("Average", "Maximum"),
    "TimeToFirstToken": ("Average", "Maximum"),
    "InputTokenCount": ("Sum",),
    "OutputTokenCount": ("Sum",),
}
"""What is read of which metric. A gauge is never summed; percentiles are ours to compute."""
LATE_S = 180.0
"""How long after its minute a datapoint may still come; minutes are what is usual."""
POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Readings:
    """Datapoints: for each metric and statistic a list of [minute (unix s), value], ascending.

    `from_s`, `to_s`: the minutes that were asked for, unix seconds; `dimensions` of each metric that there is; `notes`
    say what is missing and why.
    """

    from_s: int
    to_s: int
    dimensions: dict[str, dict[str, str]] = field(default_factory=dict)
    series: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def points(self, metric: str, statistic: str) -> list[list[float]]:
        """One statistic of one metric; empty where there is none."""
        return self.series.get(metric, {}).get(statistic, [])

    @property
    def covered(self) -> bool:
        """Whether ModelCopy reaches to the last minute."""
        found = self.points(COPIES, "Maximum")
        return bool(found) and found[-1][0] >= self.to_s - PERIOD_S

    def as_json(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {"period_s": PERIOD_S, **asdict(self)}


def from_json(value: dict[str, Any]) -> Readings:
    """Readings as they stood in a file.

    Raises:
        KeyError, TypeError: the file holds something else.
    """
    return Readings(**{name: value[name] for name in ("from_s", "to_s", "dimensions", "series", "notes")})


def read(aws: Aws, model: str, from_unix_s: float, to_unix_s: float) -> Readings:
    """Read the minutes of a span once.

    Args:
        aws: the clients.
        model: its ARN.
        from_unix_s, to_unix_s: the span; whole minutes around it are read.

    Raises:
        InputError: CloudWatch refuses, with the permission that is missing.
    """
    start, end = (math.floor(from_unix_s / PERIOD_S) * PERIOD_S, math.ceil(to_unix_s / PERIOD_S) * PERIOD_S)
    client = aws.client("cloudwatch")
    with plainly("CloudWatch"):
        found = _discover(client, model)
        readings = Readings(start, end, found)
        queries = [
            {
                "Id": f"m{place}",
                "ReturnData": True,
                "MetricStat": {
                    "Metric": {
                        "Namespace": NAMESPACE,
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in found[metric].items()],
                    },
                    "Period": PERIOD_S,
                    "Stat": statistic,
                },
            }
            for place, (metric, statistic) in enumerate(_wanted(found))
        ]
        if queries:
            names = list(_wanted(found))
            span = {"StartTime": datetime.fromtimestamp(start, UTC), "EndTime": datetime.fromtimestamp(end, UTC)}
            pages = client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries, ScanBy="TimestampAscending", **span
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    metric, statistic = names[int(result["Id"][1:])]
                    series = readings.series.setdefault(metric, {}).setdefault(statistic, [])
                    moments = (int(moment.timestamp()) for moment in result["Timestamps"])
                    series += [list(pair) for pair in zip(moments, result["Values"], strict=True)]
                    if result.get("StatusCode", "Complete") not in ("Complete", "PartialData"):
                        readings.notes.append(f"{metric}: CloudWatch answered {result['StatusCode']}")
    if COPIES not in found:
        readings.notes.append(f"CloudWatch has no {COPIES} of this model yet")
    elif not readings.points(COPIES, "Maximum"):
        readings.notes.append(f"CloudWatch has no datapoint of {COPIES} in this span yet")
    return readings


def wait_for(
    attempt: Callable[[], Readings],
    until_unix_s: float,
    *,
    on_wait: Callable[[float], None] = lambda left_s: None,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    poll_s: float = POLL_S,
) -> Readings:
    """Read until the last minute is there, or until a moment (unix s) has come; `on_wait` hears once how long that
    is."""
    said = False
    while True:
        readings = attempt()
        left_s = until_unix_s - now()
        if readings.covered or left_s <= 0:
            if not readings.covered and readings.points(COPIES, "Maximum"):
                readings.notes.append(f"the last minutes of {COPIES} have not come; --refresh reads again")
            return readings
        if not said:
            on_wait(left_s)
            said = True
        sleep(min(poll_s, left_s))


def _wanted(found: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Metrics that there are, with their statistics."""
    return ((metric, statistic) for metric in STATISTICS if metric in found for statistic in STATISTICS[metric])


def _discover(client: Any, model: str) -> dict[str, dict[str, str]]:
    """The dimensions under which each metric of a model is known: those of which one names the model, by ARN or id, and
    of several the fewest."""
    names = {model, model.rpartition("/")[2]}
    found: dict[str, dict[str, str]] = {}
    for page in client.get_paginator("list_metrics").paginate(Namespace=NAMESPACE):
        for metric in page["Metrics"]:
            name = metric["MetricName"]
            dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
            if name not in STATISTICS or not names & set(dimensions.values()):
                continue
            if name not in found or len(dimensions) < len(found[name]):
                found[name] = dimensions
    return found
