"""Numbers as a person writes them.

Takes numbers in seconds, dollars or tokens. Gives short texts with units. It knows neither runs nor consoles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

ABSENT = "–"
"""The text of a figure that does not exist."""
_BARS = "▁▂▃▄▅▆▇█"


def dollars(value: str | Decimal | None) -> str:
    """Dollars to the cent. Below ten dollars there is a third decimal where it is not zero; below a cent there are two
    significant digits."""
    if value is None:
        return "unknown"
    amount = Decimal(value)
    if amount and abs(amount) < Decimal("0.000001"):
        return f"${amount:.{1 - amount.adjusted()}f}"  # not as 5.4E-7
    if amount and abs(amount) < Decimal("0.01"):
        return f"${amount:.2g}"
    return f"${amount:,.3f}" if abs(amount) < 10 and amount % Decimal("0.01") else f"${amount:,.2f}"


def dollar_range(low: str | Decimal | None, best: str | Decimal | None, high: str | Decimal | None) -> str:
    """Dollars with their bounds.

    Args:
        low: the lower bound; None: they are exact.
        best: the best value; None: there are only bounds.
        high: the upper bound; None: they may be any more.
    """
    if best is None:
        return "price unknown" if low is None or high is None else f"{dollars(low)} to {dollars(high)}"
    if low is None:
        return dollars(best)
    if high is None:
        return f"{dollars(best)} or more"
    return dollars(best) if dollars(low) == dollars(high) else f"{dollars(best)} ({dollars(low)} to {dollars(high)})"


def duration(seconds: float) -> str:
    """A duration in the unit that suits it: 12.0 s, 3.5 min, 2.0 h."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plus_minus(low_s: float, high_s: float) -> str:
    """A time that is known within bounds, as ``62.4 s ± 0.6 s``. What is shown is never narrower than the bounds."""
    half = max((high_s - low_s) / 2, 5e-5)
    decimals = min(4, max(0, -math.floor(math.log10(half))))
    middle = round((low_s + high_s) / 2, decimals)
    beside = math.ceil(max(high_s - middle, middle - low_s, 10.0**-decimals) * 10**decimals - 1e-9) / 10**decimals
    return f"{middle:.{decimals}f} s ± {beside:.{decimals}f} s"


def latency(seconds: float | None) -> str:
    """A latency: milliseconds below one second."""
    if seconds is None:
        return ABSENT
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def figure(value: float) -> str:
    """A figure in a table: about four significant digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def plural(count: int, noun: str) -> str:
    """A count and its noun: 1 window, 1,200 windows."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    last = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def between(low: str, high: str, join: str = " to ") -> str:
    """Two bounds as a text: 1 to 3; if they read the same, one of them."""
    return low if low == high else f"{low}{join}{high}"


def moment(span: Sequence[float | None], sign: str = "") -> str:
    """A moment within bounds, seconds: between 93 s and 118 s, before 62.0 s, after 501 s, at 5.0 s.

    Args:
        span: the earliest and the latest time; None: no bound is known.
        sign: "+" shows the sign of each time.
    """
    low, high = span
    narrow = low is None or high is None or high - low < 10
    texts = ["" if time_s is None else f"{time_s:{sign},.{1 if narrow else 0}f} s" for time_s in span]
    if low is None:
        return "at a time unknown" if high is None else f"before {texts[1]}"
    if high is None:
        return f"after {texts[0]}"
    return f"at {texts[0]}" if texts[0] == texts[1] else f"between {texts[0]} and {texts[1]}"


def reason_text(reason: Mapping[str, Any]) -> str:
    """A reason of the verdict: its sentence, the figures that it touches and what to do.

    A run of an earlier version has the sentence alone.
    """
    if "do" not in reason:
        return str(reason["text"])
    touches = ", ".join(reason["touches"])
    return f"{reason['text']}. Touches {touches}. What to do: {reason['do']}."


def damage_text(damage: str) -> str:
    """What is damaged in a run directory, as a sentence of a report."""
    return f"Damaged: {damage}."


def bars(values: Sequence[float | None]) -> str:
    """One bar for each value. The largest value has a full bar; zero and None have a space."""
    largest = max((value for value in values if value is not None), default=0) or 1
    return "".join(" " if not value else _BARS[min(7, int(8 * value / largest))] for value in values)
