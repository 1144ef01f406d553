"""The load: how many users or how many requests a second, and for how long. PURE.

In: raw values of the load's keys. Out: a :class:`Load` that knows whether it is an open or a closed loop, when it
ends, and which of its keys contradict each other. It does not draw: the workload makes instants and lengths.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmdyno.errors import InputError
from llmdyno.spec.distribution import exact_text
from llmdyno.spec.limits import LONGEST_TEXT, MOST_USERS
from llmdyno.spec.readers import above_zero, duration_s, pause_s, requests_per_second, whole_number

REPLAY = "replay "
"""Arrivals that start with this word replay the trace whose path follows."""

_LEAST_VARIATION, _MOST_VARIATION = 0.001, 10.0
_STAGE_KEYS = {"rate", "concurrency", "duration", "start"}
_STAGES_FIT = (
    "stages with duration and either rate or concurrency: rate=10,duration=30s; concurrency=8,duration=1m,start=90"
)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A rate in requests a second that changes evenly from `rate_from` to `rate_to` during `duration_s` seconds."""

    rate_from: float
    rate_to: float
    duration_s: float

    def __str__(self) -> str:
        return f"{exact_text(self.rate_from)}:{exact_text(self.rate_to)}:{exact_text(self.duration_s)}s"


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the load that lasts `duration_s`: a rate (requests a second) or a number of users.

    It starts `start_s` after the load does, or where the stage before it ends.
    """

    duration_s: float
    rate: float | None = None
    concurrency: int | None = None
    start_s: float | None = None

    def values(self) -> dict[str, float | int]:
        """The stage as a TOML table."""
        named = {"rate": self.rate, "concurrency": self.concurrency, "duration": self.duration_s, "start": self.start_s}
        return {name: value for name, value in named.items() if value is not None}


# --- readers


def ramp(value: Any) -> Ramp:
    """Reads ``FROM:TO:DURATION``.

    Raises:
        ValueError: with what fits.
    """
    fits = "FROM:TO:DURATION, requests a second, such as 1:50:60s"
    if isinstance(value, Ramp):
        value = str(value) if _are_numbers(value.rate_from, value.rate_to, value.duration_s) else None
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 3:
        raise ValueError(fits)
    try:
        return Ramp(requests_per_second(parts[0]), requests_per_second(parts[1]), duration_s(parts[2]))
    except ValueError:
        raise ValueError(fits) from None


def arrivals(value: Any) -> str:
    """Reads a kind of arrivals: ``constant``, ``poisson``, ``gamma(CV)`` or ``replay FILE``.

    Raises:
        ValueError: with what fits.
    """
    fits = "constant, poisson, gamma(CV) or replay FILE"
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(fits)
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{fits} of at most {LONGEST_TEXT:,} characters")
    text = " ".join(value.split())
    if text in ("constant", "poisson"):
        return text
    gamma = re.fullmatch(r"gamma\(([^()]*)\)", text)
    if gamma is not None:
        return f"gamma({_variation(gamma[1]):g})"
    path = value.strip().removeprefix(REPLAY).strip()
    if text.startswith(REPLAY) and path:
        return REPLAY + path
    raise ValueError(fits)


def _are_numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _variation(text: str) -> float:
    fits = f"gamma(CV) with a coefficient of variation above 0 and up to {_MOST_VARIATION:g}"
    try:
        variation = above_zero("")(text)
    except ValueError:
        raise ValueError(fits) from None
    if variation > _MOST_VARIATION:
        raise ValueError(fits)
    if variation < _LEAST_VARIATION:
        raise ValueError(f"constant, or gamma(CV) with a coefficient of variation from {_LEAST_VARIATION:g} up")
    return variation


def stages(value: Any) -> tuple[Stage, ...]:
    """Reads stages from texts ``rate=10,duration=30s``, from TOML tables, or from :class:`Stage` values.

    Raises:
        ValueError: with what fits. A stage does not fit if it starts before the one before it ends.
    """
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(_STAGES_FIT)
    tables = [given.values() if isinstance(given, Stage) else given for given in value]
    found = [_stage(given, number) for number, given in enumerate(tables, 1)]
    if len({stage.rate is None for stage in found}) > 1:
        raise ValueError("stages of one kind: all with a rate, or all with a concurrency")
    before_s = 0.0
    for number, (start_s, end_s, _) in enumerate(placed(found), 1):
        if start_s < before_s - 1e-9:
            late = f"stage {number} starts at {start_s:g} s, before {before_s:g} s"
            raise ValueError(f"stages that do not overlap: {late}")
        before_s = end_s
    return tuple(found)


def _stage(given: Any, number: int) -> Stage:
    item = given
    if isinstance(given, str):
        parts = [part.partition("=")[::2] for part in given.replace(" ", "").split(",")]
        item = dict(parts)
        if len(item) < len(parts):
            raise ValueError(f"each key once in stage {number}")
    if not isinstance(item, Mapping) or not set(item) <= _STAGE_KEYS or "duration" not in item:
        raise ValueError(_STAGES_FIT)
    if ("rate" in item) == ("concurrency" in item):
        raise ValueError(f"either rate or concurrency in stage {number}")
    try:
        return Stage(
            duration_s(item["duration"]),
            requests_per_second(item["rate"]) if "rate" in item else None,
            whole_number(1, MOST_USERS)(item["concurrency"]) if "concurrency" in item else None,
            pause_s(item["start"]) if "start" in item else None,
        )
    except ValueError as error:
        raise ValueError(f"in stage {number} {error}") from None


def placed(stages: Sequence[Stage]) -> list[tuple[float, float, Stage]]:
    """The stages with their times: (start, end, stage), in seconds after the load's start."""
    found, now_s = [], 0.0
    for stage in stages:
        start_s = now_s if stage.start_s is None else stage.start_s
        now_s = start_s + stage.duration_s
        found.append((start_s, now_s, stage))
    return found


# --- the load


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """The load that a spec's keys ask for. The fields are those keys."""

    concurrency: int
    rate: float | None
    arrivals: str
    ramp: Ramp | None
    stages: tuple[Stage, ...]
    time_scale: float
    max_concurrency: int | None
    requests: int | None
    duration_s: float | None

    @property
    def replays(self) -> bool:
        """Whether a trace is replayed."""
        return self.arrivals.startswith(REPLAY)

    @property
    def open_loop(self) -> bool:
        """Whether requests leave at planned instants."""
        rates = any(stage.rate is not None for stage in self.stages)
        return self.rate is not None or self.ramp is not None or self.replays or rates

    @property
    def users(self) -> int:
        """The largest number of users of a closed loop."""
        return max((stage.concurrency or 0 for stage in self.stages), default=0) or self.concurrency

    @property
    def sends_for_s(self) -> float | None:
        """For how many seconds it sends, if its keys say so. None: a number of requests or a trace ends it."""
        if self.stages:
            return max(end_s for _, end_s, _ in placed(self.stages))
        return self.duration_s or (self.ramp.duration_s if self.ramp is not None else None)

    @property
    def ends(self) -> bool:
        """Whether it ends by itself."""
        return self.requests is not None or self.sends_for_s is not None or self.replays

    def describe(self) -> str:
        """The load in a few words: open or closed loop, how much of it, and when it ends."""
        until = [f"{self.requests} request{'s' * (self.requests != 1)}"] if self.requests is not None else []
        until += [f"{self.duration_s:g} s"] if self.duration_s is not None else []
        ends = f", {' or '.join(until)}" if until else ""
        if self.open_loop:
            bound = f", at most {self.max_concurrency} in flight" if self.max_concurrency else ""
            return f"open loop, {self._describe_rate()}{bound}{ends}"
        if self.stages:
            return ", ".join(f"{_users(stage.concurrency)} for {stage.duration_s:g} s" for stage in self.stages) + ends
        return f"{_users(self.concurrency)}, closed loop{ends}"

    def _describe_rate(self) -> str:
        if self.replays:
            scale = f" × {self.time_scale:g}" if self.time_scale != 1 else ""
            return f"replay of {self.arrivals.removeprefix(REPLAY)}{scale}"
        kind = "" if self.arrivals == "constant" else f" ({self.arrivals})"
        if self.ramp is not None:
            ramp = self.ramp
            return f"{ramp.rate_from:g} to {ramp.rate_to:g} requests/s over {ramp.duration_s:g} s{kind}"
        if self.stages:
            return ", ".join(f"{stage.rate:g} requests/s for {stage.duration_s:g} s" for stage in self.stages) + kind
        return f"{self.rate:g} requests/s{kind}"

    def check(self) -> None:
        """Check that the keys go together.

        Raises:
            InputError: two keys ask for different loads, or a key does not apply to this load.
        """
        shapes = {"--rate": self.rate, "--ramp": self.ramp, "--stage": self.stages or None}
        given = [flag for flag, value in shapes.items() if value is not None]
        if len(given) > 1 or (self.replays and given):
            names = given + ["--arrivals replay"] * self.replays
            raise InputError(" and ".join(names), "each of them is the whole load", "give one")
        if not self.open_loop:
            closed = {"--arrivals": self.arrivals != "constant", "--max-concurrency": self.max_concurrency is not None}
            for flag, wrong in closed.items():
                if wrong:
                    fits = "add --rate, --ramp or stages with a rate"
                    raise InputError(flag, "is for an open loop, and nothing says how fast", fits)
        if self.time_scale != 1.0 and not self.replays:
            raise InputError("--time-scale", "is for --arrivals replay", "leave it out")
        if self.stages and self.duration_s is not None:
            raise InputError("--duration", "each stage has its own", "leave it out")


def _users(count: int | None) -> str:
    return f"{count} user{'s' * (count != 1)}"
