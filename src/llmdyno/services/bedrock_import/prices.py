"""What a model copy costs: rates from the dated table beside this module.

In: a region and a version of the custom model units. Out: dollars, in decimals, with the rate's date and source. If the
table has no rate, the caller learns which regions and versions it has.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from llmdyno.services.bedrock_import.cost import Price


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars a CMU and minute; when it was noted, and where."""

    dollars_per_cmu_minute: Decimal
    noted: date
    source: str


@dataclass(frozen=True, slots=True)
class StorageRate:
    """Dollars a CMU and month for storing a model; when it was noted, and where."""

    dollars_per_cmu_month: Decimal
    noted: date
    source: str


class Quote(NamedTuple):
    """A price with its source, or neither and what is missing."""

    price: Price | None
    source: str | None
    problem: str | None


def rate_of(region: str, version: str) -> Rate | None:
    """The rate of a region and a version of the units; None: the table has none."""
    for entry in _table()["rate"]:
        if region in entry["regions"] and entry["version"] == version:
            return Rate(Decimal(entry["dollars_per_cmu_minute"]), entry["noted"], entry["source"])
    return None


def storage_rate() -> StorageRate:
    """The rate for storing a model, the same in all regions as far as is known."""
    entry = _table()["storage"]
    return StorageRate(Decimal(entry["dollars_per_cmu_month"]), entry["noted"], entry["source"])


def known_rates() -> str:
    """Which versions the table has, and for which regions."""
    return "; ".join(f"{entry['version']} in {', '.join(entry['regions'])}" for entry in _table()["rate"])


def quote(region: str | None, version: str | None, units: int | None, dollars_per_cmu_minute: Decimal | None) -> Quote:
    """The price of a copy.

    Args:
        region: of the model; None: unknown.
        version: of its units, such as v1.0; None: unknown.
        units: of a copy; None: unknown.
        dollars_per_cmu_minute: the user's own rate; None: the table's.
    """
    if units is None:
        problem = "the units of a copy are unknown, so there is no price; give --units N (llmdyno models show NAME)"
        return Quote(None, None, problem)
    storage = storage_rate().dollars_per_cmu_month
    if dollars_per_cmu_minute is not None:
        return Quote(Price(units, dollars_per_cmu_minute, storage), "the rate given", None)
    rate = rate_of(str(region), str(version))
    if rate is None:
        wanted = f"units of version {version or 'unknown'} in {region or 'an unknown region'}"
        problem = f"the table has no price of {wanted} (it has {known_rates()}); give --rate DOLLARS a unit and minute"
        return Quote(None, None, problem)
    return Quote(Price(units, rate.dollars_per_cmu_minute, storage), f"noted {rate.noted}: {rate.source}", None)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "prices.toml").read_text(encoding="utf-8"))
