"""A projected day of traffic, as a part of the report of ``llmdyno cost``.

Takes what cost.json holds under ``projection``. Gives lines on a page. Where the run does not show what a copy carries,
the headline says so, and only bounds are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmdyno.reports.text import ABSENT, dollar_range, dollars, plural

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_BOUND_HEADS = ("hour", "requests", "windows", "dollars")
_HOUR_HEADS = ("hour", "requests", "copies", "windows", "dollars", "throttled", "waited", "lost")


def show(found: dict[str, Any], page: Page, width: int) -> None:
    """Show a projection; `width` is the labels' width, in columns."""
    page.blank()
    page.title(f"A day: {found['traffic']}")
    capacity = found.get("capacity") or {"known": True}  # a report of an earlier version has none
    unknown = not capacity["known"]
    show_total(found, page, found["requests"])
    if unknown:
        page.warning(_unknown(found))
        page.whole(f"  {capacity['find_with']}")
    page.blank()
    hours = [hour for hour in found["hours"] if hour["requests"] or hour["windows"] or hour.get("windows_high")]
    if unknown:
        page.table(_BOUND_HEADS, [_bound_row(hour) for hour in hours], left=())
        page.aside("from a copy that carries any number of calls to one that carries no more than this run showed")
    else:
        page.table(_HOUR_HEADS, [_hour_row(hour) for hour in hours], left=())
        page.aside("throttled: attempts that were refused; waited: calls that met a cold model")
    page.blank()
    page.facts(facts(found), width)
    for index, assumption in enumerate(found["assumptions"]):
        page.fact("" if index else "Assumed", assumption, width, style="dim", head="dim")


def facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What the day and a month come to: labels and values; the day first, then the month."""
    windows, day, month = found["windows"], found["day"], found["month"]
    low, high = f"{windows['low']:,}", f"{windows['high']:,}"
    billed = (
        f"{low} to {high} windows" if windows["billed"] is None else f"{windows['billed']:,} windows ({low} to {high})"
    )
    days = f"{found['days_a_month']} such days"
    storage = found.get("month_storage")
    stored = storage is not None
    told = [
        ("A day", f"{_dollars(day)}: {billed}{', without storage' if stored else ''}"),
        ("A month", f"{_dollars(month)}: {days}{f' and {dollars(storage)} for storing the model' if stored else ''}"),
    ]
    if windows["billed"] is None:
        (fewest, most), (least, largest) = found["cold_starts_range"], found["copies_range"]
        starts = plural(most, "cold start") if fewest == most else f"{fewest:,} to {most:,} cold starts"
        copies = f"{largest} at most" if least == largest else f"{least} to {largest} at the busiest time"
        return [*told, ("Copies", f"{copies}; {starts}")]
    starts = plural(found["cold_starts"], "cold start")
    return [
        *told,
        ("A thousand requests", _thousand(found)),
        (
            "Copies",
            f"{found['most_copies']} at most; {starts}, and {plural(found['waited_for_a_cold_start'], 'call')} waited "
            f"for one; {found['lost']:,} of {found['requests']:,} lost",
        ),
    ]


def _dollars(found: dict[str, Any]) -> str:
    return dollar_range(found["low"], found["dollars"], found["high"])


def _thousand(found: dict[str, Any]) -> str:
    """What a thousand served requests cost, with its range (an earlier version has none)."""
    low, high = found.get("thousand_requests_range") or (found["thousand_requests"],) * 2
    served = ", of those served" if found["lost"] else ""
    return dollar_range(low, found["thousand_requests"], high) + served


def show_total(found: dict[str, Any], page: Page, in_draw: int | None) -> None:
    """Show the day's total, its busiest hour and how it was read, so that a file that was read wrongly is seen at once.

    Args:
        found: a projection's part of cost.json; one of an earlier version does not have them.
        page: where to.
        in_draw: how many requests the draw has that is shown; None: none is shown.
    """
    if "expected_requests" not in found:
        return
    total, peak = f"{_count(found['expected_requests'])} requests a day", found["peak"]
    if found["drawn"] and in_draw is not None:
        total += f" ({in_draw:,} in this draw)"
    if peak is not None:
        total += f"; the busiest hour is {peak['when']}, with {_count(peak['requests'])}"
    page.line(total)
    for note in found["traffic_notes"]:
        page.aside(note)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.2f}"


def _unknown(found: dict[str, Any]) -> str:
    """What a projection says in its headline if nothing shows what a copy carries."""
    day, capacity = found["day"], found["capacity"]
    least = f"{plural(capacity['low'], 'call')} at once, if the run had {_copies(capacity['copies_then'])}"
    if day["high"] is None:
        windows = found["windows"]
        cost = f"at most {windows['high']:,} windows a day, and at least {windows['low']:,} if it carries any number"
    else:
        cost = f"at most {dollars(day['high'])} a day, and at least {dollars(day['low'])} if it carries any number"
    because = capacity.get("unknown_because", "this run was refused nothing")
    return (
        f"What a copy carries is unknown, because {because}. At least {least}: {cost} "
        f"(on up to {_copies(found['model']['max_copies'])}). This finds it, and --calls-per-copy sets it:"
    )


def _copies(count: int) -> str:
    return f"{count} cop{'y' if count == 1 else 'ies'}"


def _bound_row(hour: dict[str, Any]) -> list[str]:
    row = [str(hour["hour"]), f"{hour['requests']:,}"]
    for name, text in (("windows", str), ("dollars", dollars)):
        low, high = hour[f"{name}_low"], hour[f"{name}_high"]
        row.append(ABSENT if low is None else text(low) if low == high else f"{text(low)} to {text(high)}")
    return row


def _hour_row(hour: dict[str, Any]) -> list[str]:
    return [
        str(hour["hour"]),
        f"{hour['requests']:,}",
        f"{hour['copies']:.2f}",
        str(hour["windows"]),
        ABSENT if hour["dollars"] is None else dollars(hour["dollars"]),
        *(f"{hour[name]:,}" for name in ("throttled", "waited", "lost")),
    ]
