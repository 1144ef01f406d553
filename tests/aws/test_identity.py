"""Every kind of identifier that the runtime takes, as AWS's documents and its service model write them."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import botocore
import pytest

from llmdyno.aws.identity import KINDS, base_model_of, check_model, kind_of, region_of
from llmdyno.errors import InputError

OWN = "arn:aws:bedrock:us-east-1:123456789012:"
SONNET = "anthropic.claude-3-5-sonnet-20241022-v2:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
MARKETPLACE = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/my-endpoint"

IDENTIFIERS = [
    ("my-model", "imported-model", None, None),
    ("a1b2c3d4e5f6", "imported-model", None, None),
    (OWN + "imported-model/a1b2c3d4e5f6", "imported-model", None, "us-east-1"),
    (SONNET, "foundation-model", SONNET, None),
    ("amazon.nova-lite-v1:0:300k", "foundation-model", "amazon.nova-lite-v1:0:300k", None),
    ("deepseek.v3.2", "foundation-model", "deepseek.v3.2", None),
    ("moonshotai.kimi-k2.5", "foundation-model", "moonshotai.kimi-k2.5", None),
    ("newcomer.model-1", "foundation-model", "newcomer.model-1", None),
    (f"arn:aws:bedrock:us-west-2::foundation-model/{LLAMA}", "foundation-model", LLAMA, "us-west-2"),
    (f"us.{SONNET}", "inference-profile", SONNET, None),
    (f"eu.{SONNET}", "inference-profile", SONNET, None),
    (f"apac.{SONNET}", "inference-profile", SONNET, None),
    (f"us-gov.{SONNET}", "inference-profile", SONNET, None),
    ("global.amazon.nova-2-lite-v1:0", "inference-profile", "amazon.nova-2-lite-v1:0", None),
    ("mars.deepseek.v3.2", "inference-profile", "deepseek.v3.2", None),
    ("us.newcomer.model-1", "inference-profile", "newcomer.model-1", None),
    (f"{OWN}inference-profile/us.{LLAMA}", "inference-profile", LLAMA, "us-east-1"),
    (f"{OWN}inference-profile/odd", "inference-profile", None, "us-east-1"),
    (OWN + "application-inference-profile/a1b2c3d4e5f6", "application-inference-profile", None, "us-east-1"),
    (OWN + "custom-model-deployment/a1b2c3d4e5f6", "custom-model-deployment", None, "us-east-1"),
    (OWN + "provisioned-model/a1b2c3d4e5f6", "provisioned-model", None, "us-east-1"),
    (OWN + "prompt-router/a1b2c3d4e5f6", "prompt-router", None, "us-east-1"),
    (OWN + "default-prompt-router/anthropic.claude:1", "prompt-router", None, "us-east-1"),
    (MARKETPLACE, "marketplace-endpoint", None, "eu-west-1"),
    ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/" + LLAMA, "foundation-model", LLAMA, "us-gov-west-1"),
]


@pytest.mark.parametrize(("model", "kind", "base", "region"), IDENTIFIERS)
def test_what_an_identifier_names(model: str, kind: str, base: str | None, region: str | None) -> None:
    assert check_model(model) == kind_of(model) == kind
    assert (base_model_of(model), region_of(model)) == (base, region)


def test_awss_own_pattern_takes_every_one_of_them() -> None:
    data = Path(botocore.__file__).parent / "data/bedrock-runtime/2023-09-30/service-2.json.gz"
    shapes = json.loads(gzip.decompress(data.read_bytes()))["shapes"]
    theirs = re.compile(shapes["InvokeModelIdentifier"]["pattern"])
    assert [model for model, *_ in IDENTIFIERS if theirs.fullmatch(model) is None] == []
    assert {kind for _, kind, *_ in IDENTIFIERS} == set(KINDS)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            f"{OWN}custom-model/amazon.nova-lite-v1:0/a1b2c3d4e5f6",
            "is a custom model, which cannot be called by itself; deploy it and give the deployment's ARN, or buy "
            "provisioned throughput and give its ARN",
        ),
        (
            f"{OWN}prompt/ABCDEFGHIJ:1",
            "is a prompt, which cannot be called by itself; give the model's ID: a stored prompt brings its own "
            "messages, and these are ours",
        ),
        (f"{OWN}guardrail/abc", "is a guardrail, which cannot be called by itself; give an imported model,"),
        ("arn:aws:s3:::bucket", "is no identifier that Bedrock's runtime takes; give an imported model, a foundation"),
        ("bad name!", "is no identifier that Bedrock's runtime takes"),
        ("us.", "is no identifier that Bedrock's runtime takes"),
        ("a/b", "is no identifier that Bedrock's runtime takes"),
        ("-", "is no identifier that Bedrock's runtime takes"),
    ],
)
def test_what_cannot_be_called(model: str, message: str) -> None:
    assert kind_of(model) is None
    assert base_model_of(model) is None
    with pytest.raises(InputError) as refused:
        check_model(model)
    assert str(refused.value).startswith(f"--model: {model!r} {message}")
