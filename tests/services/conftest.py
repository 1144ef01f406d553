"""A server that answers for AWS, and keys for it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support import ScriptedServer, response


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and a region, and nothing of this machine's own configuration."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


MODEL = {
    "modelArn": "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6",
    "modelName": "mine",
    "modelArchitecture": "llama",
    "customModelUnits": {"customModelUnitsPerModelCopy": 8, "customModelUnitsVersion": "v1.0"},
}


@pytest.fixture
def control_plane(keys: None, scripted: Callable[..., ScriptedServer]) -> Callable[..., ScriptedServer]:
    """Makes a server that answers GetImportedModel (`model`; None: it is refused) and then each POST by its script."""

    def make(*answers: bytes, model: dict[str, object] | None = MODEL) -> ScriptedServer:
        refused = response(
            b'{"message": "no such model"}', "404 Not Found", more="x-amzn-errortype: ResourceNotFoundException\r\n"
        )
        server = scripted(*([answer] for answer in answers or (b"",)))
        server.models = refused if model is None else response(json.dumps(model).encode())
        return server

    return make
