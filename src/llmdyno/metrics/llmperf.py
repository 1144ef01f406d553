"""LLMPerf's definitions, which differ from ours, for the files that its users read.

It takes the measured timeline and its figures. It gives an entry for each request. inter_token_latency_s is end-to-end
latency ÷ chunks, TTFT included; throughput is output tokens ÷ end-to-end latency. LLMPerf loses some failed requests;
here each has an entry with its code, and its latencies are None rather than 0. It does not know the files' format.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmdyno.metrics.request import RequestMetrics
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import CANCELLED

NO_CODE = -1
"""The error code of a failure without an HTTP status, as LLMPerf writes it."""


def individual_responses(measured: Timeline, figures: RequestMetrics) -> list[dict[str, Any]]:
    """An entry for each request that was not cancelled, with the keys in LLMPerf's order.

    Args:
        measured: the measured requests.
        figures: of the same requests.
    """
    entries = []
    for index in np.flatnonzero(measured.requests["state"] != CANCELLED):
        ok = bool(figures.succeeded[index])
        code = int(measured.requests["error_code"][index])
        e2e = float(figures.end_to_end_latency_s[index])
        chunks = int(figures.text_chunks[index])
        output_tokens, input_tokens = int(figures.output_tokens[index]), int(figures.input_tokens[index])
        ttft = float(figures.ttft_s[index])
        entries.append(
            {
                "error_code": None if ok else (NO_CODE if code == MISSING else code),
                "error_msg": "" if ok else str(measured.requests["error_message"][index]),
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
