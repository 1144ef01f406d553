"""The timeline: what happened, facts only.

In: what the engine stamped. Out: :class:`~llmdyno.timeline.record.RequestRecord`, one request as it is
appended to the run's journal, and :class:`~llmdyno.timeline.columns.Timeline`, a whole run in columns.
No figure is computed here: a new definition never needs a new run.

Schema history (``SCHEMA_VERSION`` stands in every file that a run leaves):

1. The first: requests and chunks, times in ns after the run's origin on one monotonic clock.
"""

SCHEMA_VERSION = 1
