"""The work that waits until the load is over: it decodes kept answers, counts tokens and collects answers' texts.

In: records, one by one from the journal. Out: the same records, completed; token counts for the timeline; and the texts
of the answers, if the plan keeps them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llmdyno.errors import hidden
from llmdyno.timeline.columns import MISSING, Timeline
from llmdyno.timeline.record import RequestRecord, answer_of
from llmdyno.workload.plan import Plan


class Late:
    """Completes a run's records. `reader` reads answers whose bytes were kept; `secrets` are taken out of the errors
    that it finds. `answers`: texts by request number."""

    def __init__(
        self, plan: Plan, reader: Callable[[RequestRecord], None] | None, secrets: tuple[str, ...] = ()
    ) -> None:
        self.answers: dict[int, str] = {}
        self._reader = reader
        self._secrets = secrets
        self._keep_text = plan.keep_text
        self._counter = plan.counter if plan.counter.exact else None
        self._counted: dict[int, int] = {}

    def read(self, record: RequestRecord) -> RequestRecord:
        """Complete one record."""
        if record.body is not None and self._reader is not None:
            self._reader(record)
            if record.error_message:
                record = msgspec.structs.replace(record, error_message=hidden(record.error_message, self._secrets))
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
