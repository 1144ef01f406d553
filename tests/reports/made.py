"""Runs and reports made by hand, and a page of eighty columns to show them on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import make_record, make_timeline

from llmdyno import Spec
from llmdyno.protocols.events import TEXT
from llmdyno.reports.console import Page
from llmdyno.runs.environment import ClockFacts, Emulation, EndpointFacts, Environment, TokenizerFacts
from llmdyno.runs.run import COMPLETE, INTERRUPTED, Run, conclude_run
from llmdyno.timeline.record import RequestRecord

EMULATED = Emulation("p", 10.0)
FAILED = {"state": "failed", "error_kind": "http_status"}


def run_of(
    *records: RequestRecord,
    status: str = COMPLETE,
    emulated: Emulation | None = None,
    endpoint: EndpointFacts | None = None,
    path: Path = Path("runs/x"),
    **keys: Any,
) -> Run:
    """A run of these requests; `keys` are its spec's."""
    spec = Spec(**{"api": "openai", "base_url": "http://h/v1", "model": "m", "requests": 9, "seed": 1, **keys})
    environment = Environment(
        clock=ClockFacts("kernel", 0, 1_795_348_129_500_000_000),
        endpoint=endpoint or EndpointFacts(emulated=emulated),
        tokenizer=TokenizerFacts("built-in approximation", False),
    )
    timeline = make_timeline(*records)
    return conclude_run(path, spec, environment, timeline, status)


def good(number: int, sent_s: float = 0.0, ttft_s: float = 0.25, **facts: Any) -> RequestRecord:
    """A request that succeeded: its first chunk after `ttft_s`, 99 more in steps of 10 ms, a token each."""
    chunks = [(sent_s + ttft_s + 0.01 * n, TEXT, 4) for n in range(100)]
    return make_record(number, sent_s, chunks, server_output_tokens=100, server_input_tokens=11, **facts)


def failed(number: int, code: int, message: str) -> RequestRecord:
    """A request that an HTTP status refused."""
    return make_record(number, 0.0, [], **FAILED, error_code=code, error_message=message)


def open_loop(path: Path = Path("runs/x")) -> Run:
    """An open loop that was interrupted, with a failure, on an emulated endpoint."""
    return run_of(
        *(good(n, sent_s=0.1 * n + 0.002, planned_ns=100_000_000 * n) for n in range(9)),
        failed(9, 429, "a|b\n[c](d) <e>"),
        status=INTERRUPTED,
        endpoint=EndpointFacts(emulated=EMULATED, notes=("body format: x",)),
        path=path,
        rate=10.0,
        slo={"ttft_s": 10.0},
    )


def drawn(show: Callable[[Page], object], width: int | None = 80) -> str:
    """What a page shows, without the spaces at the ends of its lines."""
    stream = io.StringIO()
    show(Page(stream, width))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


CHECK: dict[str, Any] = {
    "questions": 4,
    "concurrency": 8,
    "asked": 12,
    "wrong": 2,
    "kinds": {
        "number": {
            "alone": {"right": 4, "wrong": 0, "failed": 0},
            "under_load": {"right": 3, "wrong": 0, "failed": 1},
        },
        "same": {"under_load": {"right": 3, "wrong": 1, "failed": 0}},
    },
    "mismatches": [
        {
            "kind": "same",
            "prompt": "Write the number:\nseven",
            "expected": "7",
            "when": "under_load",
            "wrong": "another answer under load than alone",
            "answer": "",
        },
        {
            "kind": "number",
            "prompt": "[bold]two",
            "expected": None,
            "when": "under_load",
            "wrong": "busy",
            "answer": "x" * 200,
        },
    ],
}

SCALING: dict[str, Any] = {
    "emulated": {"profile": "p", "speed": 10.0},
    "step": {"users_before": 2, "users_after": 8, "at_s": 120.0, "held_s": 600.0},
    "bounds": {"ttft_s": 0.5, "time_per_output_token_s": 1.5},
    "bounds_given": True,
    "recovery_s": 150.0,
    "meanwhile": {"requests": 1200, "within_bounds": 0.25, "throttled": 60, "not_ready": 1},
    "first_refusal_s": 1.25,
    "throttled": 70,
    "not_ready": 1,
    "copies": {
        "source": "ModelCopy from CloudWatch",
        "calls_per_copy": 4,
        "before": 1,
        "most": 2,
        "carries": [3, 4],
        "came_s": [140.0],
        "came_span_s": [[128.0, 152.0]],
        "went_s": [300.0],
        "went_span_s": [[280.0, 340.0]],
        "possible_span_s": [],
        "inferred": [[-120.0, 1], [139.6, 2]],
        "inferred_came_span_s": [[None, -119.0], [138.2, 141.0]],
    },
    "series": [
        {
            "start_s": -20.0,
            "length_s": 20.0,
            "output_token_per_s": 100.0,
            "ttft_p50_s": 0.1,
            "throttled": 0,
            "copies": 1,
        },
        {
            "start_s": 0.0,
            "length_s": 20.0,
            "output_token_per_s": 200.0,
            "ttft_p50_s": None,
            "throttled": 5,
            "copies": 2,
        },
    ],
    "notes": ["CloudWatch was not read: no credentials; configure them, and run llmdyno cost --refresh on this run"],
}

CAPACITY: dict[str, Any] = {
    "emulated": None,
    "bounds": {"ttft_s": 0.5},
    "percentile": 95.0,
    "copies_source": "given",
    "calls_per_copy_when_refused": None,
    "levels": [
        {
            "users": 2, "copies": 1.0, "requests": 1234, "throttled_share": 0.0, "at_percentile": {"ttft_s": 0.2},
            "within": True, "broken": [], "few": False,
        },
        {
            "users": 4, "copies": 1.5, "requests": 12, "throttled_share": 0.025, "at_percentile": {"ttft_s": 1.2},
            "within": False, "broken": ["ttft_s", "throttling"], "few": True,
        },
    ],
    "users": 2,
    "beyond": 4,
    "limited_by": "ttft_s",
    "crossing": 2.6,
    "confidence": 0.94,
    "users_low": 2,
    "users_high": 4,
    "per_copy": 2.0,
    "copies_then": 1.0,
    "notes": [],
}  # fmt: skip

COST: dict[str, Any] = {
    "emulated": {"profile": "p", "speed": 10.0},
    "model": {
        "arn": "arn:aws:bedrock:us-east-1:1:imported-model/m", "region": "us-east-1",
        "units": 2, "units_version": "v1.0",
    },
    "copies": {
        "source": "ModelCopy from CloudWatch",
        "calls_per_copy": 4,
        "carries": [3, 4],
        "round_trip_s": [0.07, 0.09],
        "at_least": False,
        "most": 2,
        "over_time": [[5.0, 1], [105.5, 2]],
        "each": [
            {
                "from_s": 5.0, "from_span_s": [4.1, 5.9], "to_s": None, "to_span_s": [1234.0, None],
                "first_success_s": 6.25, "last_s": 1234.5, "calls": 1200, "windows": [0, 1],
                "windows_low": 2, "windows_high": 2,
            },
            {
                "from_s": 105.5, "from_span_s": [93.0, 118.0], "to_s": None, "to_span_s": [400.0, None],
                "first_success_s": 110.0, "last_s": 402.5, "calls": 34, "windows": [0],
                "windows_low": 1, "windows_high": 3,
            },
        ],
        "possible": [{"from_span_s": [118.0, None], "to_span_s": [118.0, None], "windows_high": 1}],
    },
    "windows": {"billed": 3, "low": 3, "high": 6, "idle": 1, "length_s": 300},
    "delivered": {
        "copies": 1.0, "copies_low": 1.0, "copies_high": 1.0, "requests_per_hour": 3600.0,
        "input_tokens_per_hour": 180000.0, "output_tokens_per_hour": 360000.0,
        "window": {"from_s": 60.0, "length_s": 1170.0, "steady": True, "short": False},
    },
    "cold_start_s": 62.7,
    "price": {"dollars_per_cmu_minute": "0.05718", "source": "given", "window": "0.5718", "copy_hour": "6.8616"},
    "cost": {
        "run": "1.7154",
        "run_low": "1.7154",
        "run_high": "3.4308",
        "tail": "0.5",
        "tail_low": "0",
        "tail_high": "1.7154",
        "tail_s": 250.0,
        "idle": "0.5718",
        "hour": "6.8616",
        "hour_low": "6.8616",
        "hour_high": "6.8616",
        "million_input_tokens": "38.12",
        "million_output_tokens": "19.06",
        "thousand_requests": "1.906",
        "warm_hour": "6.8616",
        "warm_day": "164.68",
        "warm_month": "4940.35",
        "warm_month_with_storage": "4944.25",
        "wake": "0.5718",
        "wakes_a_day": None,
        "even_wakes_a_day": "288",
        "most_wakes_a_day": 233,
        "storage_month": "3.90",
    },
    "comparison": {
        "input_dollars_per_million": "0.22",
        "output_dollars_per_million": "0.88",
        "thousand_requests": "0.20",
        "hour_by_token": "0.72",
        "hour_on_copies": "6.8616",
        "cheaper_here": False,
        "break_even": "not reachable",
        "break_even_requests_per_hour": None,
        "needed_requests_per_hour": "34308",
        "copy_hour": "6.8616",
        "full_copy_requests_per_hour": ["3600", "4500"],
        "full_copy_by_token": ["0.72", "0.9"],
        "always_from_copies": None,
        "always_from_requests_per_hour": None,
        "find_with": None,
    },
    "projection": {
        "traffic": "1000 requests an hour, flat; arrivals within an hour are Poisson",
        "expected_requests": 1000.0,
        "drawn": True,
        "draws": 10,
        "peak": {"when": "09:00 to 10:00", "requests": 1000.0},
        "traffic_notes": ["columns left out: region"],
        "capacity": {
            "known": True, "calls": 4, "low": 3, "high": 5, "origin": "as given", "copies_then": 1, "find_with": None,
        },
        "model": {"max_copies": 3},
        "hours": [
            {
                "hour": 0, "requests": 0, "windows": 0, "copies": 0.0, "dollars": "0",
                "throttled": 0, "waited": 0, "lost": 0,
            },
            {
                "hour": 9, "requests": 1010, "windows": 12, "copies": 1.0, "dollars": "6.8616",
                "throttled": 3, "waited": 2, "lost": 0,
            },
        ],
        "windows": {"billed": 12, "low": 12, "high": 14},
        "day": {"dollars": "6.8616", "low": "6.8616", "high": "8.0052"},
        "month": {"dollars": "209.748", "low": "209.748", "high": "244.056"},
        "month_storage": "3.9",
        "days_a_month": "30",
        "thousand_requests": "6.8616",
        "thousand_requests_range": ["6.8616", "7.9259"],
        "most_copies": 1,
        "cold_starts": 1,
        "waited_for_a_cold_start": 2,
        "lost": 0,
        "requests": 1010,
        "assumptions": ["a copy carries 4 calls", "a cold start takes 62.7 s"],
    },
    "notes": ["the first window may be paid for by others"],
}  # fmt: skip

STEP: dict[str, Any] = {
    "kind": "streams",
    "asked": 32,
    "reached": 32.0,
    "chunks_per_s": 1600.0,
    "ttft_error_p99_s": 0.00021,
    "gap_error_p99_s": 0.0001,
    "send_lateness_p99_s": None,
    "read_lag_p99_s": 0.00005,
    "cpu_share": 0.125,
    "beyond": None,
}
SELFTEST: dict[str, Any] = {
    "streams": 32,
    "chunks_per_s": 1600.0,
    "rate": 0.0,
    "when": "2026-01-01T00:00:00Z",
    "steps": [STEP, {**STEP, "kind": "rate", "asked": 10, "beyond": "the CPU is busy"}],
}
