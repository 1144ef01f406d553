"""Chat templates: the published texts, and a tokenizer's own."""

from __future__ import annotations

import json

import pytest

from llmdyno.protocols.templates import TEMPLATES, from_tokenizer_config

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_a_tokenizers_own_template_agrees_with_ours() -> None:
    assert from_tokenizer_config(json.dumps({"chat_template": CHATML}))("hi") == TEMPLATES["chatml"]("hi")


def test_special_tokens_and_named_templates() -> None:
    named = [
        {"name": "tool_use", "template": "x"},
        {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"},
    ]
    config = {"chat_template": named, "bos_token": {"content": "<s>"}}
    assert from_tokenizer_config(json.dumps(config))("hi") == "<s>hi"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{}", "it has no chat_template"),
        ("[]", "it has no chat_template"),
        ('{"chat_template": "{% if %}"}', "does not render"),
        ("[" * 100_000, "it is too deep for a configuration"),
        ('{"chat_template": [1, null, "a"]}', "it has no chat_template"),
        ('{"chat_template": "{{ 1/0 }}"}', "does not render: division by zero"),
        ('{"chat_template": "{% for i in range(10**12) %}x{% endfor %}"}', "does not render: Range too big"),
        ('{"chat_template": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"}', "does not render: maximum recursion"),
        ('{"chat_template": "\\ud800{{ messages[0].content }}"}', "does not render: 'utf-8' codec can't encode"),
        ('{"chat_template": "{{ raise_exception(\'only tools\') }}"}', "only tools"),
    ],
)
def test_what_is_no_template(config: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_tokenizer_config(config)


def test_the_published_texts() -> None:
    assert TEMPLATES["none"]("hi") == "hi"
    assert TEMPLATES["deepseek_r1"]("hi").endswith("<｜User｜>hi<｜Assistant｜><think>\n")
    assert TEMPLATES["llama3"]("hi").count("<|start_header_id|>") == 2
