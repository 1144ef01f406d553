"""The report of ``llmdyno cost`` for a run that is billed by the hour.

Takes cost.json's contents: dollars as exact texts. Gives lines on a page. An emulated run is named as one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports.cost_tokens import (
    Parts,
    even_text,
    load_text,
    model_text,
    prices_text,
    range_text,
    requests_text,
    tokens_text,
)
from llmdyno.reports.text import dollars, plural

if TYPE_CHECKING:
    from llmdyno.reports.console import Page


def show(report: dict[str, Any], page: Page, path: Path) -> None:
    """Show a run's cost; `path` is the run directory."""
    _PARTS.show(report, page, path)


def title(report: dict[str, Any]) -> str:
    """What the report is about."""
    return _PARTS.title


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What the run costs, at what rate, and what the projected day would: labels and values."""
    return _PARTS.facts(report)


def _basis(report: dict[str, Any]) -> list[str]:
    price = report["price"]
    lines = [model_text(report["model"])]
    if price is not None:
        units = "unknown model units" if price["model_units"] is None else plural(price["model_units"], "model unit")
        line = f"{units} at {dollars(price['dollars_per_unit_hour'])} each an hour ({price['source']})"
        lines.append(f"{line}, commitment: {price['commitment']}")
    return lines


def _run_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    found = [("Requests", requests_text(report["requests"])), ("Tokens", tokens_text(report["tokens"]))]
    cost, delivered = report["cost"], report["delivered"]
    if delivered is not None:
        found.append(("Used", f"at real speed {load_text(delivered)}"))
    if cost is None:
        return found
    found.append(
        (
            "This run",
            f"{dollars(cost['run_share'])} as a share of its hour; {dollars(cost['run_alone'])} if the units were "
            "bought for it alone, in whole hours",
        )
    )
    found.append(
        (
            "Used or not",
            f"{dollars(cost['hour'])} an hour, {dollars(cost['day'])} a day, {dollars(cost['month'])} in 30 days",
        )
    )
    found.append(("At least", f"{dollars(cost['least'])} {_term(report['price']['commitment'])}"))
    if cost["thousand_requests"] is not None:
        found.append(("A thousand requests", f"{dollars(cost['thousand_requests'])}, if every hour has this load"))
    if cost["million_output_tokens"] is not None:
        found.append(("A million tokens out", f"{dollars(cost['million_output_tokens'])}, with their input"))
    return found + _comparison(report["comparison"])


def _term(commitment: str) -> str:
    if commitment == "none":
        return "for an hour: without a commitment the units can be deleted at any time"
    return f"for the term of {commitment.replace('-', ' ')}, which is paid whole"


def _comparison(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    line = f"at {prices_text(found)} per million tokens, a thousand of these requests cost"
    line += f" {range_text(found['thousand_requests'])}"
    return [("By the token", f"{line}. An hour of the units{even_text(found)}")]


def _projection_facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    busiest, seen = found["busiest_hour"], found["seen_per_hour"]
    if found["carried"]:
        carried = f"the busiest has {busiest:,} requests, and this run drove {seen:,.0f} an hour"
    else:
        carried = f"the busiest has {busiest:,} requests, and this run drove only {seen:,.0f} an hour: not shown to fit"
    facts = [
        ("A day", f"{dollars(found['day'])}: {plural(found['requests'], 'request')}"),
        ("A month", f"{dollars(found['month'])}: 30 days"),
        ("Hours", carried),
    ]
    if found["thousand_requests"] is not None:
        facts.append(("A thousand requests", f"{dollars(found['thousand_requests'])} on such a day"))
    return facts


_PARTS = Parts("Cost by the hour", _basis, _run_facts, _projection_facts)
