"""What a model's facts say: its body format, its units; and what the control plane answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support import ScriptedServer

from llmdyno.aws.clients import Aws
from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.models import (
    OPENAI_FORMATS_SINCE,
    body_format,
    describe,
    units_of,
    units_text,
)

OLD, NEW = OPENAI_FORMATS_SINCE - timedelta(days=1), OPENAI_FORMATS_SINCE


@pytest.mark.parametrize(
    ("architecture", "created", "expected"),
    [
        ("llama", NEW, "bedrock-completion"),
        ("mllama", OLD, "bedrock-completion"),
        ("qwen3_moe", NEW, "qwen"),
        ("Qwen2ForCausalLM", OLD, "qwen"),
        ("gpt_oss", NEW, "openai-chat"),
        ("GptOssForCausalLM", None, "openai-chat"),
        ("mistral", NEW, "openai-completion"),
        ("mixtral", OLD, "mistral"),
        ("mistral", None, "mistral"),
        (None, NEW, "bedrock-completion"),
    ],
)
def test_the_body_format_that_fits(architecture: str | None, created: Any, expected: str) -> None:
    found, why = body_format({"modelArchitecture": architecture, "creationTime": created})
    assert found == expected
    assert why.startswith(f"architecture {(architecture or 'unknown').lower()}")


def test_why_a_mistral_model_has_its_format() -> None:
    assert body_format({"modelArchitecture": "mistral", "creationTime": OLD}) == (
        "mistral",
        "architecture mistral, imported before the OpenAI formats were introduced",
    )


def test_units() -> None:
    model = {"customModelUnits": {"customModelUnitsPerModelCopy": 2, "customModelUnitsVersion": "v1.0"}}
    assert (units_of(model), units_text(model)) == ((2, "v1.0"), "2 CMU a copy (v1.0)")
    assert (units_of({}), units_text({})) == ((None, None), "? CMU a copy (?)")


def test_the_control_planes_answer(control_plane: Callable[..., ScriptedServer]) -> None:
    aws = Aws("us-east-1", None, control_plane().url.removesuffix("/v1"))
    found = describe(aws, "mine")
    assert (found["modelName"], units_of(found)) == ("mine", (8, "v1.0"))
    assert "ResponseMetadata" not in found
    aws.close()


def test_a_model_that_is_not_there(control_plane: Callable[..., ScriptedServer]) -> None:
    aws = Aws("us-east-1", None, control_plane(model=None).url.removesuffix("/v1"))
    with pytest.raises(InputError, match=r"mine: ResourceNotFoundException: no such model \(GetImportedModel\)"):
        describe(aws, "mine")
    aws.close()
