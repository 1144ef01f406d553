"""What a run's load delivered by the hour, in one window.

In: a run, its copies, its clock. Out: a :class:`~llmdyno.services.bedrock_import.cost.Delivered`. All of its figures
are of one window, so that they agree with each other: output tokens that arrived in the window give the requests, and
the run's own tokens a request give the rest.
"""

from __future__ import annotations

from llmdyno.metrics.windows import steady_window, whole_window
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.cost import Delivered, Stretch
from llmdyno.services.clock import ServiceClock
from llmdyno.services.copies import Copies
from llmdyno.services.moments import HOUR_S


def delivered_of(run: Run, copies: Copies, clock: ServiceClock) -> Delivered | None:
    """What the load delivered in its steady window, or in the whole run if it has none; None: nothing."""
    steady = steady_window(run.measured)
    window = steady or whole_window(run.measured)
    if window is None or run.succeeded == 0:
        return None
    throughput, tokens = run.summary["throughput"], run.summary["tokens"]
    part = throughput["steady"] if throughput["steady"] is not None else throughput["whole_run"]
    hour = HOUR_S / clock.speed
    input_tokens = tokens["total_input_tokens"] / run.succeeded
    output_tokens = tokens.get("output_tokens", {}).get("mean") or 0.0
    # The requests that ended in a short window are a poor count: at its end, some are half done. Their tokens are not.
    # Tokens of failed requests are in the total, and count as nothing delivered.
    total = tokens.get("total_output_tokens") or 0
    requests = part["output_token_per_s"] * run.succeeded / total if total else part["request_per_s"]
    from_s, to_s = window.start_s * clock.speed, window.end_s * clock.speed
    fewest, most = copies.mean_span(from_s, to_s)
    return Delivered(
        copies.mean(from_s, to_s),
        requests * hour,
        requests * hour * input_tokens,
        requests * hour * output_tokens if total else part["output_token_per_s"] * hour,
        (fewest, None if copies.at_least else most),
        Stretch(from_s, to_s - from_s, steady is not None),
    )
