"""``llmdyno llmperf``: LLMPerf's flags as a spec."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from llmdyno.cli import llmperf
from llmdyno.cli.llmperf import _metadata, _spec
from llmdyno.errors import InputError
from llmdyno.spec.spec import Spec


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    llmperf.add_arguments(parser)
    return parser.parse_args(line)


def spec(*line: str, more: dict[str, tuple[Any, str]] | None = None) -> Spec:
    return _spec(parsed("token-benchmark", *line), more or {})


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)


def test_the_defaults_are_llmperfs() -> None:
    found = parsed("token-benchmark", "--model", "m")
    lengths = (found.mean_input_tokens, found.stddev_input_tokens, found.mean_output_tokens, found.stddev_output_tokens)
    assert lengths == ("550", "150", "150", "80")
    assert (found.num_concurrent_requests, found.timeout, found.max_num_completed_requests) == ("10", "90", "10")
    assert parsed("correctness", "--model", "m").max_num_completed_requests == "50"


def test_the_load_is_a_closed_loop_with_both_ends() -> None:
    found = spec("--model", "m", "--num-concurrent-requests", "3", "--timeout", "60")
    assert (found.concurrency, found.requests, found.duration_s, found.api) == (3, 10, 60.0, "openai")


@pytest.mark.parametrize(
    ("api", "model", "target", "name"),
    [
        ("openai", "m", "openai", "m"),
        ("bedrock", "arn:x", "bedrock", "arn:x"),
        ("litellm", "openai/m", "litellm", "openai/m"),
        ("anthropic", "claude", "litellm", "anthropic/claude"),
        ("anthropic", "anthropic/claude", "litellm", "anthropic/claude"),
        ("sagemaker", "e", "litellm", "sagemaker_chat/e"),
        ("vertexai", "g", "litellm", "vertex_ai/g"),
    ],
)
def test_an_llm_api_is_an_api_and_a_model_string(api: str, model: str, target: str, name: str) -> None:
    found = spec("--model", model, "--llm-api", api)
    assert (found.api, found.model) == (target, name)


def test_sampling_parameters_go_into_the_body_or_to_litellm() -> None:
    sampling = ["--additional-sampling-params", '{"top_p": 0.5}']
    assert spec("--model", "m", *sampling).extra_body == {"top_p": 0.5}
    through = spec("--model", "openai/m", "--llm-api", "litellm", *sampling)
    assert (through.litellm_param, through.extra_body) == ({"top_p": 0.5}, {})


def test_openais_variable_gives_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://h:1/v1")
    assert spec("--model", "m").base_url == "http://h:1/v1"
    assert spec("--model", "openai/m", "--llm-api", "litellm").base_url is None


def test_the_run_directory_lies_below_the_results() -> None:
    out = str(spec("--model", "org/m-1", "--results-dir", "results").out)
    assert out.startswith("results/runs/")
    assert out.endswith("-m-1")
    assert spec("--model", "m").out is None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["--llm-api", "x"], "--llm-api: 'x' is not known; what fits: openai, anthropic, litellm"),
        (["--num-concurrent-requests", "0"], "--num-concurrent-requests: '0' does not fit"),
        (["--max-num-completed-requests", "x"], "--max-num-completed-requests: 'x' does not fit"),
        (["--timeout", "x"], "--timeout: 'x' does not fit"),
        (["--additional-sampling-params", "x"], "--additional-sampling-params: the value given does not fit"),
    ],
)
def test_a_bad_value_is_named_by_llmperfs_flag(line: list[str], error: str) -> None:
    with pytest.raises(InputError) as caught:
        spec("--model", "m", *line)
    assert str(caught.value).startswith(error)


def test_metadata() -> None:
    assert _metadata("a=b,c=d=e,") == {"a": "b", "c": "d=e"}
    assert _metadata("") == {}
    for text in ("a", "=b", "a=b,c"):
        with pytest.raises(InputError) as caught:
            _metadata(text)
        assert str(caught.value) == f"--metadata: {text!r} does not fit; what fits: a=b,c=d"
