"""A model folder before it is imported: what is accepted, what is missing, what is too large."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.imports import ARCHITECTURES, check_folder

FILES: dict[str, str | None] = {
    "config.json": json.dumps({"architectures": ["LlamaForCausalLM"]}),
    "model-00001-of-00002.safetensors": "a" * 3000,
    "model-00002-of-00002.safetensors": "b" * 2000,
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
    ".cache": "hidden",
}
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def make_folder(path: Path, **files: str | None) -> Path:
    path.mkdir()
    for name, text in {**FILES, **files}.items():
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    return path


def config(architecture: str) -> str:
    return json.dumps({"architectures": [architecture]})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_that_can_be_imported(tmp_path: Path, architecture: str) -> None:
    folder = check_folder(make_folder(tmp_path / "m", **{"config.json": config(architecture)}))
    assert folder.architecture == architecture
    assert sorted(folder.files) == sorted(name for name in FILES if name != ".cache")
    assert folder.total_bytes == 5004 + len(config(architecture))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": None}, "has no config.json; save the model with its configuration"),
        ({"config.json": "["}, "is not a JSON object"),
        ({"config.json": "[]"}, "is not a JSON object"),
        ({"config.json": "[" * 100_000}, "is not a JSON object"),
        ({"config.json": config("BertModel")}, "the architecture BertModel is not supported; supported: Llama"),
        ({"config.json": "{}"}, "the architecture None is not supported"),
        ({ONE: None, TWO: None}, "has no *.safetensors; save the weights with safe_serialization=True"),
        ({"tokenizer.json": None}, "has neither tokenizer.json nor tokenizer.model; save the tokenizer in it too"),
        ({"tokenizer_config.json": None}, "has no tokenizer_config.json; save the tokenizer in it too"),
        ({"adapter_config.json": "{}"}, "holds an adapter; merge it into its base model"),
    ],
)
def test_a_folder_that_cannot(tmp_path: Path, files: dict[str, str | None], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_folder(make_folder(tmp_path / "m", **files))
    assert message in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder; name the folder that holds the saved model"):
        check_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("architecture", "gigabytes", "fits"),
    [("LlamaForCausalLM", 200, False), ("LlamaForCausalLM", 150, True), ("MllamaForConditionalGeneration", 100, False)],
)
def test_weights_that_are_too_large(tmp_path: Path, architecture: str, gigabytes: int, fits: bool) -> None:
    folder = make_folder(tmp_path / "m", **{"config.json": config(architecture)})
    with (folder / "large.safetensors").open("wb") as file:
        file.truncate(gigabytes * 10**9)  # sparse: it uses no disk
    if fits:
        assert check_folder(folder).total_bytes > 10**11
    else:
        with pytest.raises(InputError, match=rf"{gigabytes} GB of weights; the service takes less than {gigabytes} GB"):
            check_folder(folder)
