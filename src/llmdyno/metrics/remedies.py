"""The verdict's closed list of reasons: which figures each one touches, and what to do about it.

It takes nothing and computes nothing. The reasons themselves are found in :mod:`~llmdyno.metrics.verdict` and
:mod:`~llmdyno.metrics.answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

ALL = "all figures"
_ARRIVALS = ("ttft_s", "inter_token_latency_s", "time_per_output_token_s")
_TOKENS = (
    "time_per_output_token_s",
    "inter_token_latency_s",
    "request_output_throughput_token_per_s",
    "output_token_per_s",
)
_SCHEDULED = ("ttft_scheduled_s", "end_to_end_scheduled_s")
_HOST = "this host may be the cause"


class Remedy(NamedTuple):
    """What a reason touches, by the figures' names in summary.json, and what to do about it."""

    touches: tuple[str, ...]
    do: str


REMEDIES: Mapping[str, Remedy] = {
    "read_lag": Remedy(
        ("inter_token_latency_s", *_SCHEDULED),
        f"{_HOST}: stop other programs on it, lower the load, or use a host with more cores",
    ),
    "cpu_near_limit": Remedy(
        (ALL,), f"{_HOST}: lower the concurrency or the rate, or use a faster host; llmdyno selftest shows its limit"
    ),
    "concurrency_never_reached": Remedy(
        ("output_token_per_s", "request_per_s"), "send more requests than users, or let the run last longer"
    ),
    "token_counts_disagree": Remedy(
        ("input_tokens", *_TOKENS), "give the model's own tokenizer with --tokenizer, and check the server's usage"
    ),
    "too_few_samples": Remedy(("p90", "p95", "p99"), "send more requests with --requests or --duration"),
    "errors_present": Remedy((ALL,), "read the failures, and cure them or lower the load"),
    "sends_late": Remedy(
        _SCHEDULED, f"{_HOST}: stop other programs on it, lower the rate, or use a host with more cores"
    ),
    "plan_under_delivered": Remedy(
        (*_SCHEDULED, "request_per_s"),
        f"{_HOST}, or --max-concurrency holds requests back: raise that limit or lower the rate",
    ),
    "connections_churned": Remedy(
        ("ttft_with_connection_s", "end_to_end_latency_with_connection_s", *_SCHEDULED),
        "let the server or the proxy keep connections open (keep-alive), or use a longer --timeout",
    ),
    "chunks_coalesced": Remedy(
        ("inter_token_latency_s",), "turn off buffering in the server or in a proxy on the way; read TPOT instead"
    ),
    "cold_start_in_window": Remedy((ALL,), "wake the model first (--warm), or wait until it has all its copies"),
    "loop_lag": Remedy((*_ARRIVALS, *_SCHEDULED), f"{_HOST}: stop other programs on it, or lower the load"),
    "sdk_clock": Remedy(
        (*_ARRIVALS, "end_to_end_latency_s"), "use --litellm-mode wire; else this host's CPU is in the figures"
    ),
    "answers_aborted": Remedy(
        (ALL,), "look at the server's log: it gave up answers that it had begun, for example for want of memory"
    ),
    "answers_empty": Remedy(
        ("ttft_s", "end_to_end_latency_s", "request_output_throughput_token_per_s", "output_token_per_s"),
        "if the model ends its answers at once, send --ignore-eos or other prompts; else check the model, the prompt's "
        "length and the server's log",
    ),
    "requests_resent": Remedy(
        ("ttft_s", "end_to_end_latency_s", *_SCHEDULED),
        "raise the server's or the proxy's keep-alive timeout; the server may have seen these requests twice",
    ),
    "tokens_hidden": Remedy(
        ("ttft_s", "request_output_throughput_token_per_s", "output_token_per_s"),
        "let the server stream its reasoning, or read the time to the first token as the time of the reasoning too",
    ),
    "cache_hits": Remedy(
        ("ttft_s", "end_to_end_latency_s", *_SCHEDULED),
        "send prompts that the server has not seen (no --same-prompts), or turn off its prefix cache",
    ),
    "output_shorter_than_asked": Remedy(
        ("end_to_end_latency_s", "output_token_per_s", "output_tokens"),
        "ask for fewer tokens, or raise the server's context length or its limit on the output",
    ),
    "bursts_after_silence": Remedy(
        _ARRIVALS,
        f"turn off buffering in the server or in a proxy on the way; if there is none, {_HOST}: look at its CPU",
    ),
}
"""Every reason, in the order in which the verdict gives them."""

REASONS = tuple(REMEDIES)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its name in :data:`REASONS`, its number, the bound that the number broke, and both as a sentence."""

    reason: str
    value: float
    bound: float
    text: str

    def as_json(self) -> dict[str, Any]:
        """The reason as it is in summary.json, with the figures that it touches and what to do."""
        remedy = REMEDIES[self.reason]
        return {
            "reason": self.reason,
            "value": self.value,
            "bound": self.bound,
            "text": self.text,
            "touches": list(remedy.touches),
            "do": remedy.do,
        }


class Asked(NamedTuple):
    """What was asked of every answer.

    `ignore_eos`: the server was to go on to the length asked for. `own_bound`: whether the user's own body fields set
    or remove the bound on the output, in place of each request's max_tokens. `most_output_tokens`: that bound; None:
    they set none.
    """

    ignore_eos: bool = False
    most_output_tokens: int | None = None
    own_bound: bool = False


NOTHING_ASKED = Asked()
"""Nothing but each request's max_tokens."""
