"""The load: how many users or how fast, for how long. One value, its words, and the readers of its parts.

In: raw values of its keys. Out: a :class:`Load` that knows whether it is an open or a closed loop, when it ends, and
what in it contradicts itself. It draws nothing: instants and lengths are the workload's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmdyno.errors import InputError
from llmdyno.spec.readers import not_negative, positive, whole

REPLAY = "replay "
"""Arrivals that begin so name a trace."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """Requests a second, rising or falling evenly over `length_s`."""

    rate_from: float
    rate_to: float
    length_s: float

    def __str__(self) -> str:
        return f"{self.rate_from:g}:{self.rate_to:g}:{self.length_s:g}s"


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the load: a rate (requests a second) or a number of users, for so long; from `start_s` on, or where the
    stage before it ends."""

    duration_s: float
    rate: float | None = None
    concurrency: int | None = None
    start_s: float | None = None

    def values(self) -> dict[str, float | int]:
        """As it stands in TOML."""
        named = {"rate": self.rate, "concurrency": self.concurrency, "duration": self.duration_s, "start": self.start_s}
        return {name: value for name, value in named.items() if value is not None}


def ramp(value: Any) -> Ramp:
    fits = "FROM:TO:DURATION, requests a second, such as 1:50:60s"
    if isinstance(value, Ramp):
        return value
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 3:
        raise ValueError(fits)
    try:
        rates = [positive("requests a second")(part) for part in parts[:2]]
        return Ramp(rates[0], rates[1], positive("seconds")(parts[2]))
    except ValueError:
        raise ValueError(fits) from None


def arrivals(value: Any) -> str:
    fits = "constant, poisson, gamma(CV) or replay FILE"
    if not isinstance(value, str):
        raise ValueError(fits)
    text = " ".join(value.split())
    if text in ("constant", "poisson"):
        return text
    gamma = re.fullmatch(r"gamma\(\s*([0-9.eE+-]+)\s*\)", text)
    if gamma is not None:
        try:
            cv = positive("")(gamma[1])
        except ValueError:
            raise ValueError("gamma(CV) with a coefficient of variation above 0 and up to 10") from None
        if cv > 10:
            raise ValueError("gamma(CV) with a coefficient of variation above 0 and up to 10")
        return f"gamma({cv:g})"
    if text.startswith("replay ") and value.strip()[7:].strip():
        return "replay " + value.strip()[7:].strip()
    raise ValueError(fits)


_STAGE_KEYS = {"rate", "concurrency", "duration", "start"}


def stages(value: Any) -> tuple[Stage, ...]:
    """Stages from texts ``rate=10,duration=30s``, from TOML tables, or as they are; none may overlap the one before."""
    fits = (
        "stages with duration and either rate or concurrency: rate=10,duration=30s; concurrency=8,duration=1m,start=90"
    )
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(fits)
    found: list[Stage] = []
    for number, given in enumerate(value, 1):
        if isinstance(given, Stage):
            found.append(given)
            continue
        item = given
        if isinstance(given, str):
            item = dict(part.partition("=")[::2] for part in given.replace(" ", "").split(","))
        if not isinstance(item, Mapping) or not set(item) <= _STAGE_KEYS or "duration" not in item:
            raise ValueError(fits)
        if ("rate" in item) == ("concurrency" in item):
            raise ValueError(f"either rate or concurrency in stage {number}")
        try:
            found.append(
                Stage(
                    positive("seconds")(item["duration"]),
                    positive("")(item["rate"]) if "rate" in item else None,
                    whole(1)(item["concurrency"]) if "concurrency" in item else None,
                    not_negative(item["start"]) if "start" in item else None,
                )
            )
        except ValueError as error:
            raise ValueError(f"in stage {number} {str(error).lstrip()}") from None
    if len({stage.rate is None for stage in found}) > 1:
        raise ValueError("stages of one kind: all with a rate, or all with a concurrency")
    before_s = 0.0
    for number, (start_s, end_s, _) in enumerate(placed(found), 1):
        if start_s < before_s - 1e-9:
            late = f"stage {number} starts at {start_s:g} s, before {before_s:g} s"
            raise ValueError(f"stages that do not overlap: {late}")
        before_s = end_s
    return tuple(found)


def placed(stages: Sequence[Stage]) -> list[tuple[float, float, Stage]]:
    """(start, end, stage) of each stage, seconds after the load's start: where it says, or where the one before
    ends."""
    found, now_s = [], 0.0
    for stage in stages:
        start_s = now_s if stage.start_s is None else stage.start_s
        now_s = start_s + stage.duration_s
        found.append((start_s, now_s, stage))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """The load that a spec's keys ask for; the fields are those keys."""

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
        """The most users of a closed loop."""
        return max((stage.concurrency or 0 for stage in self.stages), default=0) or self.concurrency

    @property
    def length_s(self) -> float | None:
        """How long it sends, where its keys say so; None: until its requests are sent, or its trace ends."""
        if self.stages:
            return max(end_s for _, end_s, _ in placed(self.stages))
        return self.duration_s or (self.ramp.length_s if self.ramp is not None else None)

    @property
    def ends(self) -> bool:
        """Whether it ends by itself."""
        return self.requests is not None or self.length_s is not None or self.replays

    def words(self) -> str:
        """The load in words: open or closed, how much of it, until when."""
        until = [f"{self.requests} request{'s' * (self.requests != 1)}"] if self.requests is not None else []
        until += [f"{self.duration_s:g} s"] if self.duration_s is not None else []
        ends = f", {' or '.join(until)}" if until else ""
        if self.open_loop:
            bound = f", at most {self.max_concurrency} in flight" if self.max_concurrency else ""
            return f"open loop, {self._rate_words()}{bound}{ends}"
        if self.stages:
            return ", ".join(f"{_users(stage.concurrency)} for {stage.duration_s:g} s" for stage in self.stages) + ends
        return f"{_users(self.concurrency)}, closed loop{ends}"

    def _rate_words(self) -> str:
        if self.replays:
            scale = f" × {self.time_scale:g}" if self.time_scale != 1 else ""
            return f"replay of {self.arrivals.removeprefix(REPLAY)}{scale}"
        kind = "" if self.arrivals == "constant" else f" ({self.arrivals})"
        if self.ramp is not None:
            ramp = self.ramp
            return f"{ramp.rate_from:g} to {ramp.rate_to:g} requests/s over {ramp.length_s:g} s{kind}"
        if self.stages:
            return ", ".join(f"{stage.rate:g} requests/s for {stage.duration_s:g} s" for stage in self.stages) + kind
        return f"{self.rate:g} requests/s{kind}"

    def check(self) -> None:
        """See that its keys go together.

        Raises:
            InputError: two of them ask for different loads.
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
