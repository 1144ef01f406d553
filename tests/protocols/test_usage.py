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
        ({"choices": []}, NO_USAGE),
        ({"x_groq": "x", "choices": "x", "timings": 3}, NO_USAGE),
    ],
)
def test_places(chunk: dict[str, Any], usage: Usage) -> None:
    assert usage_in(chunk) == usage
