"""Tokenizer files, chat templates, and GPT-OSS's generation_config.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.model_folder import make_folder

from llmdyno.services.bedrock_import.folder.files import list_files
from llmdyno.services.bedrock_import.folder.tokenizer import check_generation, check_tokenizer, template_source

CONFIG = "tokenizer_config.json"
FAST = "T5TokenizerFast, LlamaTokenizerFast, CodeLlamaTokenizerFast, GPT2TokenizerFast, GPTNeoXTokenizerFast, "
NO_TEMPLATE = (
    "? : has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); add one, or Converse "
    "and chat bodies will not work on the model"
)
BROKEN = "is not a JSON object; save the model again, or copy the file again"


def found(path: Path, files: dict[str, Any]) -> list[str]:
    made = list_files(make_folder(path / "m", files))
    return [("" if one.refused else "? ") + str(one.error) for one in check_tokenizer(made)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, []),
        ({"tokenizer.json": None}, [": has neither tokenizer.json nor tokenizer.model; save the tokenizer in it too"]),
        (
            {"tokenizer.json": None, "tokenizer.model": b"x"},
            [
                "? : has no tokenizer.json, which the service's documents ask for; save the fast tokenizer too "
                "(AutoTokenizer, save_pretrained)"
            ],
        ),
        ({"tokenizer.json": "{"}, [f"tokenizer.json: {BROKEN}"]),
        ({CONFIG: None}, [f": has no {CONFIG}; save the tokenizer in it too"]),
        ({CONFIG: "[]"}, [f"{CONFIG}: {BROKEN}"]),
        (
            {CONFIG: {"tokenizer_class": "TokenizersBackend", "chat_template": "x"}},
            [
                f"{CONFIG}: the tokenizer_class TokenizersBackend is not supported; save the tokenizer as one of "
                f"these: {FAST}PreTrainedTokenizerFast, Qwen2TokenizerFast"
            ],
        ),
        (
            {CONFIG: {"tokenizer_class": "LlamaTokenizer", "chat_template": "x"}},
            [
                "? : has no tokenizer.model, and LlamaTokenizer reads one; copy it too, if the tokenizer is a "
                "SentencePiece model"
            ],
        ),
        ({CONFIG: {"tokenizer_class": "LlamaTokenizer", "chat_template": "x"}, "tokenizer.model": b"x"}, []),
        ({CONFIG: {"tokenizer_class": "T5Tokenizer", "chat_template": "x"}, "spiece.model": b"x"}, []),
        ({CONFIG: {"tokenizer_class": "LlamaTokenizerFast", "chat_template": "x"}}, []),
        ({CONFIG: {}}, [NO_TEMPLATE]),
        ({CONFIG: {}, "chat_template.jinja": "{{ messages }}"}, []),
        ({CONFIG: {"chat_template": " x\n"}, "chat_template.jinja": "x"}, []),
        (
            {CONFIG: {"chat_template": "x"}, "chat_template.jinja": "y"},
            [
                f"? chat_template.jinja: is another chat template than {CONFIG}'s; the service takes this one; take "
                "out the one that is not meant"
            ],
        ),
        ({CONFIG: {}, "chat_template.json": {"chat_template": "x"}}, []),
        (
            {CONFIG: {}, "chat_template.json": {}},
            ["chat_template.json: has no chat_template; write the template under that key"],
        ),
        ({CONFIG: {}, "chat_template.json": "x"}, [f"chat_template.json: {BROKEN}"]),
        ({CONFIG: {}, "chat_template.jinja": ""}, [NO_TEMPLATE]),
    ],
)
def test_tokenizer_files(tmp_path: Path, files: dict[str, Any], expected: list[str]) -> None:
    assert found(tmp_path, files) == expected


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({}, CONFIG),
        ({"chat_template.jinja": "x", "chat_template.json": "{}"}, "chat_template.jinja"),
        ({"chat_template.json": "{}"}, "chat_template.json"),
        ({CONFIG: {"chat_template": [{"name": "default", "template": "x"}]}}, CONFIG),
        ({CONFIG: {}}, None),
        ({CONFIG: "["}, None),
        ({CONFIG: None}, None),
    ],
)
def test_where_the_chat_template_comes_from(tmp_path: Path, files: dict[str, Any], source: str | None) -> None:
    assert template_source(list_files(make_folder(tmp_path, files))) == source


EOS = "[200002, 199999, 200012]"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, ": has no generation_config.json, which GPT-OSS needs"),
        ("[", f"generation_config.json: {BROKEN}"),
        ({}, "generation_config.json: eos_token_id lacks 200002, 199999, 200012, so that GPT-OSS does not stop where"),
        (
            {"eos_token_id": 200002},
            "generation_config.json: eos_token_id lacks 199999, 200012, so that GPT-OSS does not",
        ),
        ({"eos_token_id": [200012, 199999, 200002, 1]}, None),
    ],
)
def test_gpt_oss_needs_three_ends(tmp_path: Path, content: Any, problem: str | None) -> None:
    files = list_files(make_folder(tmp_path, {"generation_config.json": content}))
    lines = [str(one.error) for one in check_generation(files, "GptOssForCausalLM")]
    assert [line.startswith(str(problem)) for line in lines] == ([] if problem is None else [True]), lines
    if content not in (None, "["):
        assert list(check_generation(files, "LlamaForCausalLM")) == []
    if lines and content != "[":
        assert lines[0].endswith(f'write {{"eos_token_id": {EOS}}} into it')
