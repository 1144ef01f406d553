"""What a model copy carries, as far as a run shows it. PURE.

In: a run's account, with what the user knows better. Out: a :class:`Carried`. A run that was refused something shows
how many calls a copy carries. A run that was refused nothing shows a lower bound: the most calls that it asked of one.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from llmdyno.services.copies import GIVEN
from llmdyno.services.flight import flight_of
from llmdyno.services.moments import HOUR_S

if TYPE_CHECKING:
    from llmdyno.services.bedrock_import.account import Account

_SPREAD = 0.2
"""The assumed error of the calls that a copy carries, as a share of what was seen or given."""
_DOUBLINGS = 4
"""How many numbers of users the command that finds the capacity tries, each twice the last one."""
_SPEC_FILE = "spec.toml"


class Carried(NamedTuple):
    """How many calls a copy carries at a time, and how long they take.

    `calls`: the best value (None: unknown). `low`, `high`: its bounds (`high` None: unknown). `origin`: where they come
    from. `answer_s`: the mean end-to-end latency of the run, seconds at real speed. `at_once`: how many calls a copy
    had at a time while that was measured, on average; at least one, as one call after another is what any copy carries.
    """

    calls: int | None
    low: int
    high: int | None
    origin: str
    answer_s: float
    at_once: float

    @property
    def slowest_s(self) -> float:
        """How long an answer takes on a full copy at most, seconds: a full copy delivers no less than this run's did.

        With an unknown capacity, a copy counts as full with the most calls that the run asked of it.
        """
        return self.answer_s * max(1.0, (self.calls or self.low) / self.at_once)

    def per_hour(self) -> tuple[float, float | None]:
        """The requests an hour that a full copy delivers: at least, and at most (None: unknown).

        At least what it delivers with as many calls at once as in this run; at most what it would if answers got no
        slower.
        """
        shown = self.at_once * HOUR_S / self.answer_s
        most = None if self.high is None else self.high * HOUR_S / self.answer_s
        return (shown if most is None else min(shown, most)), most


def carried(account: Account) -> Carried | None:
    """What a copy of a run carries; None: no request succeeded, so nothing shows how long one takes."""
    answer_s = mean_answer_s(account)
    if answer_s is None:
        return None
    calls, low, high, origin = _calls(account)
    delivered = account.delivered
    if delivered is None or not delivered.copies:
        return Carried(calls, low, high, origin, answer_s, 1.0)
    at_once = delivered.requests_per_hour / delivered.copies * answer_s / HOUR_S  # Little's law
    return Carried(calls, low, high, origin, answer_s, max(1.0, at_once))


def mean_answer_s(account: Account) -> float | None:
    """The mean end-to-end latency, seconds at real speed; None: no request succeeded."""
    latencies_s = account.run.figures.end_to_end_latency_s
    latencies_s = latencies_s[~np.isnan(latencies_s)] * account.clock.speed
    return float(latencies_s.mean()) if len(latencies_s) else None


def _calls(account: Account) -> tuple[int | None, int, int | None, str]:
    """The calls that a copy carries, the bounds, and where they come from."""
    given, seen = account.better.calls_per_copy, account.copies.calls_per_copy
    count = given if given is not None else seen
    if count is not None:
        low, high = max(1, round(count * (1 - _SPREAD))), round(count / (1 - _SPREAD))
        if given is not None:
            return count, low, high, "as given"
        bounds = account.copies.carries
        if bounds is not None:
            low, high = min(low, max(1, bounds[0])), max(high, bounds[1])
        return count, low, high, "as in this run when it refused more"
    least = max(1, flight_of(account.calls).mostly() // max(1, account.copies.most()))
    return None, least, None, f"the most that this run asked of one; it {refused(account)}"


def refused(account: Account) -> str:
    """What was refused to a run that does not show what a copy carries: the reason why it does not."""
    if not account.calls.throttled.any():
        return "was refused nothing"
    if account.copies.source == GIVEN:
        return "was refused calls, but the number of copies was given by hand"
    return "was refused calls only while nothing else was at work"


def finding_command(account: Account, least: int) -> str:
    """The command that finds what a copy carries, with the run's own spec."""
    users = ",".join(str(least * 2**power) for power in range(_DOUBLINGS))
    bound = "" if account.run.spec.slo else " --slo ttft_s=1"
    return f"llmdyno capacity {shlex.quote(str(account.run.path / _SPEC_FILE))} --users {users}{bound}"
