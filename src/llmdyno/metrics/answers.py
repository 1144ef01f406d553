"""The verdict's reasons about answers and tokens.

It takes the measured timeline, its figures and what was asked of every answer. It gives reasons, as
:mod:`~llmdyno.metrics.verdict` does for the host and the load.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from llmdyno.metrics.connections import closes_on_its_own
from llmdyno.metrics.remedies import Asked, Reason
from llmdyno.metrics.request import SERVER, TOKENIZER, RequestMetrics
from llmdyno.metrics.tokens import TEMPLATE_TOKENS, expected_cached, known_cached
from llmdyno.protocols.events import OTHER
from llmdyno.timeline.columns import MISSING, NO_COUNT, Column, Timeline

ABORTED, EMPTY = "aborted", "empty_answer"
"""The kinds of failure of an answer that the server gave up, and of one without any output."""

DISAGREEING_SHARE = 0.01
EXACT_DIFFERENCE = 0.02
ROUGH_DIFFERENCE = 0.25
OUTPUT_DIFFERENCE = 0.1
SCATTER = 0.25
"""How far a text may be from its own tokens when it is counted again. Random answers of 16 to 48 tokens gave 0.89 to
1.22 times as many, their total 1.01 times."""
CACHED_SHARE = 0.01
SHORTER_SHARE = 0.01
BURST_SHARE = 0.1
HIDDEN_SHARE = 0.01
_BURST_CHUNKS = 4
_LUMP_TOKENS = 8
_BURST_GAP_S = 0.001
_SILENCE_S = 0.1
_TENTH = 0.1


def answer_reasons(
    measured: Timeline, figures: RequestMetrics, asked: Asked, *, exact_tokens: bool
) -> list[Reason | None]:
    """The reasons about answers and tokens; None for each that does not hold.

    Args:
        measured: the measured requests.
        figures: of the same requests.
        asked: what was asked of every answer.
        exact_tokens: whether prompts were counted with the model's tokenizer, not approximated.
    """
    return [
        _counts(measured, figures, asked, EXACT_DIFFERENCE if exact_tokens else ROUGH_DIFFERENCE),
        _aborted(measured),
        _empty(measured, figures),
        _resent(measured),
        _hidden(figures),
        _cached(measured, figures),
        _shorter(measured, figures, asked),
        _bursts(measured, figures),
    ]


# --- counts of tokens


class _Disagreement(NamedTuple):
    """What disagrees, in which requests (bool), and the two counts (each of shape (requests,))."""

    what: str
    where: Column
    server: Column
    ours: Column


def _counts(timeline: Timeline, figures: RequestMetrics, asked: Asked, bound: float) -> Reason | None:
    """The disagreement that most requests show; of equal ones the first."""
    ok = figures.succeeded
    if not ok.any():
        return None
    server, counted = timeline.requests["server_input_tokens"], timeline.requests["input_tokens"]
    what = "input: the server and this client count different prompt lengths"
    found = [_Disagreement(what, _prompts_differ(server, counted, bound), server, counted)]
    found += _outputs_differ(timeline, figures, asked)
    worst = max(found, key=lambda one: int((one.where & ok).sum()))
    where = worst.where & ok
    share = float(where.sum() / ok.sum())
    if share <= DISAGREEING_SHARE:
        return None
    text = (
        f"token counts disagree in {100 * share:.0f}% of requests: {worst.what} "
        f"(median: {np.median(worst.server[where]):.0f} and {np.median(worst.ours[where]):.0f})"
    )
    return Reason("token_counts_disagree", share, DISAGREEING_SHARE, text)


def _prompts_differ(server: Column, counted: Column, bound: float) -> Column:
    """Where the server counts a prompt as shorter, or as longer than with a chat template, by more than a share."""
    excess = server - counted
    apart = (excess < -bound * counted) | (excess > bound * counted + TEMPLATE_TOKENS)
    return np.asarray((server != MISSING) & apart, bool)


def _outputs_differ(timeline: Timeline, figures: RequestMetrics, asked: Asked) -> list[_Disagreement]:
    """What may be odd about the server's count of output tokens, and where it is."""
    server, tokenizer = timeline.requests["server_output_tokens"], timeline.requests["tokenizer_output_tokens"]
    known = server != MISSING
    visible, chunks = figures.output_tokens - figures.hidden_tokens, figures.text_chunks
    counted = known & (tokenizer != MISSING)
    # A text need not give as many tokens as it was made of. Where the stream itself agrees, it is not counted again.
    judged = counted & ~_stream_agrees(timeline, figures)
    apart = _recounts_differ(visible, tokenizer, counted & figures.succeeded)
    most, bounded = _most_output(timeline, asked)
    return [
        _Disagreement(
            "output: the server counts more tokens than max_tokens", known & bounded & (server > most), server, most
        ),
        # One chunk more than tokens is a token that was split over two chunks.
        _Disagreement(
            "output: the server counts fewer tokens than output chunks arrived",
            known & (chunks > server + 1),
            server,
            chunks,
        ),
        _Disagreement(
            "output: the server and the tokenizer count different lengths", judged & apart, visible, tokenizer
        ),
    ]


def _recounts_differ(visible: Column, tokenizer: Column, counted: Column) -> Column:
    """Where the tokenizer counts another length than the server, by more than the text itself explains.

    Single texts scatter, and a run's total does not. So the bound is narrow only if the total is apart as well.
    """
    total = int(visible[counted].sum())
    all_apart = abs(total - int(tokenizer[counted].sum())) > OUTPUT_DIFFERENCE * total
    bound = OUTPUT_DIFFERENCE if all_apart else SCATTER
    return np.asarray(np.abs(visible - tokenizer) > bound * np.maximum(visible, 10), bool)


def _most_output(timeline: Timeline, asked: Asked) -> tuple[Column, bool]:
    """The bound on each request's output tokens, and whether there is one."""
    planned = timeline.requests["max_tokens"]
    if not asked.own_bound:
        return planned, True
    most = asked.most_output_tokens
    return np.full(len(planned), most or 0, np.int64), most is not None


def _stream_agrees(timeline: Timeline, figures: RequestMetrics) -> Column:
    """Where the chunks of a stream, or the server's running count, are as many as the tokens that the server counts."""
    server = timeline.requests["server_output_tokens"]
    visible = np.maximum(server - figures.hidden_tokens, 0)
    chunks = np.abs(visible - figures.text_chunks) <= np.maximum(1, OUTPUT_DIFFERENCE * visible)
    running = timeline.chunks["cumulative_tokens"]
    if not (running != NO_COUNT).any():
        return np.asarray(chunks, bool)
    agrees = np.array(chunks, bool)
    for index in np.flatnonzero(~agrees):
        counts = running[timeline.first_chunk[index] : timeline.first_chunk[index + 1]]
        counts = counts[counts != NO_COUNT]
        agrees[index] = len(counts) > 1 and abs(int(counts[-1]) - int(server[index])) <= 1 and counts[0] < counts[-1]
    return agrees


# --- answers


def _aborted(timeline: Timeline) -> Reason | None:
    count = int(np.sum(timeline.requests["error_kind"] == ABORTED))
    if not count:
        return None
    text = f"answers aborted: the server gave up {count} of {len(timeline)} answers"
    return Reason("answers_aborted", count, 0, text)


def _empty(timeline: Timeline, figures: RequestMetrics) -> Reason | None:
    """Answers without output: those that failed for it, and those that a model ended with its first token."""
    ended_at_once = int(np.sum(figures.succeeded & (figures.text_chunks == 0)))
    count = int(np.sum(timeline.requests["error_kind"] == EMPTY)) + ended_at_once
    if not count:
        return None
    text = f"answers empty: nothing was in {count} of {len(timeline)} answers"
    if ended_at_once:
        text += (
            f"; in {ended_at_once} of them the model ended its answer before any output, which is a success without a "
            "time to the first token"
        )
    return Reason("answers_empty", count, 0, text)


def _resent(timeline: Timeline) -> Reason | None:
    """Requests that were written twice. It is no reason if the server closes each connection anyway."""
    count = int(np.sum(timeline.requests["resends"] > 0))
    if not count or closes_on_its_own(timeline):
        return None
    text = (
        f"requests resent: {count} of {len(timeline)} requests were written twice, because the server closed a kept "
        "connection at the moment of the send; their latencies count from the last time"
    )
    return Reason("requests_resent", count, 0, text)


def _hidden(figures: RequestMetrics) -> Reason | None:
    ok = figures.succeeded
    total = int(figures.output_tokens[ok].sum())
    hidden = int(figures.hidden_tokens[ok].sum())
    share = hidden / total if total > 0 else 0.0
    if share <= HIDDEN_SHARE:
        return None
    some = ok & (figures.hidden_tokens > 0)
    text = (
        f"tokens hidden: the server counts {100 * share:.0f}% of the output tokens without streaming them, in "
        f"{int(some.sum())} requests (median {np.median(figures.hidden_tokens[some]):,.0f} a request); the gaps are "
        "those of the visible tokens, and the time to the first token includes the hidden ones before it"
    )
    return Reason("tokens_hidden", share, HIDDEN_SHARE, text)


def _cached(timeline: Timeline, figures: RequestMetrics) -> Reason | None:
    """Prompts are fresh, so the server can have seen no more of them than a template that begins every prompt."""
    known = known_cached(timeline)
    if not known.any():
        return None
    cached = timeline.requests["cached_input_tokens"]
    hit = known & (cached > expected_cached(timeline))
    share = float(hit.sum() / known.sum())
    if share <= CACHED_SHARE:
        return None
    text = (
        f"cache hits: in {100 * share:.0f}% of requests the server had more of the prompt in its cache than a chat "
        f"template explains (median {np.median(cached[hit]):,.0f} of {np.median(figures.input_tokens[hit]):,.0f} input "
        "tokens)"
    )
    return Reason("cache_hits", share, CACHED_SHARE, text)


def _shorter(timeline: Timeline, figures: RequestMetrics, asked: Asked) -> Reason | None:
    if not asked.ignore_eos:
        return None
    most, bounded = _most_output(timeline, asked)
    source = figures.output_tokens_source
    # A text that is counted again may have other lengths, so the tokenizer's count must fall short by more.
    enough = np.where(source == SERVER, most, most * (1 - OUTPUT_DIFFERENCE))
    known = figures.succeeded & np.isin(source.astype(str), (SERVER, TOKENIZER))
    if not bounded or not known.any():
        return None
    short = known & (figures.output_tokens < enough)
    share = float(short.sum() / known.sum())
    if share <= SHORTER_SHARE:
        return None
    text = (
        f"output shorter than asked: {100 * share:.0f}% of answers ended early although the end of text was to be "
        f"ignored (median: {np.median(figures.output_tokens[short]):.0f} of {np.median(most[short]):.0f} tokens)"
    )
    return Reason("output_shorter_than_asked", share, SHORTER_SHARE, text)


def _bursts(timeline: Timeline, figures: RequestMetrics) -> Reason | None:
    """Text that came in bursts after a silence: something on the way held it back.

    Either the whole text came within a tenth of the silence before it, a millisecond a chunk or faster; or it came in
    one chunk of eight tokens or more. Or more than half of the gaps are shorter than a tenth of the mean gap, and one
    is a silence. Chunks that arrived together count as coalesced, not as a burst.
    """
    spread = figures.succeeded & (figures.text_chunks >= _BURST_CHUNKS)
    visible = figures.output_tokens - figures.hidden_tokens
    lump = figures.succeeded & (figures.text_chunks == 1) & (visible >= _LUMP_TOKENS)
    count = int((spread | lump).sum())
    if not count:
        return None
    is_output = timeline.chunks["kind"] != OTHER
    bursts = int(lump.sum())
    for index in np.flatnonzero(spread):
        chunks = slice(timeline.first_chunk[index], timeline.first_chunk[index + 1])
        gaps = np.diff(timeline.chunks["arrival_ns"][chunks][is_output[chunks]]) / 1e9
        span, silence, apart = float(gaps.sum()), float(figures.ttft_s[index]), gaps > 0
        mean = span / len(gaps)
        at_once = silence > _SILENCE_S and span < _TENTH * silence and mean <= _BURST_GAP_S
        in_bursts = gaps.max() >= _SILENCE_S and float((apart & (gaps < _TENTH * mean)).mean()) > 0.5
        bursts += bool(apart.mean() > 0.5 and (at_once or in_bursts))
    share = bursts / count
    if share <= BURST_SHARE:
        return None
    text = (
        f"bursts after a silence: in {100 * share:.0f}% of answers the text came in bursts or all at once (bound "
        f"{100 * BURST_SHARE:.0f}%); something on the way held it back"
    )
    return Reason("bursts_after_silence", share, BURST_SHARE, text)
