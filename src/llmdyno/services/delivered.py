"""What a run delivered, and which tokens it used, for every service that does not bill copies.

In: a run. Out: requests an hour at real speed with the window that shows them, and the tokens of each request. An
account of such a service is a :class:`TokenRun` with a price.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from llmdyno.metrics.conclude import asked_of, is_measured
from llmdyno.metrics.windows import steady_window, whole_window
from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.calls import Calls, calls_of
from llmdyno.services.clock import ServiceClock
from llmdyno.services.copies import NO_COPIES, Copies
from llmdyno.services.moments import HOUR_S
from llmdyno.services.service import Overrides
from llmdyno.services.usage import Usage, usage_of


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the load delivered, at real speed: requests an hour, and the window that shows it: its length in seconds,
    and whether the load was steady in it."""

    requests_per_hour: float
    window_s: float
    steady: bool


def delivered_by(run: Run, speed: float) -> Delivered | None:
    """What a run delivered in its steady window, or in the whole run if it has none; None: nothing."""
    steady = steady_window(run.measured)
    window = steady or whole_window(run.measured)
    throughput = run.summary["throughput"]
    part = throughput["steady"] if throughput["steady"] is not None else throughput["whole_run"]
    if window is None or run.succeeded == 0 or not part["request_per_s"]:
        return None
    return Delivered(part["request_per_s"] * HOUR_S / speed, window.duration_s * speed, steady is not None)


def usage_in(run: Run) -> Usage:
    """The tokens of a run's requests."""
    exact, most = run.environment.tokenizer.exact, asked_of(run.spec).most_output_tokens
    return usage_of(run.timeline, run.all_figures, is_measured(run.timeline), exact=exact, most=most)


@dataclass(frozen=True)
class TokenRun:
    """A run whose service shows no copies.

    `model` holds the model's identifier and its region. `overrides`: what the user knows better.
    """

    run: Run
    model: ModelFacts
    overrides: Overrides

    @cached_property
    def clock(self) -> ServiceClock:
        """The service's clock."""
        return ServiceClock.of(self.run)

    @cached_property
    def calls(self) -> Calls:
        """All calls of the run, in the service's time."""
        return calls_of(self.run.timeline, REFUSALS, self.clock.speed)

    @property
    def copies(self) -> Copies:
        """None: the service shows no copies."""
        return NO_COPIES

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is missing about its copies."""
        return ()

    @cached_property
    def usage(self) -> Usage:
        """The tokens of the run's requests."""
        return usage_in(self.run)

    @cached_property
    def delivered(self) -> Delivered | None:
        """What the load delivered; None: nothing."""
        return delivered_by(self.run, self.clock.speed)
