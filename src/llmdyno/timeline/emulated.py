"""What an emulator says of itself: its label, in the header of every answer. A leaf; it knows no emulator's code.

In: the label's text, or a server's URL. Out: :class:`Emulated`; None for a real server. Who measures reads it to call
the figures emulated, and to take spans back to real speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEADER = "x-llmdyno-emulated"
"""``profile=…; speed=…; since=…``."""


@dataclass(frozen=True, slots=True)
class Emulated:
    """An emulator's profile and speed; its own time stands at the wall clock's at `since_unix_s` (None: unknown) and
    runs `speed` times as fast."""

    profile: str
    speed: float = 1.0
    since_unix_s: float | None = None

    def now(self, unix_s: float) -> float:
        """Its own time, unix seconds, at a moment of the wall clock."""
        since_s = self.since_unix_s
        return unix_s if since_s is None else since_s + (unix_s - since_s) * self.speed


def label_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The label in an answer's headers, also where LiteLLM's proxy handed them on; None: there is none."""
    name = HEADER.encode()
    found = headers.get(name) or headers.get(b"llm_provider-" + name)
    return found.decode("latin-1") if found else None


def read_label(label: str | None) -> Emulated | None:
    """The label's facts; None where there is no label."""
    if not label:
        return None
    facts = dict(part.strip().partition("=")[::2] for part in label.split(";"))
    return Emulated(facts.get("profile", "unknown"), _number(facts.get("speed")) or 1.0, _number(facts.get("since")))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
