"""Traces: the public formats, the scale of time, and lines that do not fit."""

from __future__ import annotations

import pytest

from llmdyno import InputError
from llmdyno.workload.sources.traces import Entry, parse_trace

OURS = (
    '{"timestamp": 3.5, "input_tokens": 5, "output_tokens": 6}\n\n'
    '{"timestamp": 4, "input_tokens": 7, "output_tokens": 8}\n'
)
# One line each as the public traces have them.
MOONCAKE = '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n'
AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,374,44\n2023-11-16 18:17:04.0319600,396,109\n"
)
BURST = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,Conversation log\n118,GPT-4,417,276,693,API log\n"
)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (OURS, [Entry(0, 5, 6), Entry(500_000_000, 7, 8)]),
        (MOONCAKE + MOONCAKE.replace("27482", "30535"), [Entry(0, 6955, 52), Entry(3_053_000_000, 6955, 52)]),
        (AZURE, [Entry(0, 374, 44), Entry(52_000_000, 396, 109)]),
        (BURST, [Entry(0, 472, 18), Entry(113_000_000_000, 417, 276)]),  # without the one that had no answer
    ],
)
def test_public_traces(text: str, entries: list[Entry]) -> None:
    found = parse_trace(text, "t", 1.0)
    assert [(e.input_tokens, e.output_tokens) for e in found] == [(e.input_tokens, e.output_tokens) for e in entries]
    # Azure's times are days since 1970: a float holds them to about 120 ns.
    assert [e.offset_ns for e in found] == pytest.approx([e.offset_ns for e in entries], abs=240)


def test_the_scale_multiplies_the_times() -> None:
    assert parse_trace(OURS, "t", 0.1) == [Entry(0, 5, 6), Entry(50_000_000, 7, 8)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            OURS + '{"timestamp": 1, "input_tokens": 5, "output_tokens": 6}\n',
            "t, line 4: its time goes back by 3 s; what fits: a trace sorted by time",
        ),
        (OURS + "nonsense\n", "t, line 4: it is not a JSON object; what fits: any trace"),
        (OURS + "[" * 9999, "t, line 4: it is not a JSON object; what fits: any trace"),
        (
            '{"timestamp": "soon", "input_tokens": 5, "output_tokens": 6}\n',
            "t, line 1: {'timestamp': 'soon', 'input_tokens': 5, 'output_tokens': 6} does not fit; "
            "what fits: timestamp is a time, input_tokens and output_tokens are numbers",
        ),
        (
            BURST.replace("417", "1e15"),
            "t, line 4: it has 1e+15 input and 276 output tokens; what fits: requests and answers of at most "
            "10,000,000 tokens",
        ),
        (
            OURS + '{"timestamp": 9, "input_tokens": true, "output_tokens": 6}\n',
            "t, line 4: {'timestamp': 9, 'input_tokens': True, 'output_tokens': 6} does not fit; "
            "what fits: timestamp is a time, input_tokens and output_tokens are numbers",
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens," + "a" * 200_000 + "\n",
            "t, line 1: field larger than field limit (131072); what fits: any trace",
        ),
        (
            OURS + '{"timestamp": 1e300, "input_tokens": 5, "output_tokens": 6}\n',
            "t, line 4: it comes 1e+300 s after the first request; what fits: a shorter trace, of at most 31,536,000 s",
        ),
        ("a,b\n1,2\n", "t, line 1: its columns are a, b; what fits: any trace"),
        ("", "t, line 1: its columns are nothing; what fits: any trace"),
        (AZURE.splitlines()[0] + "\n", "t holds no request; what fits: any trace"),
    ],
)
def test_a_bad_line_is_named(text: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_trace(text, "t", 1.0, "--flag", "any trace")
    assert str(refused.value) == f"--flag: {problem}"


@pytest.mark.parametrize(
    "text",
    [
        AZURE + "never,1,2\n",
        AZURE + "2023-11-16 18:17:05,1\n",
        BURST.replace("417", "many"),
        BURST.replace("417", "1e400"),
        BURST.replace("118", "nan"),
        OURS + '{"timestamp": 9, "input_tokens": 5}',
        OURS + '{"timestamp": 9, "input_tokens": [5], "output_tokens": 5}',
    ],
)
def test_a_line_with_a_cell_that_does_not_fit(text: str) -> None:
    with pytest.raises(InputError, match=r"^--arrivals replay: t, line 4: \{.* does not fit; what fits: "):
        parse_trace(text, "t", 1.0)
