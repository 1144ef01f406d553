"""How long a client waits before it sends a refused request again."""

from __future__ import annotations

from llmdyno.workload.backoff import backoff_s


def test_pauses_double_up_to_twenty_seconds() -> None:
    assert [backoff_s(attempt) for attempt in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]


def test_very_many_attempts_do_not_overflow() -> None:
    assert backoff_s(100_000) == 20.0
