"""Whether a model is an imported one, from its name."""

from __future__ import annotations

import pytest
from tests.services.runs import ARN

from llmdyno.services.bedrock_import.identity import imported_model_arn, imported_model_region

GOV = "arn:aws-us-gov:bedrock:us-gov-west-1::imported-model/x"


@pytest.mark.parametrize(
    ("model", "arn", "region"),
    [
        (ARN, ARN, "us-east-1"),
        (f"bedrock/llama/{ARN}", ARN, "us-east-1"),
        (f"bedrock/{ARN}", ARN, "us-east-1"),
        (GOV, GOV, "us-gov-west-1"),
    ],
)
def test_an_imported_model(model: str, arn: str, region: str) -> None:
    assert imported_model_arn(model) == arn
    assert imported_model_region(model) == region


@pytest.mark.parametrize(
    "model",
    [
        None,
        "",
        "my-model",
        "bedrock/anthropic.claude-3",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc",
        "arn:aws:bedrock:us-east-1:123456789012:imported-model/",
        "notarn:aws:bedrock:us-east-1:123456789012:imported-model/a",
        "arn:aws:s3:::imported-model/a",
    ],
)
def test_another_model(model: str | None) -> None:
    assert imported_model_arn(model) is None
    assert imported_model_region(model) is None
