"""The most that a load may cost by the token, before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.services.tokens import SONNET

from llmdyno.errors import InputError
from llmdyno.services.bedrock_tokens.budget import Planned, planned, token_bound
from llmdyno.services.bedrock_tokens.service import SERVICE
from llmdyno.services.service import TokenPrices
from llmdyno.spec.spec import Spec
from llmdyno.workload.sources.traces import Entry

PRICES = TokenPrices(Decimal(3), Decimal(15))


def spec(**keys: Any) -> Spec:
    given = {"api": "litellm", "model": f"bedrock/us-east-1/{SONNET}", "input_tokens": 500, "output_tokens": 200}
    return Spec(**{**given, **keys})


@pytest.mark.parametrize(
    ("keys", "requests", "guess"),
    [
        ({"requests": 100}, 100, ""),
        ({"requests": 100, "warmup": 5}, 105, ""),
        ({"duration_s": 60, "concurrency": 4}, 400, "a request takes no less than 0.6 s"),
        ({"duration_s": 60, "concurrency": 4, "requests": 30}, 30, ""),
        ({"rate": 10, "duration_s": 60}, 601, ""),
        ({"rate": 10, "duration_s": 60, "requests": 50}, 50, ""),
        ({"rate": 10, "requests": 50, "arrivals": "poisson"}, 50, ""),
        ({"rate": 1, "duration_s": 100, "arrivals": "poisson"}, 141, ""),
        ({"ramp": "1:9:60s"}, 301, ""),
        ({"stages": ["rate=2,duration=10", "rate=4,duration=10"]}, 61, ""),
        (
            {"stages": ["concurrency=2,duration=6", "concurrency=4,duration=6"]},
            60,
            "a request takes no less than 0.6 s",
        ),
        ({"duration_s": 60, "extra_body": {"max_tokens": 900}}, 60, "a request takes no less than 2 s"),
    ],
)
def test_how_many_requests_a_load_sends_at_most(keys: dict[str, Any], requests: int, guess: str) -> None:
    output = 900 if "extra_body" in keys else 200
    assert planned(spec(**keys), None) == Planned(requests, 500.0 * requests, float(output) * requests, guess)


def test_lengths_that_vary_have_four_deviations_more() -> None:
    found = planned(spec(requests=100, input_tokens="normal(500,25)", output_tokens="uniform(100,300)"), None)
    assert found.input_tokens == 500 * 100 + 4 * 25 * 10
    assert found.output_tokens == pytest.approx(200 * 100 + 4 * 58.0230 * 10, abs=0.1)
    assert planned(spec(requests=1, output_tokens="uniform(100,110)"), None).output_tokens == 110


def test_a_trace_and_cold_starts() -> None:
    trace = [Entry(0, 10, 20), Entry(10**9, 30, 40), Entry(5 * 10**9, 50, 60)]
    assert planned(spec(), trace) == Planned(3, 90.0, 120.0)
    assert planned(spec(requests=2), trace) == Planned(2, 40.0, 60.0)
    assert planned(spec(duration_s=2), trace) == Planned(2, 40.0, 60.0)
    assert planned(spec(requests=9), None, rounds=3) == Planned(6, 3000.0, 1200.0)


def test_the_bound_in_dollars() -> None:
    """100 × (500 × 1.3 + 64) input tokens and 100 × 200 output tokens."""
    found = token_bound(Planned(100, 50_000.0, 20_000.0), PRICES, writes=False, unknown=None)
    assert found.dollars == Decimal("0.5142")
    assert found.basis == "100 requests with at most 71,400 input and 20,000 output tokens together"
    written = token_bound(Planned(100, 50_000.0, 20_000.0), PRICES, writes=True, unknown=None)
    assert written.dollars == Decimal("0.7284")
    unknown = token_bound(Planned(1, 1.0, 1.0, "a guess"), None, writes=False, unknown="no price")
    assert (unknown.dollars, unknown.unknown) == (None, "no price")
    assert unknown.basis.endswith("together, if a guess")


def test_the_services_own_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SERVICE.bound(spec(requests=100)).dollars == Decimal("0.5142")
    by_id = spec(requests=100, api="bedrock", model=SONNET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert SERVICE.bound(by_id).dollars == Decimal("0.5142")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    found = SERVICE.bound(by_id)
    assert found.dollars is None
    assert "in an unknown region" in str(found.unknown)
    with pytest.raises(InputError, match="cannot be read"):
        SERVICE.bound(spec(arrivals="replay nowhere.csv"))
