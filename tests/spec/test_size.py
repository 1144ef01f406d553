"""The size of a load is checked before a plan is made."""

from __future__ import annotations

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec.spec import resolve_common

TOKENS = "--requests, --input-tokens, --output-tokens"
AT_MOST = "plan at most 10,000,000: a lower rate, a shorter time, or fewer requests"
YEAR = "plan at most 31,536,000 s, which is 365 days"


def resolved(**keys: object) -> Spec:
    return resolve_common(Spec(**keys), lambda: 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "keys",
    [
        {"requests": 10_000_000},
        {"requests": 9_999_999, "warmup": 1},
        {"rate": 1000, "duration_s": 10_000},
        {"rate": 1e6, "duration_s": "8760h", "requests": 100},
        {"ramp": "1:1999:10000s"},
        {"stages": ["rate=1000,duration=5000s", "rate=1000,duration=5000s"]},
        {"stages": ["concurrency=1000000,duration=4380h", "concurrency=1,duration=4380h"]},
        {"duration_s": 31_536_000, "concurrency": 1_000_000},
        {"rate": 1, "requests": 10_000_000},
        {"concurrency": 100, "duration_s": 9, "input_tokens": 10_000_000},
        {"concurrency": 1_000_000, "requests": 100, "input_tokens": 10_000_000},
        {"requests": 50_000, "input_tokens": 10_000_000, "output_tokens": 10_000_000},
        {"requests": 50_000, "input_tokens": "lognormal(10000000,10)", "output_tokens": 1},
        {"rate": 1e7},
    ],
)
def test_a_large_load_that_can_be_planned(keys: dict[str, object]) -> None:
    assert resolved(**keys).prompts_seed == 1


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"requests": 10_000_000, "warmup": 1}, f"--requests, --warmup: 10,000,001 requests are planned; {AT_MOST}"),
        ({"rate": 1e6, "duration_s": 3600}, f"--rate, --duration: 3,600,000,000 requests are planned; {AT_MOST}"),
        (
            {"rate": 1e7, "duration_s": 31_536_000},
            f"--rate, --duration: 315,360,000,000,000 requests are planned; {AT_MOST}",
        ),
        ({"ramp": "1:1999:10001s"}, f"--ramp: 10,001,000 requests are planned; {AT_MOST}"),
        ({"stages": ["rate=1000,duration=10001s"]}, f"--stage: 10,001,000 requests are planned; {AT_MOST}"),
        (
            {"concurrency": 101, "duration_s": 9, "input_tokens": 10_000_000},
            "--concurrency, --input-tokens: the prompts in flight have 1,010,000,000 tokens; "
            "at most 1,000,000,000 fit into memory: fewer users, or shorter prompts",
        ),
        (
            {"rate": 9, "duration_s": 999, "max_concurrency": 3000, "input_tokens": 1_000_000},
            "--max-concurrency, --input-tokens: the prompts in flight have 3,000,000,000 tokens; "
            "at most 1,000,000,000 fit into memory: fewer users, or shorter prompts",
        ),
        ({"rate": 1e-9, "requests": 2}, f"--rate, --requests: the load lasts 2,000,000,000 s; {YEAR}"),
        ({"rate": 5e-324, "requests": 2}, f"--rate, --requests: the load lasts inf s; {YEAR}"),
        ({"stages": ["concurrency=1,duration=8760h"] * 2}, f"--stage: the load lasts 63,072,000 s; {YEAR}"),
        (
            {"requests": 10_000_000, "input_tokens": 100_000, "output_tokens": 1},
            f"{TOKENS}: 10,000,000 requests have 1,000,010,000,000 tokens; "
            "plan at most 1,000,000,000,000: fewer requests, or shorter ones",
        ),
    ],
)  # fmt: skip
def test_a_load_that_is_too_large(keys: dict[str, object], error: str) -> None:
    with pytest.raises(InputError) as refused:
        resolved(**keys)
    assert str(refused.value) == error
