"""What Bedrock's models cost on demand: prices from the dated table beside this module.

In: a model's identifier, the region that requests are sent to, a service tier. Out: dollars a million tokens, in
decimals, with the price's date and source. If the table has no price, the caller learns why, and what to give.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from llmdyno.aws.identity import DEPLOYMENT, ROUTER, base_model_of, kind_of
from llmdyno.services.service import TokenPrices

_STANDARD = frozenset({"default", "standard", "auto"})
"""Names of the service tier without a discount or a premium."""
_GIVE = "give --price IN,OUT"


class Quote(NamedTuple):
    """Prices with their source and what to keep in mind, or neither and what is missing."""

    prices: TokenPrices | None
    source: str | None
    problem: str | None = None
    note: str | None = None


def quote(model: str, base: str | None, region: str | None, tier: str | None) -> Quote:
    """The price of a model.

    Args:
        model: a foundation model or an inference profile, by ID or ARN.
        base: the ID of the foundation model behind it; None: unknown.
        region: that requests are sent to, the source region of a profile; None: unknown.
        tier: the service tier of the requests; None: the default one.
    """
    if base is None:
        return Quote(None, None, f"the model behind {model} is not known, so there is no price; {_GIVE}")
    if kind_of(model) in (DEPLOYMENT, ROUTER):
        what = str(kind_of(model)).replace("-", " ")
        return Quote(None, None, f"what a {what} bills a token is not known; {_GIVE}")
    identifier = model.rpartition("/")[2] if base_model_of(model) else base
    rows = [row for row in _table() if row["model"] == identifier]
    if not rows and identifier != base and not _profiles(base):
        rows = [row for row in _table() if row["model"] == base]
    if not rows:
        return Quote(None, None, f"the table has no price of {identifier}; {_GIVE}")
    row = next((row for row in rows if region in row["regions"]), None)
    if row is None:
        where = ", ".join(region for row in rows for region in row["regions"])
        wanted = f"{identifier} in {region or 'an unknown region'}"
        return Quote(None, None, f"the table has no price of {wanted} (it has {where}); {_GIVE}, or --region")
    source = f"noted {row['noted']}: {row['source']}"
    if tier is None or tier in _STANDARD:
        return Quote(_prices(row), source, note=_profile_note(identifier, row))
    if not isinstance(row.get(tier), dict):
        return Quote(None, None, f"the table has no price of {identifier} in the service tier {tier}; {_GIVE}")
    return Quote(_prices(row[tier]), source, note=_profile_note(identifier, row))


def _profiles(base: str) -> bool:
    """Whether the table has a profile of a model, with a price of its own."""
    return any(row["model"] != base and base_model_of(row["model"]) == base for row in _table())


def _profile_note(identifier: str, row: dict[str, Any]) -> str | None:
    if identifier == row["model"]:
        return None
    return (
        f"{identifier} has the price of {row['model']} in the source region: AWS says that a cross-region profile "
        "costs nothing more"
    )


def _prices(entry: dict[str, Any]) -> TokenPrices:
    cached, written = entry.get("cache_read"), entry.get("cache_write")
    return TokenPrices(
        Decimal(entry["input"]),
        Decimal(entry["output"]),
        None if cached is None else Decimal(cached),
        None if written is None else Decimal(entry.get("cache_write_hour", written)),
    )


@cache
def _table() -> list[dict[str, Any]]:
    content = (files(__package__) / "prices.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(content)["price"]
    return found
