"""Faults on request: which call goes wrong, and how. PURE and seeded.

In: a rate for each kind of fault and a seed. Out: for a call's number, its fault or none. Before the stream:
every exception of the runtime under a short name. In mid-stream, at half the tokens: an exception frame
(`stream_…`), `cut` (the connection ends), `stall` (no more tokens), `crc` (a wrong checksum). And `slow`: the
first token comes 5 s later, at real speed. And `garble`: the answer is a wrong one.
"""

from __future__ import annotations

from random import Random

BEFORE = {
    "throttle": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "error": (500, "InternalServerException", "An internal server error occurred. Retry your request."),
    "unavailable": (503, "ServiceUnavailableException", "The service is unavailable. Try your request again."),
}
BEFORE |= {
    "denied": (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    "expired": (403, "ExpiredTokenException", "The security token included in the request is expired"),
    "timeout": (408, "ModelTimeoutException", "The request took too long to process."),
    "model_error": (424, "ModelErrorException", "The request failed due to an error while processing the model."),
    "quota": (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
}
EXCEPTIONS = {
    "stream_error": "ModelStreamErrorException",
    "stream_throttle": "ThrottlingException",
    "stream_internal": "InternalServerException",
    "stream_unavailable": "ServiceUnavailableException",
    "stream_validation": "ValidationException",
    "stream_timeout": "ModelTimeoutException",
}
WITHIN = (*EXCEPTIONS, "cut", "stall", "crc")
SLOW, GARBLE = "slow", "garble"
SLOW_S = 5.0
KINDS = (*BEFORE, *WITHIN, SLOW, GARBLE)


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
