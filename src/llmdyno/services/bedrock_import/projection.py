"""From what a run showed to a day and a month of traffic: copies, windows, cold starts, dollars.

In: a run's account, traffic, what the user knows better of how copies scale. Out: the projection's report, which names
every assumption and gives a range. The model of the copies is :mod:`simulation`'s, fitted to the run.

A run that was refused nothing does not show what a copy carries. Its projection has bounds only: one from the most
calls that the run asked of a copy, and one for a copy that carries any number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from llmdyno.errors import InputError
from llmdyno.services.amounts import exact_text
from llmdyno.services.bedrock_import.carrying import Carried, carried, finding_command, refused
from llmdyno.services.bedrock_import.simulation import CopiesModel, Hour, Projection, project
from llmdyno.services.moments import HOUR_S
from llmdyno.services.service import ScalingOverrides
from llmdyno.services.traffic import Traffic, day_report

if TYPE_CHECKING:
    from llmdyno.services.bedrock_import.account import Account


_DEFAULT = CopiesModel(1)
_ANY = 10**9
"""As many calls as anybody sends."""
_A_GUESS = "a guess: this run did not show it"
_GUESSES = (0.5, 2.0)
"""A time that is a guess may be shorter or longer by these factors."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model of the copies, fitted to a run.

    `model`: with the best value of what a copy carries, or the lower bound if it is unknown. `carries`: what a copy
    carries, and how long answers take. `quick_and_slow`: the model with the shortest and the longest times that the run
    leaves open. `assumptions`: every assumption as text.
    """

    model: CopiesModel
    carries: Carried
    quick_and_slow: tuple[CopiesModel, CopiesModel]
    assumptions: tuple[str, ...]


class _World(NamedTuple):
    """One way in which the day may go: how copies scale, and how long an answer takes."""

    model: CopiesModel
    service_s: float


def fit(account: Account, better: ScalingOverrides) -> Fitted:
    """The model of the copies, as the run showed it.

    Raises:
        InputError: no request succeeded, so nothing shows how long one takes.
    """
    carries = carried(replace(account, better=better))
    if carries is None:
        problem = "no request succeeded, so the run does not show how long one takes"
        raise InputError(str(account.run.path), problem, "give a run in which requests succeeded")
    cold_s = account.cold_starts_s()
    cold_start_s, cold_origin = _first(
        better.cold_start_s, float(np.median(cold_s)) if cold_s else None, _DEFAULT.cold_start_s
    )
    scale_up_s, scale_ups_s, scale_up_origin = _scale_up(account, better)
    idle_s = better.idle_s if better.idle_s is not None else _DEFAULT.idle_s
    max_copies = better.max_copies or _DEFAULT.max_copies
    cold_starts_s = tuple(cold_start_s * (1 if cold_origin != _A_GUESS else factor) for factor in _GUESSES)
    assumptions = (
        *_of_answers(carries),
        f"a cold start takes {cold_start_s:.1f} s, {cold_origin}; calls that meet a cold model wait for it",
        f"another copy comes {scale_up_s:.1f} s after the first refusal, {scale_up_origin}",
        f"copies go after {idle_s:g} s without need, {'as given' if better.idle_s is not None else 'as documented'}",
        f"{max_copies} copies at most{'' if better.max_copies else ', the default quota of an account'}",
        f"a refused call is sent again up to {_DEFAULT.retries} times, after longer and longer pauses, and then lost",
        "windows without a call are not billed, and the model is cold when the day begins",
    )
    calls = carries.calls or carries.low
    # Of the time until another copy comes, the first third at most is the time that refusals must last. That guess
    # decides whether refusals that come and go start a copy: at its quickest, the first one does.
    after_s = [min(_DEFAULT.scale_up_after_s, total_s / 3) for total_s in (scale_up_s, scale_ups_s[1])]
    model = CopiesModel(calls, max_copies, cold_start_s, after_s[0], scale_up_s - after_s[0], idle_s)
    quick = CopiesModel(calls, max_copies, cold_starts_s[0], 0.0, scale_ups_s[0], idle_s)
    slow = CopiesModel(calls, max_copies, cold_starts_s[1], after_s[1], scale_ups_s[1] - after_s[1], idle_s)
    return Fitted(model, carries, (quick, slow), assumptions)


def _first(given: float | None, seen: float | None, usual: float) -> tuple[float, str]:
    """The best value there is, and where it comes from."""
    if given is not None:
        return given, "as given"
    return (seen, "as in this run") if seen is not None else (usual, _A_GUESS)


def _of_answers(carries: Carried) -> tuple[str, str]:
    """What is assumed of answers and of what a copy carries."""
    answer = (
        f"an answer takes {carries.answer_s:.2f} s, the mean of this run, in which a copy had {carries.at_once:.1f} "
        f"call{'s' * (round(carries.at_once, 1) != 1)} at once"
    )
    if carries.slowest_s > 1.05 * carries.answer_s:
        answer += f"; on a full copy it may take up to {carries.slowest_s:.1f} s, which the range includes"
    calls = carries.calls or carries.low
    carry = f"{calls} call{'s' * (calls != 1)} at a time, {carries.origin}"
    return answer, f"a copy carries {'' if carries.calls else 'at least '}{carry}"


def _scale_up(account: Account, better: ScalingOverrides) -> tuple[float, tuple[float, float], str]:
    """Seconds from the first refusal to another copy, their bounds, and where they come from."""
    if better.scale_up_s is not None:
        return better.scale_up_s, (better.scale_up_s, better.scale_up_s), "as given"
    refused_s = account.calls.sent_s[account.calls.throttled]
    later = [life for life in account.copies.lives[1:] if len(refused_s) and life.from_s > refused_s[0]]
    if not later:
        usual_s = _DEFAULT.scale_up_after_s + _DEFAULT.scale_up_delay_s
        return usual_s, (usual_s * _GUESSES[0], usual_s * _GUESSES[1]), _A_GUESS
    seen_s = later[0].from_s - float(refused_s[0])
    low_s, high_s = (max(0.0, end_s - float(refused_s[0])) for end_s in later[0].from_span_s or (later[0].from_s,) * 2)
    if low_s == high_s:
        return seen_s, (low_s, high_s), "as in this run"
    high_s = min(high_s, float(account.calls.end_s.max()) - float(refused_s[0]))
    return seen_s, (low_s, high_s), f"as in this run ({low_s:.0f} to {high_s:.0f} s)"


def projection_report(account: Account, fitted: Fitted, traffic: Traffic) -> dict[str, Any]:
    """The projection, in the form that cost.json holds: a day by the hour, a month, and a range.

    The lower bound has copies that carry more. The upper bound has copies that carry less or take longer, and bills
    their idle windows too. Both include what guesses may be wrong by, and further draws of the day's arrivals.
    """
    carries, price = fitted.carries, account.price
    best, worlds, others, draws = _days(fitted, traffic)
    known = carries.calls is not None
    low, high = _bounded(others, draws, _billed, _billed_if_idle)
    # When a further copy comes hangs on chance, so that even draws that agree do not bound it to the window.
    chance = best.most_copies - 1 if traffic.others and best.most_copies else 0
    windows = {
        "low": max(min(1, best.windows), math.floor(low) - chance),
        "billed": best.windows if known else None,
        "high": math.ceil(high) + chance,
    }
    window = price.window if price is not None else None
    storage = price.storage_month if price is not None else None
    day = {name: None if window is None or count is None else window * count for name, count in windows.items()}
    dollars, days = day["billed"], traffic.days_a_month
    return {
        **_traffic(traffic),
        "days_a_month": days,
        "assumptions": list(fitted.assumptions),
        "capacity": _capacity(account, carries),
        "model": _model(fitted),
        "hours": _hours_known(best, window) if known else _hours_bounded(worlds, window),
        **(_totals(best) if known else _totals_bounded(others)),
        "windows": windows,
        "day": _range(day, 1, None),
        "month": _range(day, days, storage),
        "month_storage": exact_text(storage),
        "thousand_requests": exact_text(None if dollars is None or not best.served else dollars / best.served * 1000),
        "thousand_requests_range": _thousand(others, draws, window) if known else None,
    }


def _thousand(ways: list[Projection], draws: list[list[Projection]], window: Decimal | None) -> list[str | None] | None:
    """Dollars of a thousand served requests, at least and at most; None: no price is known, or no way serves any."""
    served = [one for one in ways if one.served]
    if window is None or not served:
        return None
    drawn = [[one for one in group if one.served] for group in draws]
    low, high = _bounded(
        served,
        drawn,
        lambda one: _billed(one) / one.served * 1000,
        lambda one: _billed_if_idle(one) / one.served * 1000,
    )
    return [exact_text(window * max(Decimal(0), low)), exact_text(window * high)]


def _billed(way: Projection) -> Decimal:
    return Decimal(way.windows)


def _billed_if_idle(way: Projection) -> Decimal:
    """The windows that are billed if those without a call are billed too."""
    return Decimal(way.windows + way.idle_windows)


def _bounded(
    ways: list[Projection],
    draws: list[list[Projection]],
    at_least: Callable[[Projection], Decimal],
    at_most: Callable[[Projection], Decimal],
) -> tuple[Decimal, Decimal]:
    """The bounds of a figure over all ways in which a day may go, and over draws that were not made.

    A few draws of a day do not show how far others go. Four times their range, divided by how many they are, more on
    each side makes about three standard deviations, from two draws to ten.
    """
    low, high = min(map(at_least, ways)), max(map(at_most, ways))
    for group in draws:
        if len(group) > 1:
            least, most = [at_least(one) for one in group], [at_most(one) for one in group]
            low = min(low, min(least) - (max(least) - min(least)) * 4 / len(group))
            high = max(high, max(most) + (max(most) - min(most)) * 4 / len(group))
    return low, high


def _days(
    fitted: Fitted, traffic: Traffic
) -> tuple[Projection, list[Projection], list[Projection], list[list[Projection]]]:
    """The day as the best values give it; all the ways in which it may go, that one included; those and further draws
    of its arrivals; and the draws again, each list with the same values for all else."""
    carries, model = fitted.carries, fitted.model
    best, slow = _World(model, carries.answer_s), _World(model, carries.slowest_s)
    any_number = _World(replace(model, calls_per_copy=_ANY), carries.answer_s)
    if carries.calls is None:
        worlds, draws = [best, any_number, slow], [slow, any_number]
    else:
        bounds = (carries.low, carries.high or _ANY)
        worlds = [best, *(_World(replace(model, calls_per_copy=calls), carries.answer_s) for calls in bounds), slow]
        draws = [best]
    worlds += [_World(other, carries.slowest_s) for other in fitted.quick_and_slow]
    arrivals = traffic.arrivals_s.tolist()
    found = {one: project(arrivals, one.service_s, one.model) for one in dict.fromkeys(worlds)}
    drawn = [
        [found[one], *(project(other.tolist(), one.service_s, one.model) for other in traffic.others)]
        for one in dict.fromkeys(draws)
    ]
    ways = list(found.values())
    return ways[0], ways, ways + [one for group in drawn for one in group[1:]], drawn


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "traffic": f"{traffic.description}; {traffic.arrivals}",
        "requests": len(traffic.arrivals_s),
        **day_report(traffic),
    }


def _capacity(account: Account, carries: Carried) -> dict[str, Any]:
    """What a copy carries, and the command that finds it where it is unknown."""
    known = carries.calls is not None
    return {
        "known": known,
        "calls": carries.calls,
        "low": carries.low,
        "high": carries.high,
        "origin": carries.origin,
        "unknown_because": None if known else f"this run {refused(account)}",
        "copies_then": account.copies.most(),
        "find_with": None if known else finding_command(account, carries.low),
    }


def _model(fitted: Fitted) -> dict[str, float | None]:
    model, carries = fitted.model, fitted.carries
    return {
        "calls_per_copy": carries.calls,
        "max_copies": model.max_copies,
        "service_s": carries.answer_s,
        "slowest_service_s": carries.slowest_s,
        "cold_start_s": model.cold_start_s,
        "scale_up_s": model.scale_up_after_s + model.scale_up_delay_s,
        "idle_s": model.idle_s,
    }


def _totals(best: Projection) -> dict[str, Any]:
    return {
        "cold_starts": best.cold_starts,
        "most_copies": best.most_copies,
        "served": best.served,
        "waited_for_a_cold_start": best.total("waited"),
        "throttled_attempts": best.total("throttled"),
        "lost": best.total("lost"),
    }


def _totals_bounded(ways: list[Projection]) -> dict[str, Any]:
    """The totals that do not hang on what a copy carries, as bounds; None for those that do."""
    starts, copies = [one.cold_starts for one in ways], [one.most_copies for one in ways]
    unknown = dict.fromkeys(_totals(ways[0]))
    return {**unknown, "cold_starts_range": [min(starts), max(starts)], "copies_range": [min(copies), max(copies)]}


def _range(day: dict[str, Decimal | None], days: int, storage: Decimal | None) -> dict[str, str | None]:
    """A number of such days, with what is added to them."""
    more = storage or Decimal(0)
    low, dollars, high = (None if value is None else value * days + more for value in day.values())
    return {"low": exact_text(low), "dollars": exact_text(dollars), "high": exact_text(high)}


def _hours_known(best: Projection, window: Decimal | None) -> list[dict[str, Any]]:
    return [
        {
            "hour": number,
            "requests": hour.requests,
            "copies": round(hour.copy_s / HOUR_S, 3),
            "windows": hour.windows,
            "dollars": exact_text(None if window is None else window * hour.windows),
            "throttled": hour.throttled,
            "lost": hour.lost,
            "waited": hour.waited,
        }
        for number, hour in enumerate(best.hours)
    ]


def _hours_bounded(ways: list[Projection], window: Decimal | None) -> list[dict[str, Any]]:
    """The hours of a day whose copies carry an unknown number of calls: what hangs on it is a range, or None."""
    found = []
    for number, hours in enumerate(zip_longest(*(one.hours for one in ways), fillvalue=Hour())):
        low, high = min(hour.windows for hour in hours), max(hour.windows for hour in hours)
        dollars = [None if window is None else exact_text(window * count) for count in (low, high)]
        found.append(
            {
                "hour": number,
                "requests": hours[0].requests,
                **dict.fromkeys(("copies", "windows", "dollars", "throttled", "lost", "waited")),
                "windows_low": low,
                "windows_high": high,
                "dollars_low": dollars[0],
                "dollars_high": dollars[1],
            }
        )
    return found
