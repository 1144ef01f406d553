"""What a model copy costs: rates from the dated table beside this module.

In: a region, a version of the custom model units, how many a copy has. Out: dollars, in decimals, with the
rate's date and source; None where the table has no rate.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

WINDOW_MINUTES = 5
"""A copy is billed in windows of five minutes, each whole."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars a CMU and minute; when it was noted, and where."""

    dollars_per_cmu_minute: Decimal
    noted: date
    source: str

    def window(self, units: int) -> Decimal:
        """Dollars of one window of a copy with so many units."""
        return self.dollars_per_cmu_minute * units * WINDOW_MINUTES


def rate_of(region: str, version: str) -> Rate | None:
    """The rate of a region and a version of the units; None: the table has none."""
    for entry in _table():
        if region in entry["regions"] and entry["version"] == version:
            return Rate(Decimal(entry["dollars_per_cmu_minute"]), entry["noted"], entry["source"])
    return None


@cache
def _table() -> list[dict[str, Any]]:
    return list(tomllib.loads((files(__package__) / "prices.toml").read_text(encoding="utf-8"))["rate"])
