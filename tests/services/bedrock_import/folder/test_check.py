"""A model folder before it is imported: what is accepted, and that all that is wrong is told at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.model_folder import FILES, INDEX, LLAMA, ONE, TWO, make_folder, safetensors

from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.folder.check import Checked, check_folder
from llmdyno.services.bedrock_import.folder.facts import ARCHITECTURES

EOS = {"eos_token_id": [200002, 199999, 200012]}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5000000000\n"


def lines(checked: Checked, path: Path) -> list[str]:
    """All findings, without the folder's path; a doubt begins with a question mark."""
    found = [str(one.error) for one in checked.refused] + [f"? {one.error}" for one in checked.doubts]
    return [line.replace(f"{path}/", "").replace(str(path), "FOLDER") for line in found]


def check(path: Path, files: dict[str, Any] | None = None, region: str | None = "us-east-1") -> list[str]:
    return lines(check_folder(make_folder(path / "m", files), region), path / "m")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_of_each_architecture(tmp_path: Path, architecture: str) -> None:
    family = ARCHITECTURES[architecture]
    config = {**LLAMA, "architectures": [architecture], "model_type": family.model_type}
    path = make_folder(tmp_path, {"config.json": config, "generation_config.json": EOS, "preprocessor_config.json": {}})
    checked = check_folder(path, "us-east-1")
    assert (checked.refused, checked.doubts) == ((), ())
    assert (checked.folder.architecture, checked.folder.template) == (architecture, "tokenizer_config.json")
    names = {*FILES, "generation_config.json", "preprocessor_config.json"} - {".cache"}
    assert set(checked.folder.files) == names
    assert checked.folder.total_bytes == sum((path / name).stat().st_size for name in names)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder; name the folder that holds the saved model"):
        check_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "m: has no config.json; save the model with its configuration"),
        ("[", "m/config.json: is not a JSON object; save the model again, or copy the file again"),
        ("[]", "m/config.json: is not a JSON object"),
        ("", "m/config.json: is not a JSON object"),
        ("[" * 100_000, "m/config.json: is not a JSON object"),
        (b"\xff", "m/config.json: is not UTF-8 text"),
        (POINTER, "m/config.json: is a Git LFS pointer, not the file itself; fetch the files (git lfs pull)"),
    ],
)
def test_without_a_configuration_nothing_else_can_be_said(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_folder(make_folder(tmp_path / "m", {"config.json": content}))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    files = {
        "config.json": {
            "architectures": ["GptOssForCausalLM"],
            "max_position_embeddings": 1_048_576,
            "quantization_config": {"quant_method": "bitsandbytes"},
            "transformers_version": "5.0.1",
        },
        TWO: None,
        "tokenizer_config.json": {"tokenizer_class": "TokenizersBackend"},
    }
    found = check(tmp_path, files, "eu-central-1")
    assert [line.partition(";")[0] for line in found] == [
        "--region: eu-central-1: the service imports no GPT-OSS there",
        "config.json: max_position_embeddings is 1,048,576",
        "config.json: quantization_config: the weights are quantized (bitsandbytes)",
        "config.json: transformers 5.0.1 wrote it, whose files transformers 4.51.3 does not read",
        f"{INDEX}: {TWO} is not there, of 2 shards",
        "tokenizer_config.json: the tokenizer_class TokenizersBackend is not supported",
        "FOLDER: has no generation_config.json, which GPT-OSS needs",
        "? FOLDER: has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"adapter_config.json": {}},
            ["FOLDER: holds an adapter; merge it into its base model (merge_and_unload) and save the result"],
        ),
        (
            {"modules.json": [], "1_Pooling/config.json": {}},
            [
                "FOLDER: holds an embedding model (modules.json), and the service imports none; "
                "import a model that generates text"
            ],
        ),
        (
            {"quantize_config.json": {}, "hf_quant_config.json": {}},
            [
                f"{name}: says that the weights are quantized; import the weights in bfloat16 or float16"
                for name in ("quantize_config.json", "hf_quant_config.json")
            ],
        ),
        (
            {ONE: POINTER, TWO: POINTER, "tokenizer.json": POINTER, "tokenizer_config.json": POINTER},
            [
                f"{name}: is a Git LFS pointer, not the file itself; fetch the files (git lfs pull)"
                for name in (ONE, TWO, "tokenizer.json", "tokenizer_config.json")
            ],
        ),
        ({"training_args.bin": b"small"}, []),
    ],
)
def test_folders_that_hold_something_else(tmp_path: Path, files: dict[str, Any], expected: list[str]) -> None:
    assert check(tmp_path, files) == expected


def test_weights_that_would_be_uploaded_for_nothing(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "m", {"original/consolidated.00.pth": b"", "optimizer.pt": b""})
    for name in ("original/consolidated.00.pth", "optimizer.pt"):
        os.truncate(path / name, 8_000_000_000)  # sparse: it uses no disk
    assert lines(check_folder(path), path) == [
        "? FOLDER: optimizer.pt and 1 more: 16.00 GB that the service does not read; take them out of the folder, or "
        "they are uploaded too"
    ]


def test_a_model_that_takes_images_has_a_processor(tmp_path: Path) -> None:
    config = {**LLAMA, "architectures": ["MllamaForConditionalGeneration"], "model_type": "mllama"}
    assert check(tmp_path, {"config.json": config}) == [
        "? FOLDER: has no preprocessor_config.json, and the model takes images; save the processor in it too"
    ]


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    """As in the cache of a hub: names are links to blobs."""
    path = make_folder(tmp_path / "m", {ONE: None})
    (tmp_path / "blob").write_bytes(safetensors(a=1000))
    (path / ONE).symlink_to(tmp_path / "blob")
    assert lines(check_folder(path), path) == []
    (tmp_path / "blob").unlink()
    assert lines(check_folder(path), path) == [f"{INDEX}: {ONE} is not there, of 2 shards; copy the model again"]
