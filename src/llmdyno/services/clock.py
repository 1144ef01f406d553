"""The service's own clock, which an emulator may run faster than ours.

In: a run. Out: a :class:`ServiceClock`, which converts between our wall clock and the service's time. It knows no
service.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmdyno.runs.run import Run
from llmdyno.timeline.emulated import Emulated


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """The service's unix seconds at the run's origin; the run's origin on our wall clock, unix seconds; and how many
    times faster than ours the service's clock runs (1 for a real service)."""

    origin_unix_s: float
    speed: float
    wall_origin_unix_s: float

    @classmethod
    def of(cls, run: Run) -> ServiceClock:
        """The clock of a run's endpoint."""
        wall_s = run.environment.clock.origin_unix_ns / 1e9
        found = run.emulated
        if found is None:
            return cls(wall_s, 1.0, wall_s)
        emulated = Emulated(str(found.profile), found.speed or 1.0, found.since_unix_s)
        return cls(emulated.now(wall_s), emulated.speed, wall_s)

    def at_wall(self, unix_s: float) -> float:
        """The service's unix seconds at a time of our wall clock, unix seconds."""
        return self.origin_unix_s + (unix_s - self.wall_origin_unix_s) * self.speed
