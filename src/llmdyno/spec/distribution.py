"""A distribution of lengths as a user writes it: ``500``, ``normal(500,25)``, ``uniform(100,200)``. PURE.

In: a text or a number. Out: a value that compares, prints itself back exactly, and knows its mean and standard
deviation. It does not draw: drawing needs a seed, and the workload owns the seeds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from llmdyno.spec.limits import MOST_TOKENS

FITS = "a whole number from 1 up, normal(mean,stddev), uniform(low,high) or lognormal(median,sigma)"
_TOO_LONG = f"a whole number from 1 to {MOST_TOKENS:,}, or a distribution of such lengths"
_LARGEST_SIGMA = 10.0
"""One standard deviation of the logarithm is then a factor of 22,026. More is a mistake, and overflows a float."""

_CALL = re.compile(r"([a-z]+)\(\s*([0-9.e+-]+)\s*,\s*([0-9.e+-]+)\s*\)")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of lengths in tokens. Every draw is a whole number from 1 to 10,000,000.

    - ``fixed``: always `a`.
    - ``normal``: mean `a`, standard deviation `b`; a draw out of these bounds is drawn again.
    - ``uniform``: whole numbers from `a` to `b`, both included.
    - ``lognormal``: median `a`; `b` is the standard deviation of the natural logarithm.
      A draw above the bound is drawn again.
    """

    kind: str
    a: float
    b: float = 0.0

    @classmethod
    def parse(cls, value: str | float | Distribution) -> Distribution:
        """Read a distribution from a text or a number.

        Raises:
            ValueError: with what fits, if the value does not.
        """
        if isinstance(value, Distribution):
            _ = cls._fixed(value.a) if value.kind == "fixed" else cls._checked(value.kind, value.a, value.b)
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(FITS)
        if not isinstance(value, str):
            return cls._fixed(value)
        text = value.strip().lower()
        if re.fullmatch(r"[0-9]{1,16}", text):
            return cls._fixed(int(text))
        call = _CALL.fullmatch(text)
        if call is None:
            raise ValueError(FITS)
        try:
            a, b = float(call[2]), float(call[3])
        except ValueError:
            raise ValueError(FITS) from None
        return cls._checked(call[1], a, b)

    @classmethod
    def _fixed(cls, length: float) -> Distribution:
        if not _is_number(length) or not 1 <= length < math.inf or length != int(length):
            raise ValueError(FITS)
        if length > MOST_TOKENS:
            raise ValueError(_TOO_LONG)
        return cls("fixed", int(length))

    @classmethod
    def _checked(cls, kind: str, a: float, b: float) -> Distribution:
        if not (_is_number(a) and _is_number(b) and 1 <= a < math.inf and 0 <= b < math.inf):
            raise ValueError(f"{FITS}; the first number is at least 1, the second is not negative")
        if a > MOST_TOKENS or b > MOST_TOKENS:
            raise ValueError(_TOO_LONG)
        if kind == "uniform":
            if b < a or not (a.is_integer() and b.is_integer()):
                raise ValueError("uniform(low,high) takes two whole numbers, and high is not below low")
        elif kind == "lognormal":
            if b > _LARGEST_SIGMA:
                raise ValueError(f"{FITS}; sigma is at most {_LARGEST_SIGMA:g}")
        elif kind != "normal":
            raise ValueError(FITS)
        return cls(kind, a, b)

    @property
    def mean(self) -> float:
        """The mean in tokens, before a draw is repeated or rounded."""
        if self.kind == "uniform":
            return (self.a + self.b) / 2
        if self.kind == "lognormal":
            return self.a * math.exp(self.b**2 / 2)
        return self.a

    @property
    def stddev(self) -> float:
        """The standard deviation in tokens, before a draw is repeated or rounded."""
        if self.kind == "uniform":
            return math.sqrt(((self.b - self.a + 1) ** 2 - 1) / 12)
        if self.kind == "lognormal":
            return self.mean * math.sqrt(math.expm1(self.b**2))
        return self.b

    def __str__(self) -> str:
        if self.kind == "fixed":
            return exact_text(self.a)
        return f"{self.kind}({exact_text(self.a)},{exact_text(self.b)})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def exact_text(number: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(number)) if float(number).is_integer() else repr(number)
