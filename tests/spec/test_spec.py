"""Specs: read from anywhere, written back, and errors that name the key, the value and what fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.keys import KEYS
from llmdyno.spec.readers import REDACTED
from llmdyno.spec.spec import build
from llmdyno.spec.toml import read_toml


def settled(**keys: object) -> Spec:
    return Spec(**keys).resolved({}, lambda: 11)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "mean", "stddev", "back"),
    [
        ("500", 500, 0, "500"),
        (500, 500, 0, "500"),
        ("normal(500,25)", 500, 25, "normal(500,25)"),
        ("Normal( 500 , 25.5 )", 500, 25.5, "normal(500,25.5)"),
        ("uniform(100,200)", 150, 29.15, "uniform(100,200)"),
        ("lognormal(500,0.5)", 566.57, 301.95, "lognormal(500,0.5)"),
    ],
)
def test_distributions_read_and_print_themselves(text: str, mean: float, stddev: float, back: str) -> None:
    distribution = Distribution.parse(text)
    assert distribution.mean == pytest.approx(mean, rel=1e-4)
    assert distribution.stddev == pytest.approx(stddev, rel=1e-3)
    assert str(distribution) == back
    assert Distribution.parse(back) == distribution


@pytest.mark.parametrize(
    "text",
    ["", "0", "-5", "5.5", "normal(500)", "normal(0,1)", "normal(500,-1)", "uniform(20,10)", "uniform(1.5,3)",
     "poisson(3,3)", "normal(1e999,1)", "normal(a,b)", "lognormal(500,nan)", True],
)  # fmt: skip
def test_what_is_no_distribution_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        Distribution.parse(text)


def test_toml_reads_back_equal() -> None:
    spec = settled(
        base_url="https://example.com:8443/v1/",
        model="org/model",
        name="a run",
        requests=10,
        duration_s=2,
        warmup=3,
        concurrency=4,
        headers={"X-Team": "blue"},
        extra_body={"temperature": 0, "stop": None, "nested": {"a": [1, None]}},
        input_tokens="uniform(100,200)",
        output_tokens=64,
        slo={"ttft_s": 0.5},
        ignore_eos=True,
        timeout_s=30,
    )
    assert spec.base_url == "https://example.com:8443/v1"
    text = spec.to_toml()
    path = Path("spec.toml")
    import tomllib

    assert tomllib.loads(text)["workload"]["output_tokens"] == 64
    assert build([_layer(text, path)]) == spec


def _layer(text: str, path: Path) -> dict[str, tuple[object, str]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path
        file.write_text(text, encoding="utf-8")
        return read_toml(file)


def test_secrets_are_never_written(tmp_path: Path) -> None:
    spec = settled(
        base_url="http://h/v1",
        model="m",
        requests=1,
        api_key="sk-very-secret",
        headers={"X-Api-Key": "also-secret", "Authorization": "Bearer hidden", "X-Plain": "shown"},
    )
    text = spec.to_toml()
    assert "shown" in text
    for secret in ("sk-very-secret", "also-secret", "hidden"):
        assert secret not in text
        assert secret not in repr(spec)
    file = tmp_path / "spec.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"endpoint.headers.*X-Api-Key itself, which was left out"):
        build([read_toml(file)])
    assert REDACTED in text


def test_parameters_of_a_library(tmp_path: Path) -> None:
    given = ["top_p=0.9", "drop_params=true", "api_version=2024-02-01", 'stop=["a"]', "aws_secret_access_key=hide-me"]
    spec = settled(api="litellm", model="openai/m", requests=1, litellm_param=given)
    assert dict(spec.litellm_param) == {
        "top_p": 0.9,
        "drop_params": True,
        "api_version": "2024-02-01",
        "stop": ["a"],
        "aws_secret_access_key": "hide-me",
    }
    text = spec.to_toml()
    assert "hide-me" not in text
    file = tmp_path / "spec.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="aws_secret_access_key itself, which was left out"):
        build([read_toml(file)])
    kept = settled(api="litellm", model="openai/m", requests=1, litellm_param={"max_tokens": 5, "top_k": None})
    file.write_text(kept.to_toml(), encoding="utf-8")
    assert dict(build([read_toml(file)]).litellm_param) == {"max_tokens": 5, "top_k": None}


def test_layers_a_later_one_wins() -> None:
    spec = build([{"concurrency": (3, "file"), "requests": (5, "file")}, {"concurrency": ("7", "--concurrency")}])
    assert (spec.concurrency, spec.requests) == (7, 5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("concurrency", 0), ("concurrency", -1), ("concurrency", "many"), ("concurrency", True), ("requests", 0),
        ("requests", 1.5), ("duration_s", 0), ("duration_s", "inf"), ("duration_s", -3), ("timeout_s", "soon"),
        ("warmup", -1), ("seed", -1), ("seed", 2**60), ("input_tokens", "0"), ("output_tokens", "normal(5)"),
        ("api", "soap"), ("route", "embeddings"), ("base_url", "localhost:8000"), ("base_url", "ftp://x"),
        ("base_url", "http://h:99999"), ("base_url", "http://h:0"), ("base_url", "http://u:p@h/v1"),
        ("base_url", "http://h/v1?x=1"), ("base_url", "http://h/v1/chat/completions"), ("base_url", "http:///v1"),
        ("headers", ["no colon"]), ("headers", {"Host": "x"}), ("headers", {"A": "b\r\nC: d"}),
        ("headers", {"a b": "c"}),
        ("extra_body", "[1]"), ("extra_body", "{"), ("slo", ["ttft=1"]), ("slo", {"ttft_s": -1}), ("slo", 5),
        ("litellm_param", "top_p"), ("litellm_param", ["a b=1"]), ("litellm_param", {"stream": True}),
        ("litellm_param", 5), ("litellm_mode", "fast"), ("temperature", -1), ("temperature", "hot"),
        ("ignore_eos", "yes"), ("name", ""), ("speed", 0), ("tokenizer", " "), ("model", 5),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(key: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        build([{key: (value, "THE PLACE")}])
    assert str(caught.value).startswith("THE PLACE: ")
    assert "what fits: " in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=key):
        Spec(**{key: value})  # type: ignore[arg-type]


def test_a_bad_key_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        Spec(api_key="sk-secret\n")
    assert "sk-secret" not in str(caught.value)


def test_none_where_a_value_is_needed() -> None:
    with pytest.raises(InputError, match=r"load\.concurrency: None does not fit; what fits: a whole number"):
        Spec(concurrency=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"base_url": "http://h/v1"}, "neither --requests nor --duration"),
        ({"api": "openai"}, "--base-url: not given"),
        ({"model": "m"}, "--model: is for a server of yours"),
        ({"api": "emulator", "base_url": "http://h/v1"}, "--base-url: is for a server of yours"),
        (
            {"api": "litellm", "requests": 1},
            "--model: not given, give it as LiteLLM|--model: not given; give it as LiteLLM",
        ),
        ({"api": "litellm", "model": "a/b", "requests": 1, "extra_body": {"a": 1}}, "--litellm-param K=V"),
        ({"base_url": "http://h/v1", "requests": 1, "litellm_param": ["a=1"]}, "--litellm-param: is for --api litellm"),
        ({"base_url": "http://h/v1", "requests": 1, "litellm_mode": "sdk"}, "--litellm-mode: is for --api litellm"),
        ({"base_url": "http://h/v1", "requests": 1, "speed": 3}, "--speed: is for the embedded emulator"),
    ],
)
def test_contradictions(keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settled(**keys)


def test_resolving_settles_the_rest() -> None:
    environ = {"OPENAI_BASE_URL": "http://h:1/v1", "OPENAI_API_KEY": "k"}
    spec = Spec(api="openai", model="m", requests=1).resolved(environ, lambda: 42)
    assert (spec.base_url, spec.api_key, spec.seed) == ("http://h:1/v1", "k", 42)
    spec = Spec().resolved(environ, lambda: 42)
    assert (spec.api, spec.base_url, spec.requests, spec.speed) == ("emulator", None, 30, 10)
    with pytest.raises(InputError, match="OPENAI_BASE_URL"):
        Spec(api="openai", requests=1).resolved({"OPENAI_BASE_URL": "nonsense"}, lambda: 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concurrency = 3", r"concurrency: stands in the wrong table; its place is load\.concurrency"),
        ("[load]\nconcurency = 3", r"load\.concurency: there is no such key; did you mean load\.concurrency\?"),
        ("[load]\nmodel = 'x'", r"load\.model: stands in the wrong table"),
        ("[lod]\nrequests = 3", r"lod: there is no such key"),
        ("load = 3", r"load: 3 does not fit; it is a table"),
        ("[load]\nconcurrency = 'x'", r"load\.concurrency: 'x' does not fit"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_spec_file_with_a_fault_says_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bench.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        build([read_toml(file)])
    assert str(file) in str(caught.value)


def test_a_spec_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_toml(tmp_path / "absent.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_toml(tmp_path / "binary")


def test_every_key_has_help() -> None:
    assert all(field.metadata["help"] for field in KEYS.values())
