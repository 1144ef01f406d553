"""What AWS documents of imported models, as a number. It imports nothing, so that naming the service costs nothing."""

from __future__ import annotations

IDLE_S = 300.0
"""A model without a call scales to zero after this long, as AWS documents it. One AWS page says an hour."""
