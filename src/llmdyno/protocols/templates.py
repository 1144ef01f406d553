"""Chat templates for body formats that apply none themselves. PURE.

In: a template's name and a user's prompt. Out: the text that the model was trained to see. Sources: the
templates that Meta (Llama 3), DeepSeek (R1) and the ChatML family publish with their tokenizers.
"""

from __future__ import annotations

from collections.abc import Callable

TEMPLATES: dict[str, Callable[[str], str]] = {
    "none": lambda prompt: prompt,
    "llama3": lambda prompt: (
        f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{prompt}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "deepseek_r1": lambda prompt: f"<｜begin▁of▁sentence｜><｜User｜>{prompt}<｜Assistant｜><think>\n",
    "chatml": lambda prompt: f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n",
}
"""Each puts one user message in place and opens the assistant's turn."""
