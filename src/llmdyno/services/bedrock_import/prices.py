"""What a model copy costs: rates from the dated table beside this module.

In: a region and a version of the custom model units. Out: dollars, in decimals, with the rate's date and source; where
the table has none, which regions and versions it has.
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


def rate_of(region: str, version: str) -> Rate | None:
    """The rate of a region and a version of the units; None: the table has none."""
    for entry in _table()["rate"]:
        if region in entry["regions"] and entry["version"] == version:
            return Rate(Decimal(entry["dollars_per_cmu_minute"]), entry["noted"], entry["source"])
    return None


def storage_rate() -> Rate:
    """Dollars a CMU and month of storage, in the place of a minute's."""
    entry = _table()["storage"]
    return Rate(Decimal(entry["dollars_per_cmu_month"]), entry["noted"], entry["source"])


def known() -> str:
    """Which versions the table has, and where."""
    return "; ".join(f"{entry['version']} in {', '.join(entry['regions'])}" for entry in _table()["rate"])


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "prices.toml").read_text(encoding="utf-8"))
