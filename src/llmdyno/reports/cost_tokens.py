"""The report of ``llmdyno cost`` for a run that is billed by the token.

Takes cost.json's contents: dollars as exact texts, with two bounds for each figure. Gives lines on a page. Where the
bounds differ, both are shown and no figure between them. An emulated run is named as one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.reports.projection import show_total
from llmdyno.reports.text import dollars, duration, plural

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

WIDTH = 21
"""The width of the labels, in columns."""
EMULATED = "EMULATED: nothing was billed. The figures apply real prices to what the emulator did, at real speed."
_HOUR_HEADS = ("hour", "requests", "dollars")


class Parts(NamedTuple):
    """What tells a report by the token from one by the hour. Each part takes cost.json's contents, or its projection's.

    `basis`: lines on the model and its price. `run`, `day`: labels and values; those of a day begin with what it costs
    and what a month costs. `hours`: puts the day's table on the page, if there is one.
    """

    title: str
    basis: Callable[[dict[str, Any]], list[str]]
    run: Callable[[dict[str, Any]], list[tuple[str, str]]]
    day: Callable[[dict[str, Any]], list[tuple[str, str]]]
    hours: Callable[[dict[str, Any], Page], None] | None = None

    def show(self, report: dict[str, Any], page: Page, path: Path) -> None:
        """Show a run's cost; `path` is the run directory."""
        page.blank()
        page.title(f"{self.title}: {path}")
        if report["emulated"]:
            page.warning(EMULATED)
        for line in self.basis(report):
            page.aside(line)
        page.blank()
        page.facts(self.run(report), WIDTH)
        if report.get("projection") is not None:
            self._show_day(report["projection"], page)
        page.notes(report["notes"], WIDTH)

    def _show_day(self, found: dict[str, Any], page: Page) -> None:
        page.blank()
        page.title(f"A day: {found['traffic']}")
        hours = found.get("hours")
        show_total(found, page, None if hours is None else sum(hour["requests"] for hour in hours))
        page.blank()
        if self.hours is not None:
            self.hours(found, page)
            page.blank()
        page.facts(self.day(found), WIDTH)
        for index, assumption in enumerate(found["assumptions"]):
            page.fact("" if index else "Assumed", assumption, WIDTH, style="dim", head="dim")

    def facts(self, report: dict[str, Any]) -> list[tuple[str, str]]:
        """What the run costs, at what rate, and what the projected day would: labels and values."""
        found = report.get("projection")
        if found is None:
            return self.run(report)
        (_, day), (_, month), *_ = self.day(found)
        return [*self.run(report), ("Projected day", f"{found['traffic']}: {day}"), ("Projected month", month)]


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
    """The model and the prices that the cost rests on."""
    price = report["price"]
    tier = f" · service tier {report['tier']}" if report["tier"] else ""
    lines = [f"{model_text(report['model'])}{tier}"]
    if price is not None:
        lines.append(f"{prices_text(price)} per million tokens ({price['source']})")
    return lines


def model_text(model: dict[str, Any]) -> str:
    """The model, the foundation model behind it where its name does not say it, and its region."""
    base = model["base"] if model["base"] and model["base"] not in model["name"] else None
    return " · ".join(part for part in (model["name"], base, model["region"]) if part)


def prices_text(price: dict[str, Any]) -> str:
    """Prices a million tokens: in, out, and cached input where it has a price."""
    cached = "" if price["cached"] is None else f", {dollars(price['cached'])} cached"
    return f"{dollars(price['input'])} in, {dollars(price['output'])} out{cached}"


def _run_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    found = [("Requests", requests_text(report["requests"])), ("Tokens", tokens_text(report["tokens"]))]
    cost = report["cost"]
    if cost is None:
        return found
    found.append(("This run", range_text(cost["run"])))
    if cost["request"] is not None:
        found.append(("A request", range_text(cost["request"])))
        found.append(("A thousand requests", range_text(cost["thousand_requests"])))
    if cost["million_output_tokens"] is not None:
        found.append(("A million tokens out", f"{range_text(cost['million_output_tokens'])}, with their input"))
    if cost["hour"] is not None:
        found.append(("An hour of this load", f"{range_text(cost['hour'])} for {load_text(report['delivered'])}"))
    return found + _comparison(report["comparison"]) + _hourly(report["hourly"])


def requests_text(found: dict[str, Any]) -> str:
    """How many requests were sent, and what became of them."""
    parts = [f"{found['sent']:,} sent", f"{found['answered']:,} answered"]
    parts += [f"{found[name]:,} {name}" for name in ("failed", "refused") if found[name]]
    line = ", ".join(parts)
    return f"{line}; {found['warmup']:,} of them warm-up" if found["warmup"] else line


def tokens_text(found: dict[str, list[int]]) -> str:
    """The tokens of all requests; a count that is bounded only has both bounds."""
    inputs = [fresh + cached for fresh, cached in zip(found["fresh"], found["cached"], strict=True)]
    cached = f" ({_count(found['cached'])} of them cached)" if found["cached"][2] else ""
    return f"{_count(inputs)} in{cached}, {_count(found['output'])} out"


def _count(bounds: list[int]) -> str:
    low, _, high = bounds
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def range_text(found: dict[str, Any] | None) -> str:
    """Dollars, or both bounds where they differ."""
    if found is None or found["dollars"] is None:
        return "unknown"
    low, high = dollars(found["low"]), dollars(found["high"])
    return low if low == high else f"{low} to {high}"


def load_text(found: dict[str, Any]) -> str:
    """What the load delivered an hour, and the window that shows it."""
    length = duration(found["window_s"])
    window = (
        f"a steady window of {length}" if found["steady"] else f"the whole run of {length}, which has no steady window"
    )
    return (
        f"{found['requests_per_hour']:,.0f} requests with {found['input_tokens_per_hour']:,.0f} tokens in and "
        f"{found['output_tokens_per_hour']:,.0f} out, from {window}"
    )


def _comparison(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    line = f"at {prices_text(found)} per million tokens, a thousand of these requests cost"
    return [("Other prices", f"{line} {range_text(found['thousand_requests'])}")]


def _hourly(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [("By the hour", f"{dollars(found['hour'])} an hour{even_text(found)}")]


def even_text(found: dict[str, Any]) -> str:
    """From how many requests an hour on a fixed price an hour costs less, and where this load is."""
    low, high = (found["break_even_requests_per_hour"][name] for name in ("low", "high"))
    if low is None:
        return " never costs less, because these requests cost nothing"
    bounds = [f"{Decimal(bound):,.0f}" for bound in (low, high) if bound is not None]
    between = f"{bounds[0]} or more" if high is None else " to ".join(dict.fromkeys(bounds))
    where = {True: "above that", False: "below that", None: "between these bounds"}[found["beyond"]]
    return f" costs the same at {between} requests an hour, if it carries them; this load is {where}"


def _show_hours(found: dict[str, Any], page: Page) -> None:
    hours = [hour for hour in found["hours"] if hour["requests"]]
    rows = [[str(hour["hour"]), f"{hour['requests']:,}", range_text(hour["cost"])] for hour in hours]
    page.table(_HOUR_HEADS, rows, left=())


def _projection_facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    tokens = found["tokens"]
    day = f"{range_text(found['day'])}: {plural(found['requests'], 'request')}, {tokens['input']:,.0f} tokens in"
    return [
        ("A day", f"{day}, {tokens['output']:,.0f} out"),
        ("A month", f"{range_text(found['month'])}: {found['days_a_month']} such days"),
    ]


_PARTS = Parts("Cost by the token", _basis, _run_facts, _projection_facts, _show_hours)
