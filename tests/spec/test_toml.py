"""Specs as TOML: what is written reads back equal, secrets are left out, and faults are named."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec.masking import REDACTED
from llmdyno.spec.spec import build
from llmdyno.spec.toml import parse_toml


def back(text: str) -> Spec:
    return build([parse_toml(text, "bench.toml")])


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {
            "base_url": "https://example.com:8443/v1/",
            "model": "org/model",
            "name": "a run",
            "seed": 11,
            "requests": 10,
            "duration_s": 2,
            "warmup": 3,
            "concurrency": 4,
            "headers": {"X-Team": "blue"},
            "show_headers": ["x-team"],
            "extra_body": {"temperature": 0, "stop": None, "nested": {"a": [1, None]}},
            "input_tokens": "uniform(100,200)",
            "output_tokens": 64,
            "slo": {"ttft_s": 0.5},
            "ignore_eos": True,
            "timeout_s": 30,
        },
        {"ramp": "1:50:1m", "arrivals": "gamma(0.5)", "max_concurrency": 9},
        {"stages": [{"rate": 1.5, "duration": "10m"}, {"rate": 2, "duration": 3, "start": 700}]},
        {"stages": [{"concurrency": 8, "duration": 3}]},
        {"arrivals": "replay some file.jsonl", "time_scale": 0.5},
        {"litellm_param": {"max_tokens": 5, "top_k": None}, "extra_body": {"a": {}}},
    ],
)
def test_toml_reads_back_equal(keys: dict[str, Any]) -> None:
    spec = Spec(**keys)
    assert back(spec.to_toml()) == spec


def test_a_flag_gives_what_a_file_leaves_out() -> None:
    file = parse_toml(
        Spec(base_url="http://h/v1?key=abc", headers={"X-Key": "def"}, requests=1).to_toml(), "bench.toml"
    )
    with pytest.raises(InputError, match="the value of --base-url, which this file leaves out: --base-url …"):
        build([file, {"headers": ("X-Key: ghi", "--header")}])
    flags = {"base_url": ("http://h/v1?key=jkl", "--base-url"), "headers": ("X-Key: ghi", "--header")}
    spec = build([file, flags])
    assert (spec.base_url, spec.headers, spec.requests) == ("http://h/v1?key=jkl", {"X-Key": "ghi"}, 1)


def test_what_a_file_holds() -> None:
    document = tomllib.loads(Spec(output_tokens=64, requests=3, slo={"ttft_s": 0.5}, out="r").to_toml())
    assert document["workload"] == {"input_tokens": "normal(500,25)", "output_tokens": 64, "ignore_eos": False}
    assert document["load"]["requests"] == 3
    assert document["slo"] == {"ttft_s": 0.5}
    assert "out" not in document.get("output", {})


def test_secrets_are_never_written() -> None:
    spec = Spec(
        api_key="sk-very-secret",
        headers={
            "X-Api-Key": "also-secret",
            "Authorization": "Bearer hidden",
            "X-Plain": "any-value",
            "X-Team": "shown",
        },
        show_headers="X-Team",
        extra_body={"user": "sk-very-secret", "tools": [{"clientSecret": "in-a-list"}], "auth": {"user": "all-below"}},
        litellm_param=["aws_secret_access_key=hide-me", "top_p=0.9"],
    )
    text = spec.to_toml()
    assert "shown" in text
    assert "top_p = 0.9" in text
    assert text.count(REDACTED) == 7
    assert text.startswith("# Left out, because it is secret: --api-key\n")
    for secret in ("sk-very-secret", "also-secret", "hidden", "any-value", "hide-me", "in-a-list", "all-below"):
        assert secret not in text
        assert secret not in repr(spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'[endpoint.headers]\nX-Key = "{REDACTED}"', "bench.toml: endpoint.headers: the value given does not fit; "
         "what fits: the value of X-Key, which this file leaves out: --header 'X-Key: …'"),
        (f'[endpoint.litellm_param]\nmy_key = "{REDACTED}"', "bench.toml: endpoint.litellm_param: the value given does "
         "not fit; what fits: the value of my_key, which this file leaves out: --litellm-param my_key=…"),
        ("concurrency = 3", "bench.toml: concurrency: is in the wrong table; write it as load.concurrency"),
        ("[load]\nconcurency = 3", "bench.toml: load.concurency: there is no such key; did you mean load.concurrency?"),
        ("[endpoint]\ninput_token = 3",
         "bench.toml: endpoint.input_token: there is no such key; did you mean workload.input_tokens?"),
        ("[load]\nmodel = 'x'", "bench.toml: load.model: is in the wrong table; write it as endpoint.model"),
        ("load = 3", "bench.toml: load: 3 does not fit; write a table: [load]"),
        ("[load]\nconcurrency = 'x'",
         "bench.toml: load.concurrency: 'x' does not fit; what fits: a whole number from 1 up"),
        ("[load]\nrate = 1e400", "bench.toml: load.rate: inf does not fit; what fits: a number of requests a second "
         "above 0"),
    ],
)  # fmt: skip
def test_a_fault_says_where(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        back(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 3", "bench.toml: is not TOML"),
        (
            "zzzzzz = 3",
            "bench.toml: zzzzzz: there is no such key; keys: name, seed, prompts_seed, same_prompts, endpoint.api, ",
        ),
        ("a = " + "[" * 9999, "bench.toml: is not TOML"),
        ("seed = " + "9" * 5000, "bench.toml: has a number that is too long"),
    ],
)
def test_a_text_that_is_no_spec(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_toml(text, "bench.toml")
    assert str(refused.value).startswith(message)


def test_a_header_that_is_a_word_of_the_spec_leaves_the_file_readable() -> None:
    spec = Spec(
        api="anthropic", rate=1, arrivals="constant", name="a-platform", headers={"X-A": "anthropic", "X-B": "platform"}
    )
    text = spec.to_toml()
    assert ('api = "anthropic"' in text, 'name = "a-platform"' in text, text.count(REDACTED)) == (True, True, 2)
    assert Spec(name="of sk-very-secret", api_key="sk-very-secret").to_toml().count(f"of {REDACTED}") == 1
