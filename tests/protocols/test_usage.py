"""Token counts, in the shapes that servers document."""

from __future__ import annotations

from typing import Any

import pytest

from llmdyno.protocols.usage import NO_USAGE, Usage, usage_in, usage_of


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}, Usage(9, 4)),
        ({"prompt_tokens": 9.0, "completion_tokens": "4"}, Usage(9, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 0}, Usage(9)),
        ({"prompt_tokens": 9.5, "completion_tokens": -4}, NO_USAGE),
        ({"prompt_tokens": 2**63, "completion_tokens": 4}, Usage(None, 4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 6, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(9, 4, 6, 3),
        ),
        ({"prompt_tokens": 9, "prompt_tokens_details": None, "completion_tokens_details": []}, Usage(9)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1}, Usage(9, None, 8)),
        ({"prompt_tokens": 9, "cache_read_input_tokens": 0}, Usage(9, None, 0)),
        (
            {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}},
            Usage(9, 4, 2),
        ),
        (
            {"input_tokens": 9, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 1, "output_tokens": 4},
            Usage(80, 4, 70),
        ),
        ({"inputTokens": 9, "outputTokens": 4, "cacheReadInputTokens": 3}, Usage(12, 4, 3)),
        ([{"prompt_tokens": 9}], Usage(9)),
        ({"promptTokens": 9, "completionTokens": 4, "promptTokensDetails": {"cachedTokens": 2}}, Usage(9, 4, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 4, "cached_prompt_tokens": 2}, Usage(9, 4, 2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_read_tokens": 2}}, Usage(9, None, 2)),
        ({"prompt": 9, "completion": 4}, Usage(9, 4)),
        ({"tokens": {"input_tokens": 9, "output_tokens": 4}, "billed_units": {"input_tokens": 2}}, Usage(9, 4)),
        ({"completion_tokens": 9, "completion_tokens_details": {"thinking_tokens": 5}}, Usage(None, 9, None, 5)),
        ({"completion_tokens": 9, "thoughts_token_count": 5}, Usage(None, 9, None, 5)),
        (
            {
                "completion_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 2, "rejected_prediction_tokens": 3},
            },
            Usage(None, 9, None, 5),
        ),
        ([], NO_USAGE),
        ("9", NO_USAGE),
        (None, NO_USAGE),
    ],
)
def test_shapes(value: Any, usage: Usage) -> None:
    assert usage_of(value) == usage


COUNTS = {"prompt_tokens": 9, "completion_tokens": 4}


@pytest.mark.parametrize(
    ("chunk", "usage"),
    [
        ({"usage": COUNTS}, Usage(9, 4)),
        ({"usage": None, "x_groq": {"id": "r", "usage": COUNTS}}, Usage(9, 4)),
        ({"usage": [], "choices": [{"usage": COUNTS}]}, Usage(9, 4)),
        ({"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4}}, Usage(9, 4)),
        ({"timings": {"prompt_n": 2, "cache_n": 7, "predicted_n": 4}}, Usage(9, 4, 7)),
        ({"usage": COUNTS, "timings": {"prompt_n": 1}}, Usage(9, 4)),
        ({"usage": COUNTS, "timings": {"prompt_n": 2, "cache_n": 7}}, Usage(9, 4, 7)),
        ({"usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 4}}, Usage(9, 4)),
        ({"choices": [{"delta": {"usage": COUNTS}}]}, Usage(9, 4)),
        ({"choices": [{"delta": {}}, {"delta": {}, "usage": COUNTS}]}, Usage(9, 4)),
        ({"metadata": {"usage": COUNTS}}, Usage(9, 4)),
        ({"meta": {"billed_units": {"input_tokens": 9, "output_tokens": 4}}}, Usage(9, 4)),
        ({"x_usage": COUNTS}, Usage(9, 4)),
        ({"choices": [], **COUNTS}, Usage(9, 4)),
        ({"prompt_eval_count": 9, "eval_count": 4, "prompt": "12"}, Usage(9, 4)),
        ({"usage": {"prompt_tokens": 9}, "x_groq": {"usage": {"completion_tokens": 4}}}, Usage(9, 4)),
        ({"choices": []}, NO_USAGE),
        ({"x_groq": "x", "choices": "x", "timings": 3}, NO_USAGE),
    ],
)
def test_places(chunk: dict[str, Any], usage: Usage) -> None:
    assert usage_in(chunk) == usage
