"""Collects the chunks of a record from a decoder's events.

In: the times of the reads and the events of an answer. Out: the record's packed arrays, and the facts about the whole
answer. It does not know bytes or dialects.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from llmdyno.protocols.events import OTHER, Event, Failure, is_abort
from llmdyno.protocols.values import LARGEST_COUNT, without_surrogates
from llmdyno.timeline.record import RequestRecord

_FEW_CHUNKS = 4
"""Of fewer chunks nobody can tell what their counts mean."""


class Chunks:
    """Collects a record's chunks from events. A chunk arrived with the read that completed its event.

    `arrivals` and `reads`: the times of each read, ns. `received`: how much of the body had arrived after each read, in
    the unit of an event's `end`. `failure`: the first failure that the stream reports. `ended`: the stream's own end
    mark was there, after which nothing counts.
    """

    def __init__(
        self, arrivals: Sequence[int], reads: Sequence[int], received: Sequence[int], *, keep_text: bool
    ) -> None:
        self.failure: Failure | None = None
        self.ended = False
        self._from = arrivals, reads, received
        self._read = 0
        self._keep_text = keep_text
        self._texts: list[str] = []
        self._at, self._seen, self._kinds = array("q"), array("q"), array("b")
        self._characters, self._totals = array("i"), array("i")

    def take(self, record: RequestRecord, events: list[Event]) -> None:
        """Take the next events. Facts about the whole answer, such as its token count, go into the record now."""
        arrivals, reads, received = self._from
        last, read = len(reads) - 1, self._read
        at, seen, kinds = self._at.append, self._seen.append, self._kinds.append
        characters, totals = self._characters.append, self._totals.append
        if self.ended:
            return
        for index, event in enumerate(events):
            while received[read] < event.end and read < last:
                read += 1
            if event.failure is not None:
                self.failure = self.failure or event.failure
                continue
            kind, count = event.kind, event.output_tokens
            if count is not None and not 0 <= count <= LARGEST_COUNT:
                count = None
            at(arrivals[read])
            seen(reads[read])
            kinds(kind)
            characters(len(event.text))
            totals(-1 if count is None or kind == OTHER else count)
            if count is not None:
                record.server_output_tokens = count
            if event.input_tokens is not None:
                record.server_input_tokens = event.input_tokens
            if event.finish_reason is not None and not is_abort(record.finish_reason or ""):
                record.finish_reason = event.finish_reason
            if event.response_id is not None:
                record.response_id = event.response_id
            if event.cached_input_tokens is not None:
                record.cached_input_tokens = event.cached_input_tokens
            if event.reasoning_tokens is not None:
                record.reasoning_tokens = event.reasoning_tokens
            if event.server_latency_ms is not None:
                record.server_latency_ms = event.server_latency_ms
                record.server_first_byte_ms = event.server_first_byte_ms
            if event.service_tier is not None:
                record.service_tier = event.service_tier
            if event.end_mark:
                self.ended, record.end_ns = True, arrivals[read]
                events = events[: index + 1]
                break
        if self._keep_text:
            self._texts.extend(event.text for event in events if event.failure is None)
        self._read = read

    def put(self, record: RequestRecord) -> None:
        """Put the chunks into the record."""
        self._add_up(record)
        record.arrivals, record.reads = self._at.tobytes(), self._seen.tobytes()
        record.kinds, record.sizes = self._kinds.tobytes(), self._characters.tobytes()
        record.cumulative_tokens = self._totals.tobytes() if any(total >= 0 for total in self._totals) else b""
        if self._keep_text:
            record.text = without_surrogates("".join(self._texts))
        if record.finish_reason is not None:
            record.finish_reason = without_surrogates(record.finish_reason)
        if record.response_id is not None:
            record.response_id = without_surrogates(record.response_id)
        if record.service_tier is not None:
            record.service_tier = without_surrogates(record.service_tier)

    def _add_up(self, record: RequestRecord) -> None:
        """Make a running count of counts that tell the tokens of each chunk alone.

        A running count of at least one token a chunk cannot end below half the number of chunks.
        """
        counts = [total for kind, total in zip(self._kinds, self._totals, strict=True) if kind != OTHER]
        if len(counts) < _FEW_CHUNKS or min(counts) < 1 or max(counts) * 2 >= len(counts):
            return
        if record.server_output_tokens == counts[-1]:
            record.server_output_tokens = sum(counts)
        total = 0
        for index, kind in enumerate(self._kinds):
            if kind != OTHER:
                total += self._totals[index]
                self._totals[index] = total
