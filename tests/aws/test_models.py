"""Which foundation model the control plane names behind an identifier, and what is said where it names none."""

from __future__ import annotations

import pytest
from tests.emulator.serving import serving

from llmdyno.aws.models import ASKED, ask_base_model

OWN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "/dev/null")
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", **files}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("application-inference-profile", "a1b2c3d4e5f6", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("inference-profile", "us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("provisioned-model", "a1b2c3d4e5f6", "meta.llama3-1-8b-instruct-v1:0"),
        ("custom-model-deployment", "a1b2c3d4e5f6", "amazon.nova-lite-v1:0"),
    ],
)
def test_the_foundation_model_and_who_named_it(kind: str, name: str, found: str) -> None:
    with serving() as running:
        url = f"http://127.0.0.1:{running.port}"
        assert ask_base_model(f"{OWN}{kind}/{name}", kind, "us-east-1", None, url) == (found, ASKED[kind])


def test_a_refusal_is_an_answer() -> None:
    with serving() as running:
        url = f"http://127.0.0.1:{running.port}"
        found = ask_base_model(f"{OWN}inference-profile/odd", "inference-profile", "us-east-1", None, url)
    assert found == (None, "GetInferenceProfile did not say: ResourceNotFoundException")
