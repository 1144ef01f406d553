"""The timeline: what happened, facts only.

It takes what the transports stamped. It gives :class:`~llmdyno.timeline.record.RequestRecord`, one request as the
run's journal keeps it, and :class:`~llmdyno.timeline.columns.Timeline`, a whole run in columns. It computes no figure,
so that a new definition never needs a new run.

Schema history (every file that a run leaves has its ``SCHEMA_VERSION``):

1. The first: requests and chunks, times in ns after the run's origin on one monotonic clock.
2. Requests have `cached_input_tokens`, `reasoning_tokens`, `resends`, `first_sent_ns` and `resend_reason`. Chunks know
   the kinds of tool calls (3) and refusals (4). A directory of version 1 reads as before, without these. Later files of
   this version have `service_tier` too; a reader that does not know it leaves it out.
"""

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
