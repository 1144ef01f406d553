"""Chooses the token counter of a spec: a tokenizer on this machine, or the built-in approximation."""

from __future__ import annotations

from llmdyno.host.tokenizer import load_tokenizer
from llmdyno.workload.tokens import Approximation, TokenCounter


def load_counter(name: str | None) -> TokenCounter:
    """The counter for a spec's `tokenizer`. None means the approximation.

    Raises:
        InputError: there is no tokenizer of that name, or the `tokenizers` library is not installed.
    """
    return Approximation() if name is None else load_tokenizer(name)
