"""What CloudWatch is told of the runtime, minute by minute. PURE.

In: calls as they end, and the copies. Out: metric data under the names and the dimension of AWS/Bedrock's
runtime metrics; throttled calls are in neither Invocations nor the errors, as documented.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.copies import Copies

_UNITS = {"InvocationLatency": "Milliseconds", "TimeToFirstToken": "Milliseconds"}


class Counts:
    """Counts since the last time they were taken."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def served(self, arn: str, latency_ms: float, first_ms: float, input_tokens: int, output_tokens: int) -> None:
        """A call was answered."""
        figures = {
            "Invocations": 1,
            "InvocationLatency": latency_ms,
            "TimeToFirstToken": first_ms,
            "InputTokenCount": input_tokens,
            "OutputTokenCount": output_tokens,
        }
        for name, value in figures.items():
            self._values[arn, name].append(value)

    def refused(self, arn: str, error: ServiceError) -> None:
        """A call was refused before its stream."""
        if error.name == "ThrottlingException":
            name = "InvocationThrottles"
        else:
            name = "InvocationServerErrors" if error.status >= 500 else "InvocationClientErrors"
        self._values[arn, name].append(1)

    def data(self, copies: dict[str, Copies], now_ns: int) -> list[dict[str, Any]]:
        """Metric data for CloudWatch, and the counts start again."""
        values = {key: found for key, found in self._values.items() if found}
        self._values.clear()
        for arn, each in copies.items():
            each.advance(now_ns)
            values[arn, "ModelCopy"] = [len(each.ready(now_ns))]
        return [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "ModelId", "Value": arn}],
                "Unit": _UNITS.get(name, "Count"),
                "StatisticValues": {
                    "SampleCount": len(found),
                    "Sum": sum(found),
                    "Minimum": min(found),
                    "Maximum": max(found),
                },
            }
            for (arn, name), found in values.items()
        ]
