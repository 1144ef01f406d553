"""Specs: built from layers, held exactly, and checked for what does not depend on the API."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.load import Ramp, Stage
from llmdyno.spec.spec import build, check_ends, check_tls, refuse, resolve_common


def test_values_are_held_exactly() -> None:
    spec = Spec(input_tokens=500, timeout_s="10m", slo=["ttft_s=0.5"], ramp="1:2:3", stages="rate=1,duration=2")
    assert spec.input_tokens == Distribution("fixed", 500)
    assert (spec.timeout_s, spec.slo, spec.ramp) == (600.0, {"ttft_s": 0.5}, Ramp(1, 2, 3))
    assert spec.stages == (Stage(2.0, rate=1.0),)
    assert dataclasses.replace(spec, name="again").stages == spec.stages
    assert Spec(timeout_s=600) == Spec()


def test_a_spec_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Spec().concurrency = 3  # type: ignore[misc]


def test_a_later_layer_wins() -> None:
    spec = build([{"concurrency": (3, "file"), "requests": (5, "file")}, {"concurrency": ("7", "--concurrency")}])
    assert (spec.concurrency, spec.requests) == (7, 5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("concurrency", 0), ("requests", 1.5), ("duration_s", "inf"), ("timeout_s", "soon"), ("warmup", -1),
        ("seed", 2**60), ("input_tokens", "0"), ("output_tokens", "normal(5)"), ("api", ""), ("route", 5),
        ("body_format", "yaml"), ("base_url", "localhost:8000"), ("headers", ["no colon"]), ("extra_body", "[1]"),
        ("slo", ["ttft=1"]), ("litellm_param", "top_p"), ("litellm_mode", "fast"), ("temperature", -1),
        ("ignore_eos", "yes"), ("name", ""), ("speed", 0), ("tokenizer", " "), ("model", 5), ("rate", 0),
        ("ramp", "1:2"), ("arrivals", "gamma(11)"), ("stages", []), ("time_scale", "1e400"), ("http_version", "2"),
        ("throttle_pause_s", -1), ("retry_throttled", -1), ("max_concurrency", 0),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(key: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        build([{key: (value, "THE LABEL")}])
    assert str(refused.value).startswith("THE LABEL: ")
    assert "does not fit; what fits: " in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=rf"^(\w+\.)?{key}: "):
        Spec(**{key: value})  # type: ignore[arg-type]


def test_none_where_a_value_is_needed() -> None:
    with pytest.raises(InputError) as refused:
        Spec(concurrency=None)  # type: ignore[arg-type]
    assert str(refused.value) == "load.concurrency: None does not fit; what fits: a whole number from 1 up"


def test_the_seed_is_settled_once() -> None:
    assert resolve_common(Spec(), lambda: 42).seed == 42
    assert resolve_common(Spec(seed=0), lambda: 42).seed == 0


@pytest.mark.parametrize(
    ("keys", "prompts_seed"),
    [
        ({}, 42),
        ({"seed": 7}, 42),
        ({"seed": 7, "prompts_seed": 8}, 42),  # a run's own spec.toml: its prompts may be in the server's cache
        ({"seed": 7, "prompts_seed": 8, "same_prompts": True}, 8),
        ({"seed": 7, "same_prompts": True}, 7),  # the spec.toml of a version without a seed of the prompts
    ],
)
def test_prompts_are_fresh_unless_asked_for_again(keys: dict[str, Any], prompts_seed: int) -> None:
    assert resolve_common(Spec(**keys), lambda: 42).prompts_seed == prompts_seed


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"insecure": True, "ca_file": "x"},
            "--insecure and --ca-file: one verifies the certificate, the other does not; give one",
        ),
        ({"client_key": "x"}, "--client-key: has no certificate to go with; add --client-cert"),
    ],
)
def test_keys_of_tls_that_contradict_each_other(keys: Any, message: str) -> None:
    for check in (check_tls, lambda spec: resolve_common(spec, lambda: 1)):
        with pytest.raises(InputError) as refused:
            check(Spec(**keys))
        assert str(refused.value) == message


def test_a_load_that_contradicts_itself_is_not_resolved() -> None:
    with pytest.raises(InputError, match="--rate and --ramp"):
        resolve_common(Spec(rate=1, ramp="1:2:3"), lambda: 1)


def test_a_load_must_end() -> None:
    check_ends(Spec(requests=1))
    check_ends(Spec(ramp="1:2:3"))
    with pytest.raises(InputError, match="--requests: neither --requests nor --duration is given"):
        check_ends(Spec())


def test_keys_of_another_api_are_refused() -> None:
    spec = Spec(speed=3, litellm_param=["a=1"])
    refuse(spec, ("deployment", "litellm_mode", "extra_body"), "another", "or do this")
    with pytest.raises(InputError) as refused:
        refuse(spec, ("deployment", "speed"), "the embedded emulator", "or leave --api out")
    assert str(refused.value) == "--speed: is for the embedded emulator; leave it out, or leave --api out"
    with pytest.raises(InputError, match="--litellm-param: is for LiteLLM"):
        refuse(spec, ("litellm_param",), "LiteLLM", "or add --api litellm")
