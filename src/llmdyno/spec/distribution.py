"""A length distribution as the user writes it, such as ``500``, ``normal(500,25)`` or ``uniform(100,200)``.

In: a text or a number. Out: a value that compares, prints itself back and knows its mean and
standard deviation. It draws nothing: drawing needs a seed, and seeds live in the workload room.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

FITS = "a whole number from 1 up, normal(mean,stddev), uniform(low,high) or lognormal(median,sigma)"

_CALL = re.compile(r"([a-z]+)\(\s*([0-9.eE+-]+)\s*,\s*([0-9.eE+-]+)\s*\)")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of lengths in tokens; every draw is a whole number from 1 up.

    kind ``fixed``: always ``a``. ``normal``: mean ``a``, standard deviation ``b``, redrawn until positive.
    ``uniform``: whole numbers from ``a`` to ``b``, both included. ``lognormal``: median ``a`` tokens,
    ``b`` the standard deviation of the logarithm.
    """

    kind: str
    a: float
    b: float = 0.0

    @classmethod
    def parse(cls, text: str | int | float | Distribution) -> Distribution:
        """Read a distribution from text or a number.

        Raises:
            ValueError: with what fits, when it is none.
        """
        if isinstance(text, Distribution):
            return text
        if isinstance(text, bool):
            raise ValueError(FITS)
        if isinstance(text, int | float):
            text = f"{text:g}" if float(text).is_integer() else str(text)
        text = text.strip().lower()
        if re.fullmatch(r"[0-9]+", text):
            fixed = int(text)
            if fixed < 1:
                raise ValueError(FITS)
            return cls("fixed", fixed)
        call = _CALL.fullmatch(text)
        if call is None:
            raise ValueError(FITS)
        kind = call[1]
        try:
            a, b = float(call[2]), float(call[3])
        except ValueError:
            raise ValueError(FITS) from None
        if not (math.isfinite(a) and math.isfinite(b)) or a < 1 or b < 0:
            raise ValueError(f"{FITS}, with a first figure from 1 up and a second not below 0")
        if kind == "uniform":
            if b < a or not (a.is_integer() and b.is_integer()):
                raise ValueError("uniform(low,high) takes two whole numbers, high not below low")
        elif kind not in ("normal", "lognormal"):
            raise ValueError(FITS)
        return cls(kind, a, b)

    @property
    def mean(self) -> float:
        """The mean in tokens, before redrawing and rounding."""
        if self.kind == "uniform":
            return (self.a + self.b) / 2
        if self.kind == "lognormal":
            return self.a * math.exp(self.b**2 / 2)
        return self.a

    @property
    def stddev(self) -> float:
        """The standard deviation in tokens, before redrawing and rounding."""
        if self.kind == "uniform":
            return math.sqrt(((self.b - self.a + 1) ** 2 - 1) / 12)
        if self.kind == "lognormal":
            return self.mean * math.sqrt(math.expm1(self.b**2))
        return self.b

    def __str__(self) -> str:
        if self.kind == "fixed":
            return f"{self.a:g}" if self.a < 1e6 else str(int(self.a))
        return f"{self.kind}({self.a:.10g},{self.b:.10g})"
