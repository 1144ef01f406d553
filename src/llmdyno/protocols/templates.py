"""Chat templates, for body formats whose server applies no template.

It takes a template's name, or the text of a tokenizer's configuration, and a user's prompt. It gives the text that the
model was trained on. It reads no files. Sources: the templates that Meta (Llama 3), DeepSeek (R1) and the ChatML
family publish with their tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TEMPLATES: dict[str, Callable[[str], str]] = {
    "none": lambda prompt: prompt,
    "llama3": lambda prompt: (
        f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{prompt}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "deepseek_r1": lambda prompt: f"<｜begin▁of▁sentence｜><｜User｜>{prompt}<｜Assistant｜><think>\n",
    "chatml": lambda prompt: f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n",
}
"""Each takes the user's message and opens the assistant's turn after it."""


def from_tokenizer_config(text: str) -> Callable[[str], str]:
    """The template in a `tokenizer_config.json`, rendered with Jinja as Hugging Face's tokenizers render it.

    Args:
        text: the content of the file.

    Raises:
        ValueError: the file has no template, or its template does not render a user's message.
        ImportError: Jinja is missing.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        config = json.loads(text)
    except RecursionError:
        raise ValueError("it is too deep for a configuration") from None
    source = config.get("chat_template") if isinstance(config, dict) else None
    if isinstance(source, list):  # several templates, by name
        named = (one for one in source if isinstance(one, dict) and one.get("name") == "default")
        source = next(named, {}).get("template")
    if not isinstance(source, str):
        raise ValueError("it has no chat_template")
    tokens = {name: _token(config.get(name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    try:
        template = environment.from_string(source)

        def render(prompt: str) -> str:
            messages = [{"role": "user", "content": prompt}]
            return str(template.render(messages=messages, add_generation_prompt=True, **tokens))

        render("x").encode()
    except Exception as error:  # a template is a program of somebody else's, and may fail like any other
        why = str(error) or type(error).__name__
        raise ValueError(f"its chat_template does not render: {why}") from None
    return render


def _token(value: Any) -> str:
    """The text of a special token, which is a text or an object with the text as its `content`."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""
