"""The report of ``llmdyno cost``: what a run costs, and what a day of traffic would.

Takes cost.json's contents: dollars as exact texts, times in seconds at real speed. Gives lines on a page. An emulated
run is named as one, a missing figure is named as missing, and each assumption is beside the figure that needs it.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports.text import ABSENT, between, dollars, duration, moment, ordinal, plural

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_WIDTH = 21
_EMULATED = (
    "EMULATED: nothing is billed. The figures apply the real service's rules and rates to what the emulator did, at "
    "real speed."
)
_COPY_HEADS = ("copy", "ready", "last call", "calls", "windows", "dollars")
_HOUR_HEADS = ("hour", "requests", "copies", "windows", "dollars", "throttled", "waited", "lost")


def show(report: dict[str, Any], page: Page, path: Path) -> None:
    """Show a run's cost; `path` is the run directory."""
    page.blank()
    page.title(f"{title(report)}: {path}")
    if report["emulated"]:
        page.warning(_EMULATED)
    for line in _basis(report):
        page.aside(line)
    page.blank()
    rows = _copy_rows(report)
    if rows:
        page.table(_COPY_HEADS, rows)
        page.aside(_table_note(report["copies"]))
        page.blank()
    page.facts(_run_facts(report), _WIDTH)
    if report.get("projection") is not None:
        _show_projection(report["projection"], page)
    page.notes(report["notes"], _WIDTH)


def title(report: dict[str, Any]) -> str:
    """What the report is about."""
    return "Cost"


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What the run costs, at what rate, and what the projected day would: labels and values."""
    projection = report.get("projection")
    if projection is None:
        return _run_facts(report)
    (_, day), (_, month), *_ = _projection_facts(projection)
    return [*_run_facts(report), ("Projected day", f"{projection['traffic']}: {day}"), ("Projected month", month)]


def _run_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    copies, windows, cost = report["copies"], report["windows"], report["cost"]
    found = [("Copies", _copies(copies))]
    more = " or more" if copies["at_least"] else ""
    billed = _windows(windows["low"], windows["high"])
    if cost is None:
        return [*found, ("Billed", billed + more)]
    found.append(("This run", f"{between(dollars(cost['run_low']), dollars(cost['run_high']))}{more}: {billed}"))
    found.append(("Idle tail", _idle_tail(cost, windows)))
    found += _rates(cost, report["delivered"])
    found.append(("Warm or cold", _warm_or_cold(cost, report["cold_start_s"])))
    if cost["storage_month"] is not None:
        found.append(("Storage", f"{dollars(cost['storage_month'])} a month for keeping the model"))
    return found + _comparison(report["comparison"])


def _basis(report: dict[str, Any]) -> list[str]:
    """The model and the rate that the cost rests on."""
    model, price = report["model"], report["price"]
    units = f"{model['units'] or '?'} CMU a copy ({model['units_version'] or 'version unknown'})"
    lines = [f"{model['arn'] or 'model unknown'} · {units}"]
    if price is not None:
        lines.append(
            f"${price['dollars_per_cmu_minute']} per CMU and minute ({price['source']}): {dollars(price['window'])} "
            f"a window of five minutes, {dollars(price['copy_hour'])} per copy and hour"
        )
    return lines


def _windows(low: int, high: int) -> str:
    """2 windows of five minutes; 2 to 3 windows of five minutes."""
    count = plural(high, "window")
    return f"{count if low == high else f'{low:,} to {count}'} of five minutes"


def _copy_rows(report: dict[str, Any]) -> list[list[str]]:
    rows = []
    for number, copy in enumerate(report["copies"]["each"], 1):
        low, high = (copy.get(f"windows_{side}", len(copy["windows"])) for side in ("low", "high"))
        ready = _span(copy.get("from_span_s", [copy["from_s"], copy["from_s"]]))
        cells = [str(number), ready, _time(copy["last_s"]), f"{copy['calls']:,}"]
        rows.append([*cells, between(str(low), str(high)), _dollars(report, low, high)])
    for copy in report["copies"].get("possible", ()):
        high = copy["windows_high"]
        cells = ["maybe", _span(copy["from_span_s"]), ABSENT, ABSENT]
        rows.append([*cells, between("0", str(high)), _dollars(report, 0, high)])
    return rows


def _dollars(report: dict[str, Any], low: int, high: int) -> str:
    if report["price"] is None:
        return ABSENT
    window = Decimal(report["price"]["window"])
    return between(*(dollars(window * count) for count in (low, high)))


def _table_note(copies: dict[str, Any]) -> str:
    note = "times are seconds after the run's start"
    if len(copies["each"]) > 1:
        note += "; which copy took a call is assumed: the least busy one"
    if copies.get("possible"):
        note += "; maybe: no call needed this copy, and nothing excludes it"
    return note


def _time(seconds: float | None) -> str:
    return ABSENT if seconds is None else f"{seconds:,.1f}"


def _span(span: list[float | None]) -> str:
    """A moment within bounds, in a table: 93 to 118."""
    return moment(span).removeprefix("between ").removeprefix("at ").replace(" s", "").replace(" and ", " to ")


def _copies(copies: dict[str, Any]) -> str:
    parts = [f"{copies['most']} {'or more' if copies['at_least'] else 'at most'}, {copies['source']}"]
    if copies.get("possible"):
        parts[0] = f"{copies['most']} that the load needed, {copies['source']}; more may have been there"
    parts += [
        f"the {ordinal(number)} came {moment(copy['from_span_s'])}"
        for number, copy in enumerate(copies["each"], 1)
        if number > 1 and "from_span_s" in copy
    ]
    if copies["calls_per_copy"] is not None:
        low, high = copies.get("carries") or (copies["calls_per_copy"], copies["calls_per_copy"])
        carried = between(f"{low}", plural(high, "call")) if low != high else plural(high, "call")
        parts.append(f"one copy carried {carried} at once when it refused more")
    return "; ".join(parts)


def _idle_tail(cost: dict[str, Any], windows: dict[str, Any]) -> str:
    if windows["low"] != windows["high"]:
        high = dollars(cost.get("tail_high", cost["tail"]))
        more = "; windows without a call cost more if they are billed too (unconfirmed)" if windows["idle"] else ""
        return f"copies were paid for after their last calls: up to {high} of the above{more}"
    line = (
        f"copies were paid for {duration(cost['tail_s'])} after their last calls: {dollars(cost['tail'])} of the above"
    )
    if windows["idle"]:
        line += f"; {dollars(cost['idle'])} more if windows without a call are billed too (unconfirmed)"
    return line


def _rates(cost: dict[str, Any], delivered: dict[str, Any] | None) -> list[tuple[str, str]]:
    if delivered is None:
        return []
    load = (
        f"{delivered['copies']:.2f} copies, {delivered['requests_per_hour']:,.0f} requests and "
        f"{delivered['output_tokens_per_hour']:,.0f} output tokens"
    )
    return [
        ("An hour of this load", f"{dollars(cost['hour'])} for {load}"),
        ("A million tokens out", dollars(cost["million_output_tokens"])),
        ("A thousand requests", dollars(cost["thousand_requests"])),
    ]


def _warm_or_cold(cost: dict[str, Any], cold_start_s: float | None) -> str:
    wait = "a cold start" if cold_start_s is None else f"{duration(cold_start_s)} (measured)"
    return (
        f"a copy kept warm costs {dollars(cost['warm_hour'])} an hour, {dollars(cost['warm_day'])} a day, "
        f"{dollars(cost['warm_month'])} in 30 days. If it goes cold, the next caller waits for {wait}, and each "
        f"wake-up bills {dollars(cost['wake'])} or more. Both cost the same at {Decimal(cost['wakes_a_day']):,.0f} "
        "wake-ups a day"
    )


def _comparison(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    line = (
        f"at {dollars(found['input_dollars_per_million'])} in and {dollars(found['output_dollars_per_million'])} out "
        f"per million tokens, a thousand of these requests cost {dollars(found['thousand_requests'])}"
    )
    even = found["break_even_requests_per_hour"]
    if even is not None:
        verdict = "above that, where copies are cheaper" if found["cheaper_here"] else "below that"
        line += f". Copies cost the same at {Decimal(even):,.0f} requests an hour; this load is {verdict}"
    return [("By the token", line)]


def _show_projection(found: dict[str, Any], page: Page) -> None:
    page.blank()
    page.title(f"A day: {found['traffic']}")
    page.blank()
    hours = [hour for hour in found["hours"] if hour["requests"] or hour["windows"]]
    page.table(_HOUR_HEADS, [_hour_row(hour) for hour in hours], left=())
    page.aside("throttled: attempts that were refused; waited: calls that met a cold model")
    page.blank()
    page.facts(_projection_facts(found), _WIDTH)
    for index, assumption in enumerate(found["assumptions"]):
        page.fact("" if index else "Assumed", assumption, _WIDTH, style="dim", head="dim")


def _hour_row(hour: dict[str, Any]) -> list[str]:
    return [
        str(hour["hour"]),
        f"{hour['requests']:,}",
        f"{hour['copies']:.2f}",
        str(hour["windows"]),
        ABSENT if hour["dollars"] is None else dollars(hour["dollars"]),
        *(f"{hour[name]:,}" for name in ("throttled", "waited", "lost")),
    ]


def _projection_facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    windows, day, month = found["windows"], found["day"], found["month"]
    starts = plural(found["cold_starts"], "cold start")
    return [
        ("A day", f"{_range(day)}: {windows['billed']:,} windows ({windows['low']:,} to {windows['high']:,})"),
        ("A month", f"{_range(month)}: {found['days_a_month']} such days"),
        ("A thousand requests", dollars(found["thousand_requests"])),
        (
            "Copies",
            f"{found['most_copies']} at most; {starts}, and {plural(found['waited_for_a_cold_start'], 'call')} waited "
            f"for one; {found['lost']:,} of {found['requests']:,} lost",
        ),
    ]


def _range(found: dict[str, Any]) -> str:
    if found["dollars"] is None:
        return "price unknown"
    if found["low"] == found["high"]:
        return dollars(found["dollars"])
    return f"{dollars(found['dollars'])} ({dollars(found['low'])} to {dollars(found['high'])})"
