"""The report of ``llmdyno cost``: what a run costs, and what a day of traffic would.

Takes cost.json's contents: dollars as exact texts, times in seconds at real speed. Gives lines on a page. An emulated
run is named as one, a missing figure is named as missing, and each assumption is beside the figure that needs it.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports import projection
from llmdyno.reports.text import (
    ABSENT,
    between,
    dollar_range,
    dollars,
    duration,
    moment,
    ordinal,
    plural,
    plus_minus,
)

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_WIDTH = 21
_EMULATED = (
    "EMULATED: nothing is billed. The figures apply the real service's rules and rates to what the emulator did, at "
    "real speed."
)
_JUST_SHORT_S = 294.0
"""4.9 min: the longest duration that is shown of a window shorter than a billing window."""
_FEW_COPIES = 10
"""From more copies on than this, nobody asks what is always cheaper."""
_CHEAPER = {
    True: ": copies are cheaper",
    False: ": tokens are cheaper",
    None: "; how many copies it had is not known well enough to say which is cheaper",
}
_COPY_HEADS = ("copy", "ready", "last call", "calls", "windows", "dollars")


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
        projection.show(report["projection"], page, _WIDTH)
    page.notes(report["notes"], _WIDTH)


def title(report: dict[str, Any]) -> str:
    """What the report is about."""
    return "Cost"


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What the run costs, at what rate, and what the projected day would: labels and values."""
    found = report.get("projection")
    if found is None:
        return _run_facts(report)
    (_, day), (_, month), *_ = projection.facts(found)
    return [*_run_facts(report), ("Projected day", f"{found['traffic']}: {day}"), ("Projected month", month)]


def _run_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    copies, windows, cost = report["copies"], report["windows"], report["cost"]
    found = [("Copies", _copies(copies))]
    more = " or more" if copies["at_least"] else ""
    billed = _windows(windows["low"], windows["high"])
    if cost is None:
        return [*found, ("Billed", billed + more)]
    low, high = dollars(cost["run_low"]), dollars(cost["run_high"])
    if more and low != high:
        more = ", or more if there were more copies"
    found.append(("This run", f"{between(low, high)}{more}: {billed}"))
    found.append(("Idle tail", _idle_tail(cost, windows)))
    found += _rates(cost, report["delivered"])
    found.append(("Warm or cold", _warm_or_cold(cost, report)))
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
    if len(copies["each"]) > 1 and copies["most"] > 1:
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
    most, each, sure = copies["most"], len(copies["each"]), "or more" if copies["at_least"] else "at most"
    if most < each:  # some came after others had gone
        sure = f"{'or more ' if copies['at_least'] else ''}at a time and {each} in all"
    parts = [f"{most} {sure}, {copies['source']}"]
    if copies.get("possible"):
        needed = f"{most} that the load needed{f' at a time and {each} in all' if most < each else ''}"
        parts = [f"{needed}, {copies['source']}", "more may have been there"]
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
    if cost.get("tail_low", cost["tail"]) != cost.get("tail_high", cost["tail"]):
        line += f", if the least busy copy took each call ({dollars(cost['tail_high'])} at most)"
    if windows["idle"]:
        line += f"; {dollars(cost['idle'])} more if windows without a call are billed too (unconfirmed)"
    return line


def _rates(cost: dict[str, Any], delivered: dict[str, Any] | None) -> list[tuple[str, str]]:
    if delivered is None:
        return []
    copies, most = f"{delivered['copies']:.2f}", delivered.get("copies_high", delivered["copies"])
    low = delivered.get("copies_low", delivered["copies"])
    if most is None:
        copies += " copies or more"
    else:
        bounds = between(f"{low:.2f}", f"{most:.2f}")
        copies += " copies" if bounds == copies else f" copies ({bounds})"
    tokens = f"{delivered['output_tokens_per_hour']:,.0f} output tokens"
    if cost.get("million_input_tokens") is not None:
        tokens = f"{delivered['input_tokens_per_hour']:,.0f} input and {tokens}"
    load = f"{copies}, {delivered['requests_per_hour']:,.0f} requests, {tokens}"
    found = [
        ("An hour of this load", f"{_hour(cost)} for {load}{_window(delivered.get('window'))}"),
        ("A million tokens out", _per(cost, "million_output_tokens")),
        ("A thousand requests", _per(cost, "thousand_requests")),
    ]
    if cost.get("million_input_tokens") is not None:
        one = (
            f"{_per(cost, 'million_input_tokens')} (each of these rates is the whole hour, divided by what it delivers)"
        )
        found.insert(2, ("A million tokens in", one))
    return found


def _hour(cost: dict[str, Any]) -> str:
    return dollar_range(cost.get("hour_low"), cost["hour"], cost.get("hour_high"))


def _per(cost: dict[str, Any], name: str) -> str:
    """A rate, with the range of the hour that it is a part of."""
    rate, hour = cost[name], cost["hour"]
    if rate is None or not Decimal(hour):
        return dollars(rate)
    bounds = {end: cost.get(f"hour_{end}") for end in ("low", "high")}
    scaled = {end: None if one is None else Decimal(one) * Decimal(rate) / Decimal(hour) for end, one in bounds.items()}
    return dollar_range(scaled["low"], rate, scaled["high"])


def _window(window: dict[str, Any] | None) -> str:
    """Which window the rates are of; one that is shorter than a billing window is marked."""
    if window is None:
        return ""
    kind = "steady load" if window["steady"] else "the whole run"
    # A length just below five minutes is not rounded up to them: the line says that it is less.
    length_s = min(window["length_s"], _JUST_SHORT_S) if window["short"] else window["length_s"]
    line = f"; from {duration(length_s)} of {kind}"
    return f"{line}, which is SHORT: less than one billing window of five minutes" if window["short"] else line


def _warm_or_cold(cost: dict[str, Any], report: dict[str, Any]) -> str:
    cold_start_s, bounds_s = report["cold_start_s"], report.get("cold_start_between_s")
    measured = cold_start_s and (plus_minus(*bounds_s) if bounds_s else duration(cold_start_s))
    wait = f"{measured} (measured)" if measured else "a cold start"
    stored = cost.get("warm_month_with_storage")
    storage = "" if stored is None else f" ({dollars(stored)} with storage)"
    return (
        f"a copy kept warm costs {dollars(cost['warm_hour'])} an hour, {dollars(cost['warm_day'])} a day, "
        f"{dollars(cost['warm_month'])} in 30 days{storage}. If it goes cold, the next caller waits for {wait}, and "
        f"each wake-up bills {dollars(cost['wake'])} or more. {_wakes(cost)}"
    )


def _wakes(cost: dict[str, Any]) -> str:
    """From how many wake-ups a day on waking costs as much as keeping warm."""
    even = Decimal(cost.get("even_wakes_a_day") or cost["wakes_a_day"])
    most = cost.get("most_wakes_a_day")
    if cost["wakes_a_day"] is not None:
        return f"Waking costs as much as keeping it warm from {even:,.0f} wake-ups a day on"
    return (
        f"Waking never costs as much as keeping it warm: that would take {even:,.0f} wake-ups a day, and the idle "
        f"time, a cold start and an answer leave room for {most:,} at most"
    )


def _comparison(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    line = (
        f"at {dollars(found['input_dollars_per_million'])} in and {dollars(found['output_dollars_per_million'])} out "
        f"per million tokens, a thousand of these requests cost {dollars(found['thousand_requests'])}"
    )
    if "break_even" not in found:  # a report of an earlier version, whose break-even knew no limit of a copy
        return [("By the token", line)]
    cheaper = _CHEAPER[found["cheaper_here"]]
    line += f", and an hour of this load {dollars(found['hour_by_token'])}{cheaper}"
    return [("By the token", line), ("Break-even", _break_even(found))]


def _break_even(found: dict[str, Any]) -> str:
    """From how many requests an hour a copy pays, or why it does not."""
    needed, (least, most) = found["needed_requests_per_hour"], found["full_copy_requests_per_hour"]
    if needed is None:
        return "not reachable: by the token, these requests cost nothing"
    hour, needed_text = dollars(found["copy_hour"]), f"{Decimal(needed):,.0f} requests an hour"
    if found["break_even"] == "not reachable":
        worth = dollars(found["full_copy_by_token"][1])
        return (
            f"not reachable: a full copy carries {Decimal(most):,.0f} requests an hour at most, worth {worth} by the "
            f"token, and costs {hour}. With more copies, the same holds for each"
        )
    if found["break_even"] == "not shown":
        seen = f"This run shows that one carries {Decimal(least):,.0f}"
        seen += " or more" if most is None else f" to {Decimal(most):,.0f}"
        find = f" (find it: {found['find_with']})" if found["find_with"] else ""
        return f"not shown: a copy costs {hour}, and would have to carry {needed_text} to be worth it. {seen}{find}"
    line = f"a copy pays from {needed_text} on, and carries {Decimal(least):,.0f} or more"
    copies, always = found["always_from_copies"], found["always_from_requests_per_hour"]
    if always is None or copies > _FEW_COPIES:
        return f"{line}. With more copies, each one needs as many"
    if copies == 1:
        return f"{line}. From there on, copies are always cheaper"
    return (
        f"{line}. With n copies it takes n times as many; from {copies} copies and {Decimal(always):,.0f} requests an "
        "hour on, copies are always cheaper"
    )
