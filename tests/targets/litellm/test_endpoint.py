"""Where LiteLLM is told to send requests to AWS, and when it is refused."""

from __future__ import annotations

import pytest

from llmdyno.errors import InputError
from llmdyno.targets.litellm.endpoint import endpoint_of, nothing_configured, refuse_key_in_the_clear

URL = "http://127.0.0.1:8080"


@pytest.mark.parametrize("provider", ["bedrock", "bedrock_converse"])
def test_bedrock_gets_a_parameter_unless_the_user_gave_one(provider: str) -> None:
    asked: list[str] = []

    def configured(service: str) -> str:
        asked.append(service)
        return URL

    assert endpoint_of(provider, {"temperature": 0}, configured) == {"aws_bedrock_runtime_endpoint": URL}
    assert asked == ["bedrock-runtime"]
    for given in ("api_base", "aws_bedrock_runtime_endpoint"):
        assert endpoint_of(provider, {given: "http://mine"}, configured) == {}
    assert endpoint_of(provider, {}, nothing_configured) == {}


@pytest.mark.parametrize(
    ("provider", "service", "own"),
    [
        ("sagemaker", "sagemaker-runtime", "sagemaker_base_url"),
        ("sagemaker_chat", "sagemaker-runtime", "sagemaker_base_url"),
        ("bedrock_mantle", "bedrock-mantle", "api_base"),
        ("amazon_nova", "amazon-nova", "api_base"),
    ],
)
def test_what_litellm_cannot_move_is_refused(provider: str, service: str, own: str) -> None:
    with pytest.raises(InputError) as caught:
        endpoint_of(provider, {}, lambda name: URL if name == service else None)
    assert caught.value.where == "--model"
    assert caught.value.problem.startswith(
        f"AWS's endpoint variables move {service}, and LiteLLM's {provider} does not"
    )
    assert caught.value.fits == f"give --litellm-param {own}=URL, or unset them"
    assert endpoint_of(provider, {own: "http://mine"}, lambda name: URL) == {}
    assert endpoint_of(provider, {}, nothing_configured) == {}


@pytest.mark.parametrize("provider", ["openai", "anthropic", "hosted_vllm"])
def test_other_providers_are_left_alone(provider: str) -> None:
    assert endpoint_of(provider, {}, lambda name: URL) == {}


@pytest.mark.parametrize("provider", ["bedrock", "bedrock_converse"])
@pytest.mark.parametrize("name", ["api_base", "aws_bedrock_runtime_endpoint"])
def test_a_key_goes_without_tls_to_this_machine_only(provider: str, name: str) -> None:
    for given, bearer, where in (({"api_key": "k"}, None, "--api-key"), ({}, "k", "AWS_BEARER_TOKEN_BEDROCK")):
        with pytest.raises(InputError) as caught:
            refuse_key_in_the_clear(provider, {name: "http://far.example:8080", **given}, bearer)
        assert str(caught.value) == (
            f"{where}: would go to far.example in the clear; "
            "use an https:// URL, or leave it out and use AWS credentials"
        )
        for url in (URL, "http://localhost:1", "https://far.example"):
            refuse_key_in_the_clear(provider, {name: url, **given}, bearer)
        refuse_key_in_the_clear("openai", {name: "http://far.example", **given}, bearer)
        refuse_key_in_the_clear(provider, given, bearer)
    refuse_key_in_the_clear(provider, {name: "http://far.example"}, None)
