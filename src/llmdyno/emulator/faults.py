"""Faults on request: which call goes wrong, and how. PURE and seeded.

In: a rate for each kind of fault and a seed. Out: for a call's number, its fault or None. It knows nothing of the words
and status codes that each API has for a fault.
"""

from __future__ import annotations

from random import Random

BEFORE = ("throttle", "error", "unavailable", "denied", "expired", "timeout", "model_error", "quota")
"""The request is refused."""
STREAM = (
    "stream_error",
    "stream_throttle",
    "stream_internal",
    "stream_unavailable",
    "stream_validation",
    "stream_timeout",
)
"""The answer fails at half the tokens, and says so."""
CUT, STALL, CRC = "cut", "stall", "crc"
"""At half the tokens: the connection ends; no more tokens come; an event is damaged (a wrong checksum, broken JSON). An
answer that is not streamed breaks off in the middle of its JSON."""
SLOW, GARBLE = "slow", "garble"
"""The first token comes `SLOW_S` later, at real speed; the answer is a wrong one."""
SLOW_S = 5.0
KINDS = (*BEFORE, *STREAM, CUT, STALL, CRC, SLOW, GARBLE)


class Faults:
    """Rates by kind, each from 0 to 1, together at most 1."""

    def __init__(self, rates: dict[str, float], seed: int = 0) -> None:
        self.rates = dict(rates)
        self._seed = seed

    @classmethod
    def parse(cls, texts: list[str], seed: int = 0) -> Faults:
        """Read ``KIND=RATE`` texts.

        Raises:
            ValueError: a text is not of that form; the message says what fits.
        """
        rates: dict[str, float] = {}
        fits = f"KIND=RATE with a kind of {', '.join(KINDS)} and a rate from 0 to 1, together at most 1"
        for text in texts:
            kind, _, rate = text.partition("=")
            try:
                rates[kind] = float(rate)
            except ValueError:
                raise ValueError(fits) from None
        if any(kind not in KINDS or not 0 <= rate <= 1 for kind, rate in rates.items()) or sum(rates.values()) > 1:
            raise ValueError(fits)
        return cls(rates, seed)

    def of(self, number: int) -> str | None:
        """The fault of call `number`, or None."""
        if not self.rates:
            return None
        drawn = Random(f"{self._seed}/{number}").random()
        for kind, rate in self.rates.items():
            if drawn < rate:
                return kind
            drawn -= rate
        return None
