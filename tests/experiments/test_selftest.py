"""The selftest's result as later loads are compared with it, and the judgement of a step made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmdyno.experiments.selftest import Step, _beyond, beyond_range, cache_file, remember
from llmdyno.spec.spec import Spec

GOOD = Step("streams", 64, 64, 3000.0, 0.0001, 0.0001, None, 0.001, 0.2, None)
FOUND = {"streams": 64, "rate": 100.0, "chunks_per_s": 3000.0, "steps": []}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"ttft_error_p99_s": 0.0012}, "TTFT off by 1.20 ms at p99"),
        ({"ttft_error_p99_s": float("inf")}, "TTFT off by inf ms at p99"),
        ({"gap_error_p99_s": 0.002}, "gaps off by 2.00 ms at p99"),
        ({"gap_error_p99_s": None}, None),
        ({"send_lateness_p99_s": 0.0015}, "sends late by 1.50 ms at p99"),
        ({"read_lag_p99_s": 0.006}, "read lag 6.0 ms at p99"),
        ({"cpu_share": 0.96}, "96% of a core"),
        ({"reached": 63}, "63 of 64 streams at once"),
        ({"asked": 8, "reached": 7}, None),  # the first of a few may end before the last one begins
        ({"kind": "rate", "asked": 100, "reached": 98}, None),
    ],
)
def test_why_a_step_is_beyond_the_range(changes: dict[str, Any], reason: str | None) -> None:
    assert _beyond(replace(GOOD, **changes)) == ([] if reason is None else [reason])


def test_a_rate_that_is_not_reached_is_beyond() -> None:
    [reason] = _beyond(replace(GOOD, kind="rate", asked=100, reached=97))
    assert reason == "only 97 requests/s were sent"


def test_the_result_is_kept_in_the_users_cache(tmp_path: Path) -> None:
    assert remember(FOUND) == cache_file() == tmp_path / "llmdyno" / "selftest.json"
    assert json.loads(cache_file().read_text()) == FOUND


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"concurrency": 64}, None),
        ({"concurrency": 65}, ("65 users", "64 streams")),
        ({"rate": 100}, None),
        ({"rate": 101}, ("101 requests/s", "100 requests/s")),
        ({"ramp": "1:150:10s"}, ("150 requests/s", "100 requests/s")),
        (
            {"stages": [{"rate": 200, "duration": 1}]},
            ("200 requests/s", "100 requests/s"),
        ),
        (
            {"stages": [{"concurrency": 70, "duration": 1}]},
            ("70 users", "64 streams"),
        ),
    ],
)
def test_a_load_beyond_the_range(keys: dict[str, Any], told: tuple[str, str] | None) -> None:
    remember(FOUND)
    found = beyond_range(Spec(**keys))
    if told is None:
        assert found is None
        return
    between = "may be too many for this machine: its last selftest reached"
    assert found == f"{told[0]} {between} {told[1]} with an error below 1 ms"


@pytest.mark.parametrize("content", [None, "", "no JSON", "[]", "{}", '{"streams": "x", "rate": 1}'])
def test_without_a_result_nothing_is_beyond(content: str | None) -> None:
    if content is not None:
        cache_file().parent.mkdir(parents=True)
        cache_file().write_text(content, encoding="utf-8")
    assert beyond_range(Spec(concurrency=10_000)) is None
