"""What CloudWatch knows of an imported model: ModelCopy and the runtime's metrics, minute by minute.

In: clients, a model, a span of time. Out: :class:`Readings`, which a run directory holds as they are. ListMetrics is
asked first for the dimensions of each metric, because AWS does not document those of ModelCopy. Datapoints come late,
so the caller can wait for them up to a bound. It knows nothing of a run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from llmdyno.aws.clients import Aws, aws_errors

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
"""Which statistics are read of each metric. The sum of a gauge means nothing, and we compute percentiles ourselves."""
POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Readings:
    """Datapoints: for each metric and statistic a list of [minute (unix s), value], ascending.

    `from_s`, `to_s`: the span that was asked for, unix seconds, whole minutes. `dimensions` of each metric that exists.
    `notes` say what is missing and why.
    """

    from_s: int
    to_s: int
    dimensions: dict[str, dict[str, str]] = field(default_factory=dict)
    series: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def points(self, metric: str, statistic: str) -> list[list[float]]:
        """One statistic of one metric; empty: CloudWatch has no data for it."""
        return self.series.get(metric, {}).get(statistic, [])

    @property
    def covered(self) -> bool:
        """Whether ModelCopy reaches to the last minute of the span."""
        found = self.points(COPIES, "Maximum")
        return bool(found) and found[-1][0] >= self.to_s - PERIOD_S

    def as_json(self) -> dict[str, Any]:
        """The readings as a file holds them."""
        return {"period_s": PERIOD_S, **asdict(self)}


def from_json(value: dict[str, Any]) -> Readings:
    """Readings from a file's JSON.

    Raises:
        KeyError, ValueError: the file holds something else.
    """
    facts = {name: value[name] for name in ("from_s", "to_s", "dimensions", "series", "notes")}
    msgspec.convert(facts, Readings)
    if any(len(point) != 2 for metric in facts["series"].values() for points in metric.values() for point in points):
        raise ValueError("a datapoint is a minute and a value")
    return Readings(**facts)


def read(aws: Aws, model: str, from_unix_s: float, to_unix_s: float) -> Readings:
    """Read the minutes of a span once.

    Args:
        aws: the clients.
        model: the model's ARN.
        from_unix_s, to_unix_s: the span, unix seconds. It is widened to whole minutes.

    Raises:
        InputError: CloudWatch refuses; the error names the permission that is missing.
    """
    start, end = (math.floor(from_unix_s / PERIOD_S) * PERIOD_S, math.ceil(to_unix_s / PERIOD_S) * PERIOD_S)
    client = aws.client("cloudwatch")
    with aws_errors("CloudWatch", aws):
        readings = Readings(start, end, _discover(client, model))
        if readings.dimensions:
            _read_points(client, readings)
    if COPIES not in readings.dimensions:
        readings.notes.append(f"CloudWatch has no {COPIES} of this model yet")
    elif not readings.points(COPIES, "Maximum"):
        readings.notes.append(f"CloudWatch has no datapoint of {COPIES} in this span yet")
    return readings


def _read_points(client: Any, readings: Readings) -> None:
    """Fill the series of all metrics that exist."""
    names = list(_wanted(readings.dimensions))
    queries = [_query(number, readings.dimensions[metric], metric, stat) for number, (metric, stat) in enumerate(names)]
    span = {name: datetime.fromtimestamp(unix_s, UTC) for name, unix_s in _span(readings)}
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, ScanBy="TimestampAscending", **span
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            metric, statistic = names[int(result["Id"][1:])]
            series = readings.series.setdefault(metric, {}).setdefault(statistic, [])
            minutes = (int(minute.timestamp()) for minute in result["Timestamps"])
            series += [list(pair) for pair in zip(minutes, result["Values"], strict=True)]
            if result.get("StatusCode", "Complete") not in ("Complete", "PartialData"):
                readings.notes.append(f"{metric}: CloudWatch answered {result['StatusCode']}")


def _span(readings: Readings) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("StartTime", readings.from_s), ("EndTime", readings.to_s)


def _query(number: int, dimensions: dict[str, str], metric: str, statistic: str) -> dict[str, Any]:
    return {
        "Id": f"m{number}",
        "ReturnData": True,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": PERIOD_S,
            "Stat": statistic,
        },
    }


def wait_for(
    attempt: Callable[[], Readings],
    until_unix_s: float,
    *,
    on_wait: Callable[[float], None] = lambda left_s: None,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    poll_s: float = POLL_S,
) -> Readings:
    """Read until the last minute has a datapoint, or until a time has come.

    Args:
        attempt: reads once.
        until_unix_s: when to stop waiting, unix seconds.
        on_wait: hears once for how many seconds at most it waits.
        now, sleep: the clock.
        poll_s: seconds between two attempts.
    """
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


def _wanted(dimensions: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    """The metrics that exist, with the statistics to read of each."""
    return ((metric, statistic) for metric in STATISTICS if metric in dimensions for statistic in STATISTICS[metric])


def _discover(client: Any, model: str) -> dict[str, dict[str, str]]:
    """The dimensions of each metric of a model: the smallest set in which one dimension names the model, by ARN or
    id."""
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
