"""The runtime's metrics for CloudWatch, minute by minute. PURE.

In: calls as they end, and the copies. Out: metric data under the names and the dimension of the namespace AWS/Bedrock.
Throttled calls count neither as Invocations nor as errors, as documented.
"""

from __future__ import annotations

from typing import Any

from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.copies import Copies

_UNITS = {"InvocationLatency": "Milliseconds", "TimeToFirstToken": "Milliseconds"}


class Counts:
    """Count, sum, minimum and maximum of each metric since :meth:`data` was last called."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, float]] = {}

    def served(self, arn: str, latency_ms: float, first_ms: float, input_tokens: int, output_tokens: int) -> None:
        """Count a call that was answered."""
        self._add(arn, "Invocations", 1)
        self._add(arn, "InvocationLatency", latency_ms)
        self._add(arn, "TimeToFirstToken", first_ms)
        self._add(arn, "InputTokenCount", input_tokens)
        self._add(arn, "OutputTokenCount", output_tokens)

    def refused(self, arn: str, error: ServiceError) -> None:
        """Count a call that was refused."""
        if error.name == "ThrottlingException":
            name = "InvocationThrottles"
        else:
            name = "InvocationServerErrors" if error.status >= 500 else "InvocationClientErrors"
        self._add(arn, name, 1)

    def data(self, copies: dict[str, Copies], from_ns: int, to_ns: int) -> list[dict[str, Any]]:
        """Metric data of the minute between two times (ns); the counts start again."""
        for arn, each in copies.items():
            for count in each.counts(from_ns, to_ns):
                self._add(arn, "ModelCopy", count)
        values, self._values = self._values, {}
        return [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "ModelId", "Value": arn}],
                "Unit": _UNITS.get(name, "Count"),
                "StatisticValues": found,
            }
            for (arn, name), found in values.items()
        ]

    def _add(self, arn: str, name: str, value: float) -> None:
        found = self._values.setdefault((arn, name), {"SampleCount": 0, "Sum": 0, "Minimum": value, "Maximum": value})
        found["SampleCount"] += 1
        found["Sum"] += value
        found["Minimum"] = min(found["Minimum"], value)
        found["Maximum"] = max(found["Maximum"], value)
