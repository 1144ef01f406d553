"""Which tokens a run's requests are billed for. PURE.

In: a timeline, its figures, how its tokens were counted. Out: :class:`Usage`: the tokens of each request that was sent,
between two bounds. Warm-up requests are included, because they are billed too. It knows no price and no service.

A count of the server's is exact. Everything else is bounded:

- The server gives no count: the prompt has our count, or 30% more or 23% less where no tokenizer counted it, and up to
  64 tokens of a chat template. The answer has at least a token a chunk, and at most max_tokens.
- A request failed: what a service bills for it is unknown. It bills nothing, or its prompt and the tokens that arrived.
  Where our side ended the answer, or the connection broke, the service may have written on, up to max_tokens.
- A request was refused with a status from 400 to 499: nothing was processed, and nothing is billed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmdyno.metrics.request import RequestMetrics
from llmdyno.metrics.tokens import TEMPLATE_TOKENS
from llmdyno.protocols.events import BROKEN_STREAM, MALFORMED_EVENT
from llmdyno.timeline.columns import MISSING, Column, Timeline
from llmdyno.timeline.record import CANCELLED, OK, TIMEOUT

Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOW, BEST, HIGH = range(3)
"""The bounds of a count, and the best guess between them: the rows of every array of counts."""
_SPREAD = 1.3
"""By which factor a prompt's count may be wrong that no tokenizer made."""
_CUT = (TIMEOUT, BROKEN_STREAM, MALFORMED_EVENT)
"""Kinds of failure after which the service may have gone on writing."""


@dataclass(frozen=True)
class Usage:
    """The tokens of the requests that were sent, sorted by their number.

    `fresh`, `cached`, `output`: input tokens that did not come from a cache, those that did, and output tokens; shape
    (3, requests), the rows are :data:`LOW`, :data:`BEST` and :data:`HIGH`. `answered`: whether the answer is complete.
    `refused`: whether a status from 400 to 499 came. `counted`: whether the server counted input and output.
    `measured`: whether it is no warm-up. Each has the shape (requests,).
    """

    fresh: Counts
    cached: Counts
    output: Counts
    answered: Bools
    refused: Bools
    counted: Bools
    measured: Bools

    def __len__(self) -> int:
        return len(self.answered)

    @property
    def failed(self) -> Bools:
        """Whether a request was sent, was not refused, and was not answered whole; shape (requests,)."""
        return ~self.answered & ~self.refused

    @property
    def estimated(self) -> Bools:
        """Whether a request was answered and the server did not count its tokens; shape (requests,)."""
        return self.answered & ~self.counted

    def only(self, rows: Bools) -> Usage:
        """The requests for which `rows` holds; shape (requests,)."""
        fresh, cached, output = (counts[:, rows] for counts in (self.fresh, self.cached, self.output))
        flags = (flag[rows] for flag in (self.answered, self.refused, self.counted, self.measured))
        return Usage(fresh, cached, output, *flags)


def usage_of(
    timeline: Timeline, figures: RequestMetrics, measured: Bools, *, exact: bool, most: int | None = None
) -> Usage:
    """The tokens of a run.

    Args:
        timeline: all requests, warm-up included.
        figures: of the same requests.
        measured: whether each is no warm-up; shape (requests,).
        exact: whether a tokenizer counted the prompts.
        most: the user's own bound on the output tokens of a request; None: each request's max_tokens is the bound.
    """
    sent = np.asarray(timeline.requests["sent_ns"] != MISSING, bool)
    requests = {name: column[sent] for name, column in timeline.requests.items()}
    if most is not None:
        requests["max_tokens"] = np.full(len(requests["max_tokens"]), most)
    known = figures.only(sent)
    answered = np.asarray(requests["state"] == OK, bool)
    refused = ~answered & (requests["http_status"] >= 400) & (requests["http_status"] < 500)
    failed = ~answered & ~refused
    inputs, outputs = _inputs(requests, exact), _outputs(requests, known)
    cut = failed & (np.isin(requests["error_kind"].astype(str), _CUT) | (requests["state"] == CANCELLED))
    outputs[HIGH] = np.where(cut, np.maximum(outputs[HIGH], requests["max_tokens"]), outputs[HIGH])
    for counts in (inputs, outputs):
        counts[LOW:HIGH, failed] = 0
        counts[:, refused] = 0
    # A request that was written again may have been read twice.
    inputs[HIGH] += np.where(requests["resends"] > 0, requests["resends"], 0) * inputs[HIGH]
    told = requests["cached_input_tokens"] != MISSING
    cached = np.minimum(np.where(told, np.maximum(requests["cached_input_tokens"], 0), 0), inputs)
    counted = (requests["server_input_tokens"] != MISSING) & (requests["server_output_tokens"] != MISSING)
    return Usage(inputs - cached, cached, outputs, answered, refused, counted, measured[sent])


def _inputs(requests: dict[str, Column], exact: bool) -> Counts:
    """The input tokens of each request; shape (3, requests)."""
    server, ours, cached = (requests[name] for name in ("server_input_tokens", "input_tokens", "cached_input_tokens"))
    # Some servers count cached tokens beside the input tokens rather than among them.
    server = np.where((server != MISSING) & (cached > server), server + cached, server)
    factor = 1.0 if exact else _SPREAD
    guesses = np.floor(ours / factor), ours, np.ceil(ours * factor) + TEMPLATE_TOKENS
    return np.stack([np.where(server != MISSING, server, guess) for guess in guesses]).astype(np.int64)


def _outputs(requests: dict[str, Column], figures: RequestMetrics) -> Counts:
    """The output tokens of each request; shape (3, requests). A failed request has those that arrived."""
    best = figures.output_tokens
    reasoning = requests["reasoning_tokens"]
    # Some servers count reasoning tokens beside the output tokens rather than among them.
    server_high = np.where((reasoning != MISSING) & (reasoning > best), best + reasoning, best)
    known = requests["server_output_tokens"] != MISSING
    answered = requests["state"] == OK
    low = np.where(known, best, np.minimum(best, figures.text_chunks))
    most = np.maximum(best, np.where(answered, requests["max_tokens"], 0))
    high = np.where(known, server_high, most)
    return np.stack([low, best, high]).astype(np.int64)
