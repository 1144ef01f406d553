"""The largest load that a spec may ask for. PURE.

In: nothing. Out: numbers. They are far beyond what one client can send, and small enough that a plan within them is
made in a minute at most and fits into memory. What is larger is a mistake, such as a number in the wrong unit.
"""

from __future__ import annotations

MOST_REQUESTS = 10_000_000
"""Requests of one plan: 100 requests a second for more than a day."""

MOST_TOKENS = 10_000_000
"""Tokens of one prompt or of one answer. The largest context window of a public model has as many."""

MOST_PLAN_TOKENS = 1_000_000_000_000
"""Tokens of all prompts and answers of one plan."""

MOST_TOKENS_IN_FLIGHT = 1_000_000_000
"""Tokens of the prompts that are in flight at once. They are about 5 GB of text in this process's memory."""

MOST_USERS = 1_000_000
"""Users of a closed loop, or requests in flight. The system's own limits on connections are lower."""

MOST_RETRIES = 1_000
"""How often one request may be sent again."""

FASTEST_PER_S = 10_000_000.0
"""Requests a second."""

FASTEST_PER_HOUR = 1_000_000.0
"""Requests an hour of a projection."""

LONGEST_S = 365 * 86_400.0
"""Seconds of any duration: a year."""

SLOWEST_SPEED, FASTEST_SPEED = 0.001, 1_000_000.0
"""How many times faster than real time an emulator may run."""

LONGEST_TEXT = 4096
"""Characters of a name or a path."""

DEEPEST = 64
"""Levels of a JSON object."""
