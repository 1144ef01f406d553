"""The work that waits until the load is over: it decodes kept answers, counts tokens and collects answers' texts.

In: records, one by one from the journal. Out: the same records, completed; token counts for the timeline; the texts of
the answers, and each answer as a line of answers.jsonl, if the plan keeps them.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable

from llmdyno.protocols.events import REASONING, REFUSAL, TEXT, TOOL
from llmdyno.spec.masking import Masker
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import RequestRecord, answer_of
from llmdyno.transports.conceal import conceal_record
from llmdyno.workload.plan import Plan

_KINDS = {TEXT: "text", REASONING: "reasoning", TOOL: "tool", REFUSAL: "refusal"}


def answer_line(record: RequestRecord) -> bytes:
    """One answer as a line of answers.jsonl: the request, how it ended, and its text by kind."""
    text, start = record.text or "", 0
    parts: dict[str, list[str]] = {name: [] for name in _KINDS.values()}
    for size, kind in zip(array("i", record.sizes), record.kinds, strict=True):
        if kind in _KINDS:
            parts[_KINDS[kind]].append(text[start : start + size])
        start += size
    line = {
        "request": record.request,
        "phase": record.phase,
        "attempt": record.attempt,
        "state": record.state,
        "error": record.error_message,
        "finish_reason": record.finish_reason,
        **{name: "".join(found) for name, found in parts.items()},
    }
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


class Late:
    """Completes a run's records. `reader` reads answers whose bytes were kept; `secrets` are masked in what it
    finds. `answers`: texts by request number. `keep_answers`: the run directory keeps answers.jsonl."""

    def __init__(
        self, plan: Plan, reader: Callable[[RequestRecord], None] | None, secrets: tuple[str, ...] = ()
    ) -> None:
        self.answers: dict[int, str] = {}
        self._reader = reader
        self._mask = Masker(secrets)
        self.keep_answers = plan.keep_answers
        self._keep_text = plan.keep_text
        self._counter = plan.counter if plan.counter.exact else None
        self._counted: dict[int, int] = {}

    def read(self, record: RequestRecord) -> RequestRecord:
        """Complete one record."""
        if record.body is not None and self._reader is not None:
            self._reader(record)
            if self._mask:
                conceal_record(record, self._mask)
        if record.text is not None and self._counter is not None:
            self._counted[record.request] = self._counter.count(record.text)
        if self._keep_text:
            self.answers[record.request] = answer_of(record)
        return record

    def finish(self, timeline: Timeline) -> Timeline:
        """The timeline with the counted tokens in it."""
        for index, number in enumerate(timeline.requests["request"].tolist() if self._counted else ()):
            timeline.requests["tokenizer_output_tokens"][index] = self._counted.get(number, MISSING)
        return timeline
