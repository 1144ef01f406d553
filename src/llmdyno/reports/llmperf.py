"""LLMPerf's two files, key for key, so that its users' notebooks and scripts read our runs.

Takes a run. Gives (file name, bytes) of the summary and of the individual responses, and LLMPerf's console output. Key
names, order and number formats follow files that LLMPerf itself wrote. The minimum and maximum of whole numbers are
texts there, and so they are here.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from llmdyno.metrics.correctness import number_matches
from llmdyno.metrics.llmperf import individual_responses
from llmdyno.runs.run import Run
from llmdyno.timeline.record import CANCELLED
from llmdyno.workload.sources.questions import Question

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


def run_files(run: Run) -> Iterator[tuple[str, bytes]]:
    """The two files as a run directory holds them, in its folder ``llmperf``."""
    for name, content in llmperf_files(run):
        yield f"llmperf/{name}", content


EXPORT = run_files


def llmperf_files(run: Run, metadata: Mapping[str, Any] | None = None) -> list[tuple[str, bytes]]:
    """The summary and the individual responses, under LLMPerf's file names; `metadata` are the user's own entries."""
    spec = run.spec
    entries = _entries(run)
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
        "timestamp": _timestamp(run),
    }
    return [
        (f"{base}_summary.json", _json(summary)),
        (f"{base}_individual_responses.json", _json(entries)),
    ]


def console_block(run: Run) -> str:
    """LLMPerf's output at the end of a run; the figures are those of its summary file."""
    flat = results(run, _entries(run))
    lines = [f"EMULATED: {_emulated(run)['emulated']}"] if _emulated(run) else []
    for name in SERIES:
        lines.append(name)
        lines += [f"    p{quantile} = {flat[f'{name}_quantiles_p{quantile}']}" for quantile in _QUANTILES]
        lines += [f"    {part} = {flat[f'{name}_{part}']}" for part in ("mean", "min", "max", "stddev")]
    lines.append(f"Number Of Errored Requests: {flat['number_errors']}")
    if flat["number_errors"]:
        lines.append(f"Error Code Frequency: {flat['error_code_frequency']}")
    lines.append(f"Overall Output Throughput: {flat['mean_output_throughput_token_per_s']}")
    lines.append(f"Number Of Completed Requests: {flat['num_completed_requests']}")
    lines.append(f"Completed Requests Per Minute: {flat['num_completed_requests_per_min']}")
    return "\n".join(lines)


def correctness_files(
    run: Run, questions: Sequence[Question], settings: Mapping[str, Any], metadata: Mapping[str, Any]
) -> tuple[list[tuple[str, bytes]], str]:
    """LLMPerf's two files of its correctness test, and what it prints.

    Args:
        run: of these questions, in their order; its answers are kept.
        questions: numbers in words.
        settings: the flags, as they go into the summary.
        metadata: the user's own entries.
    """
    requests = run.measured.requests
    numbers = [int(number) for number in requests["request"][requests["state"] != CANCELLED]]
    entries = _entries(run)
    lines = [f"EMULATED: {_emulated(run)['emulated']}"] if _emulated(run) else []
    for number, entry in zip(numbers, entries, strict=True):
        question, text = questions[number], run.answers.get(number, "")
        ok = entry["error_code"] is None
        entry["expected"], entry["generated_text"] = question.expected, text
        entry["mismatch"] = ok and not number_matches(question.expected, text)
        if entry["mismatch"]:
            lines.append(f"Mismatched: {question.prompt!r}, expected {question.expected}, answered {text!r}")
        if not ok:
            lines.append(f"Errored: {question.prompt!r}: {entry['error_code']} {entry['error_msg']}")
    errors = sum(entry["error_code"] is not None for entry in entries)
    mismatched, good = sum(entry["mismatch"] for entry in entries), len(entries) - errors
    results = {
        "number_errors": errors,
        "num_mismatched_requests": mismatched,
        "error_rate": errors / len(entries) if entries else 0.0,
        "mismatch_rate": mismatched / good if good else 0.0,
        "num_completed_requests": len(entries),
        "num_non_errored_requests": good,
    }
    base = _slug(f"{run.model}_correctness")
    summary = {
        "version": VERSION,
        "name": f"{base}_summary",
        **settings,
        **{f"results_{name}": value for name, value in results.items()},
        **_emulated(run),
        **metadata,
        "timestamp": _timestamp(run),
    }
    lines += [f"{name} = {value}" for name, value in results.items()]
    files = [(f"{base}_summary.json", _json(summary)), (f"{base}_individual_responses.json", _json(entries))]
    return files, "\n".join(lines)


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
    duration_s = whole["length_s"] if whole else math.nan
    output_tokens = sum(entry["number_output_tokens"] for entry in good)
    flat["num_requests_started"] = len(entries)
    flat["error_rate"] = codes.total() / len(entries) if entries else 0.0
    flat["number_errors"] = codes.total()
    flat["error_code_frequency"] = str(dict(codes.most_common()))
    flat["mean_output_throughput_token_per_s"] = output_tokens / duration_s if whole else None
    flat["num_completed_requests"] = len(good)
    flat["num_completed_requests_per_min"] = len(good) / duration_s * 60 if whole else None
    return flat


def _emulated(run: Run) -> dict[str, str]:
    """One key that LLMPerf does not have, for an emulated run, so that nobody takes its figures for a deployment's."""
    emulated = run.emulated
    if emulated is None:
        return {}
    speed = 1.0 if emulated.speed is None else emulated.speed
    return {"emulated": f"{emulated.profile} at {speed:g}x real speed"}


def _entries(run: Run) -> list[dict[str, Any]]:
    """One entry for each measured request, by LLMPerf's definitions."""
    return individual_responses(run.measured, run.figures)


def _timestamp(run: Run) -> int:
    """The run's start, unix seconds."""
    return int(run.environment.clock.origin_unix_ns / 1e9)


def _slug(name: str) -> str:
    """A name as LLMPerf's files have it: one hyphen for each run of other characters."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w\d-]+", "-", name, flags=re.ASCII))


def _whole(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=4).encode()
