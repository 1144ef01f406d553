"""Faults on request: which call goes wrong, and how. PURE and seeded.

In: a rate for each kind of fault and a seed. Out: for a call's number, its fault or none. Kinds before
the stream: `throttle` (429), `error` (500), `unavailable` (503). In mid-stream, at half the tokens: `exception`
(an exception frame), `cut` (the connection ends), `stall` (no more tokens), `crc` (a wrong checksum).
"""

from __future__ import annotations

from random import Random

BEFORE = {
    "throttle": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "error": (500, "InternalServerException", "An internal server error occurred. Retry your request."),
    "unavailable": (503, "ServiceUnavailableException", "The service is unavailable. Try your request again."),
}
WITHIN = ("exception", "cut", "stall", "crc")
KINDS = (*BEFORE, *WITHIN)


class Faults:
    """Rates by kind, each from 0 to 1, together at most 1."""

    def __init__(self, rates: dict[str, float], seed: int = 0) -> None:
        self.rates = dict(rates)
        self._seed = seed

    @classmethod
    def parse(cls, texts: list[str], seed: int = 0) -> Faults:
        """Read ``KIND=RATE`` texts.

        Raises:
            ValueError: with what fits, when one does not.
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
