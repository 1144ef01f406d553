"""LLMPerf's definitions, for its users' files. They differ from ours, and stay LLMPerf's here.

In: the measured timeline. Out: one value set a request. inter_token_latency_s is end-to-end latency ÷
chunks, TTFT included; throughput is output tokens ÷ end-to-end latency. Where LLMPerf loses a failed
request, it stands here with its code, and its latencies are None rather than 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmdyno.metrics.request import request_metrics
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import CANCELLED

NO_CODE = -1
"""LLMPerf's error code for a failure without an HTTP status."""


def individual_responses(measured: Timeline) -> list[dict[str, Any]]:
    """One entry a request, keys and order as LLMPerf writes them; cancelled requests are left out."""
    figures = request_metrics(measured)
    entries = []
    for place in np.flatnonzero(measured.requests["state"] != CANCELLED):
        ok = bool(figures.succeeded[place])
        code = int(measured.requests["error_code"][place])
        e2e = float(figures.end_to_end_latency_s[place])
        chunks = int(figures.text_chunks[place])
        output_tokens, input_tokens = int(figures.output_tokens[place]), int(figures.input_tokens[place])
        ttft = float(figures.ttft_s[place])
        entries.append(
            {
                "error_code": None if ok else (NO_CODE if code == MISSING else code),
                "error_msg": "" if ok else str(measured.requests["error_message"][place]),
                "inter_token_latency_s": e2e / chunks if ok and chunks else None,
                "ttft_s": None if np.isnan(ttft) else ttft,
                "end_to_end_latency_s": e2e if ok else None,
                "request_output_throughput_token_per_s": output_tokens / e2e if ok and e2e > 0 else None,
                "number_total_tokens": input_tokens + output_tokens,
                "number_output_tokens": output_tokens,
                "number_input_tokens": input_tokens,
            }
        )
    return entries
