"""LLMPerf's two files, key for key, so that its users' notebooks and scripts read our runs.

In: a run. Out: (file name, bytes) twice. Key names, order and number formats follow files that LLMPerf
itself wrote: whole-number extremes are texts there, and stay texts here.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from llmdyno.metrics.llmperf import individual_responses
from llmdyno.results.run import Run

VERSION = "2023-08-31"
"""The version that LLMPerf writes into its summaries."""

SERIES = (
    "inter_token_latency_s",
    "ttft_s",
    "end_to_end_latency_s",
    "request_output_throughput_token_per_s",
    "number_input_tokens",
    "number_output_tokens",
)
_QUANTILES = (25, 50, 75, 90, 95, 99)
_WHOLE = ("number_input_tokens", "number_output_tokens")


def llmperf_files(run: Run, metadata: Mapping[str, Any] | None = None) -> list[tuple[str, bytes]]:
    """The summary and the individual responses, with the names that LLMPerf gives them."""
    spec = run.spec
    entries = individual_responses(run.measured)
    base = _slug(f"{run.model}_{spec.input_tokens.mean:.0f}_{spec.output_tokens.mean:.0f}")
    summary: dict[str, Any] = {
        "version": VERSION,
        "name": f"{base}_summary",
        "model": run.model,
        "mean_input_tokens": _whole(spec.input_tokens.mean),
        "stddev_input_tokens": _whole(spec.input_tokens.stddev),
        "mean_output_tokens": _whole(spec.output_tokens.mean),
        "stddev_output_tokens": _whole(spec.output_tokens.stddev),
        "num_concurrent_requests": spec.concurrency,
        **{f"results_{name}": value for name, value in results(run, entries).items()},
        **_emulated(run),
        **(metadata or {}),
        "timestamp": int(run.environment["clock"]["origin_unix_ns"] / 1e9),
    }
    return [
        (f"{base}_summary.json", _json(summary)),
        (f"{base}_individual_responses.json", _json(entries)),
    ]


def results(run: Run, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The flat results of LLMPerf's summary, without their prefix."""
    good = [entry for entry in entries if entry["error_code"] is None]
    flat: dict[str, Any] = {}
    for name in SERIES:
        values = np.array([entry[name] for entry in good if entry[name] is not None], np.float64)
        for quantile in _QUANTILES:
            flat[f"{name}_quantiles_p{quantile}"] = float(np.percentile(values, quantile)) if len(values) else None
        flat[f"{name}_mean"] = float(values.mean()) if len(values) else None
        for extreme in ("min", "max"):
            value = float(getattr(values, extreme)()) if len(values) else None
            flat[f"{name}_{extreme}"] = str(int(value)) if name in _WHOLE and value is not None else value
        flat[f"{name}_stddev"] = float(values.std(ddof=1)) if len(values) > 1 else None
    codes = Counter(entry["error_code"] for entry in entries if entry["error_code"] is not None)
    whole = run.summary["throughput"]["whole_run"]
    length_s = whole["length_s"] if whole else math.nan
    output_tokens = sum(entry["number_output_tokens"] for entry in good)
    flat["num_requests_started"] = len(entries)
    flat["error_rate"] = codes.total() / len(entries) if entries else 0.0
    flat["number_errors"] = codes.total()
    flat["error_code_frequency"] = str(dict(codes.most_common()))
    flat["mean_output_throughput_token_per_s"] = output_tokens / length_s if whole else None
    flat["num_completed_requests"] = len(good)
    flat["num_completed_requests_per_min"] = len(good) / length_s * 60 if whole else None
    return flat


def _emulated(run: Run) -> dict[str, str]:
    """A key more than LLMPerf's for a run that was emulated, so that nobody takes its figures for a deployment's."""
    emulated = run.environment.get("endpoint", {}).get("emulated")
    return {"emulated": f"{emulated['profile']} at {emulated['speed']:g}x real speed"} if emulated else {}


def _slug(name: str) -> str:
    """LLMPerf's file name: every run of other characters becomes one hyphen."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w\d-]+", "-", name, flags=re.ASCII))


def _whole(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=4).encode()
