"""Weights: headers, shards, their index, their size."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.model_folder import INDEX, ONE, TWO, make_folder, safetensors

from llmdyno.services.bedrock_import.folder.files import list_files
from llmdyno.services.bedrock_import.folder.weights import check_weights, read_header

AGAIN = "; save the model again, or copy the file again"
GONE: dict[str, Any] = {ONE: None, TWO: None, INDEX: None}


def found(path: Path, files: dict[str, Any], architecture: str = "LlamaForCausalLM") -> list[str]:
    made = list_files(make_folder(path / "m", files))
    return [("" if one.refused else "? ") + str(one.error) for one in check_weights(made, architecture)]


def raw(header: object, more: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + more


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a safetensors file: its header has no length"),
        (b"a" * 3000, "is not a safetensors file: its header has no length"),
        (b"PK\x03\x04", "is not a safetensors file: its header has no length"),
        ((500).to_bytes(8, "little") + b"{", "is cut off within its header (9 bytes of 508 or more)"),
        (raw([]), "is not a safetensors file: its header is no JSON object"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "is not a safetensors file: its header is no JSON object"),
        ((2).to_bytes(8, "little") + b"{x", "is not a safetensors file: its header is no JSON object"),
        (raw({"__metadata__": {}}), "holds no tensor"),
        (safetensors(a=1000)[:-1], "is cut off: 2,109 bytes of 2,110"),
        (safetensors(a=1000) + b"more", "has 4 bytes behind its last tensor"),
        (
            raw({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
            "describes the tensor a wrongly",
        ),
        (raw({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [8, 0]}}), "describes the tensor a wrongly"),
        (raw({"a": {"shape": [4], "data_offsets": [0, 8]}}, bytes(8)), "describes the tensor a wrongly"),
        (
            raw({"a": {"dtype": "BF16", "shape": ["4"], "data_offsets": [0, 8]}}, bytes(8)),
            "describes the tensor a wrongly",
        ),
        (raw({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0]}}, bytes(8)), "describes the tensor a wrongly"),
        (raw({"a": 5}), "describes the tensor a wrongly"),
    ],
)
def test_a_file_that_is_damaged(tmp_path: Path, content: bytes, problem: str) -> None:
    assert found(tmp_path, {**GONE, "model.safetensors": content}) == [f"model.safetensors: {problem}{AGAIN}"]


def test_a_header_gives_its_tensors(tmp_path: Path) -> None:
    content = safetensors(a=3, b=0)
    (tmp_path / "x").write_bytes(content)
    assert read_header(tmp_path / "x", len(content)) == {
        "a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
        "b": {"dtype": "BF16", "shape": [0], "data_offsets": [6, 6]},
    }


def test_a_type_that_is_not_known_is_let_through(tmp_path: Path) -> None:
    content = raw({"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}, bytes(2))
    assert found(tmp_path, {**GONE, "model.safetensors": content}) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({TWO: None}, [f"{INDEX}: {TWO} is not there, of 2 shards; copy the model again"]),
        (
            {INDEX: None},
            [f"? : has 2 *.safetensors and no {INDEX}; copy it too, or save the model again"],
        ),
        (
            {INDEX: None, ONE: None},
            [f": {ONE} is not there, of 2 shards; copy the model again"],
        ),
        ({INDEX: "["}, [f"{INDEX}: is not a JSON object{AGAIN}"]),
        ({INDEX: {"weight_map": {}}}, [f"{INDEX}: has no weight_map with a file for each tensor{AGAIN}"]),
        ({INDEX: {"weight_map": {"a": 5}}}, [f"{INDEX}: has no weight_map with a file for each tensor{AGAIN}"]),
        (
            {INDEX: {"weight_map": {"a": ONE, "b": TWO, "c": TWO, "d": ONE}}},
            [
                f"{INDEX}: 2 of 4 tensors are not in the file that it names, such as c; copy the index that belongs to "
                "these files, or save the model again"
            ],
        ),
        (
            {"consolidated.safetensors": safetensors(a=1, b=1)},
            [
                f"? consolidated.safetensors: {INDEX} names no tensor of it; it would be uploaded all the same; take "
                "it out of the folder, unless the service needs it"
            ],
        ),
        (
            {INDEX: None, ONE: None, TWO: None, "model-00002-of-00006.safetensors": safetensors(a=1)},
            [
                ": model-00001-of-00006.safetensors, model-00003-of-00006.safetensors, "
                "model-00004-of-00006.safetensors and 2 more are not there, of 6 shards; copy the model again"
            ],
        ),
    ],
)
def test_shards_and_their_index(tmp_path: Path, files: dict[str, Any], expected: list[str]) -> None:
    assert found(tmp_path, files) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ": has no *.safetensors; save the weights with safe_serialization=True"),
        (
            {"pytorch_model-00001-of-00002.bin": b"x", "pytorch_model-00002-of-00002.bin": b"x"},
            ": has no *.safetensors, only pytorch_model-00001-of-00002.bin, pytorch_model-00002-of-00002.bin; save the "
            "weights with safe_serialization=True",
        ),
        (
            {"model.Q4_K_M.gguf": b"x"},
            ": has no *.safetensors, only model.Q4_K_M.gguf; save the weights with safe_serialization=True",
        ),
        (
            {"deep/model.safetensors": safetensors(a=1)},
            ": has no *.safetensors beside config.json, only deep/model.safetensors; move them beside config.json",
        ),
    ],
)
def test_no_weights(tmp_path: Path, files: dict[str, Any], expected: str) -> None:
    assert found(tmp_path, {**GONE, **files}) == [expected]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (safetensors("F8_E4M3", 1, **{"a.weight": 4}), "a.weight as F8_E4M3"),
        (safetensors("I8", 1, **{"a.weight": 4}), "a.weight as I8"),
        (safetensors("U8", 1, **{"a.weight": 4}), "a.weight as U8"),
        (safetensors("I32", 4, **{"a.qweight": 4}), "a.qweight as I32"),
        (safetensors("F32", 4, **{"a.weight_scale_inv": 4}), "a.weight_scale_inv as F32"),
        (safetensors("U8", 1, **{"a.mask": 4}), None),
        (safetensors("F32", 4, **{"a.weight": 4}), None),
    ],
)
def test_weights_that_are_quantized_without_saying_so(tmp_path: Path, content: bytes, what: str | None) -> None:
    files = {**GONE, "model.safetensors": content}
    problem = f"model.safetensors: holds quantized weights ({what}); import the weights in bfloat16 or float16"
    assert found(tmp_path, files) == ([] if what is None else [problem])
    assert found(tmp_path, files, "GptOssForCausalLM") == []


@pytest.mark.parametrize(
    ("architecture", "gigabytes", "problem"),
    [
        ("LlamaForCausalLM", 150, None),
        ("LlamaForCausalLM", 200, "has 200 GB of weights; the service takes less than 200 GB"),
        (
            "MllamaForConditionalGeneration",
            100,
            "has 100 GB of weights; the service takes less than 100 GB of a model that takes images",
        ),
        ("T5ForConditionalGeneration", 150, None),
    ],
)
def test_weights_that_are_too_large(tmp_path: Path, architecture: str, gigabytes: int, problem: str | None) -> None:
    count = gigabytes * 10**9 // 2
    content = raw({"a": {"dtype": "BF16", "shape": [count], "data_offsets": [0, 2 * count]}})
    path = make_folder(tmp_path / "m", {**GONE, "model.safetensors": content})
    os.truncate(path / "model.safetensors", len(content) + 2 * count)  # sparse: it uses no disk
    lines = [str(one.error) for one in check_weights(list_files(path), architecture)]
    assert lines == ([] if problem is None else [f": {problem}"])
