"""Tokens by what they are: by kind, hidden ones, cached ones, and those that the server adds to a prompt.

It takes the measured timeline, its figures and the tokens of its chunks. It gives plain dictionaries, as they are under
`tokens` in summary.json. It does not judge them; the verdict does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics
from llmdyno.protocols.events import REASONING, REFUSAL, TEXT, TOOL
from llmdyno.timeline.columns import MISSING, Column, Timeline

KINDS = {"text": TEXT, "reasoning": REASONING, "tool": TOOL, "refusal": REFUSAL}
"""The kinds of output, by their names in summary.json."""

TEMPLATE_TOKENS = 64
"""The most tokens that a chat template adds to a prompt. The server counts them, and we do not."""


def token_figures(measured: Timeline, figures: RequestMetrics, tokens: NDArray[np.int32]) -> dict[str, Any]:
    """Tokens by what they are.

    Args:
        measured: the measured requests.
        figures: of the same requests.
        tokens: of each chunk, shape (chunks,).

    Returns:
        `by_kind`: the tokens of all output chunks by their kind, without the hidden ones. `not_streamed`: the requests
        that have hidden tokens, their total and its share of all output tokens. `cached`: the requests whose answer has
        a count of cached input tokens, their total, its share of these requests' input tokens, and under `expected` how
        many of them a chat template can explain. `beyond_prompt`: the
        median number of input tokens that the server counts beyond the prompt (a chat template, or another tokenizer)
        and its share of the server's count. Each is None where no request has such a count.
    """
    return {
        "by_kind": {name: int(tokens[measured.chunks["kind"] == kind].sum()) for name, kind in KINDS.items()},
        "not_streamed": _hidden(figures),
        "cached": _cached(measured, figures),
        "beyond_prompt": _beyond_prompt(measured, figures),
    }


def chunks_by_kind(measured: Timeline) -> dict[str, int]:
    """How many output chunks of each kind arrived."""
    return {name: int((measured.chunks["kind"] == kind).sum()) for name, kind in KINDS.items()}


def known_cached(measured: Timeline) -> Column:
    """Of which requests that succeeded the server counts the cached input tokens; shape (requests,), bool."""
    cached = measured.requests["cached_input_tokens"]
    return np.asarray((cached != MISSING) & (measured.requests["state"] == "ok"), bool)


def expected_cached(measured: Timeline) -> Column:
    """The most input tokens of each request that the server can have in its cache; shape (requests,).

    Prompts are fresh, so these are the tokens of a template that begins every prompt: what the server counts beyond the
    prompt, or :data:`TEMPLATE_TOKENS`.
    """
    server, prompt = measured.requests["server_input_tokens"], measured.requests["input_tokens"]
    return np.asarray(np.maximum(np.where(server == MISSING, 0, server - prompt), TEMPLATE_TOKENS), np.int64)


def _hidden(figures: RequestMetrics) -> dict[str, Any] | None:
    some = figures.succeeded & (figures.hidden_tokens > 0)
    if not some.any():
        return None
    total, all_tokens = int(figures.hidden_tokens[some].sum()), int(figures.output_tokens[figures.succeeded].sum())
    return {"requests": int(some.sum()), "total": total, "share": total / all_tokens if all_tokens else None}


def _cached(measured: Timeline, figures: RequestMetrics) -> dict[str, Any] | None:
    known = known_cached(measured)
    if not known.any():
        return None
    cached, inputs = measured.requests["cached_input_tokens"][known], figures.input_tokens[known]
    # Some servers count cached tokens beside the input tokens rather than among them.
    total, all_inputs = int(cached.sum()), int(np.where(cached > inputs, inputs + cached, inputs).sum())
    return {
        "requests": int(known.sum()),
        "total": total,
        "share": total / all_inputs if all_inputs else None,
        "expected": int(np.minimum(cached, expected_cached(measured)[known]).sum()),
    }


def _beyond_prompt(measured: Timeline, figures: RequestMetrics) -> dict[str, Any] | None:
    server = measured.requests["server_input_tokens"]
    known = figures.succeeded & (server > 0)
    if not known.any():
        return None
    beyond = server[known] - measured.requests["input_tokens"][known]
    return {"p50": float(np.median(beyond)), "share": float(np.median(beyond / server[known]))}
