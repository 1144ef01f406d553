"""The label that an emulator puts into a header of every response.

It takes the text of the label. It gives an :class:`Emulated`, or None for a real server. A run that finds the label
calls its figures emulated, and a report can convert durations to real speed. It shares no code with the emulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEADER = "x-llmdyno-emulated"
"""The header's name; its value is ``profile=…; speed=…; since=…``."""


@dataclass(frozen=True, slots=True)
class Emulated:
    """An emulator's profile and speed.

    Its own clock shows the wall clock's time at `since_unix_s` (None: unknown), and runs `speed` times as fast.
    """

    profile: str
    speed: float = 1.0
    since_unix_s: float | None = None

    def now(self, unix_s: float) -> float:
        """The time on its own clock, in unix seconds, at a time on the wall clock."""
        since_s = self.since_unix_s
        return unix_s if since_s is None else since_s + (unix_s - since_s) * self.speed


def shortened(duration_s: float, speed: float | None) -> float:
    """How long a duration at real speed lasts on our clock, in seconds.

    Every duration that is compared with the service's own time is converted here: the keys of `spec.keys.AT_REAL_SPEED`
    and the durations of an experiment's flags.

    Args:
        duration_s: the duration at real speed, in seconds.
        speed: how many times faster than real time the endpoint runs; None: it is real.
    """
    return duration_s / (speed or 1.0)


def label_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The label in an answer's headers, also if LiteLLM's proxy passed them on; None: they have no label."""
    name = HEADER.encode()
    found = headers.get(name) or headers.get(b"llm_provider-" + name)
    return found.decode("latin-1") if found else None


def read_label(label: str | None) -> Emulated | None:
    """What a label says; None if there is no label. A part that is missing or malformed has its default."""
    if not label:
        return None
    facts = dict(part.strip().partition("=")[::2] for part in label.split(";"))
    return Emulated(facts.get("profile", "unknown"), _number(facts.get("speed")) or 1.0, _number(facts.get("since")))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
