"""Chooses the token counter that a spec asks for: a tokenizer of this machine, or the built-in approximation."""

from __future__ import annotations

from llmdyno.host.tokenizer import load_tokenizer
from llmdyno.workload.tokens import Approximation, TokenCounter


def load_counter(name: str | None) -> TokenCounter:
    """The counter for a spec's `tokenizer`; None asks for the approximation.

    Raises:
        InputError: the name leads to no tokenizer, or the `tokenizers` library is not installed.
    """
    return Approximation() if name is None else load_tokenizer(name)
