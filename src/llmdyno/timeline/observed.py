"""What a driving process saw of itself, and the counters that it shows while it drives. PURE.

In: nothing; the driver fills them in. Out: plain values that travel between processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters of the current phase, for a live view.

    `chunks` counts output chunks of ended requests, and pieces of the body of those in flight. `ttft_p50_s` is over
    the last thousand requests. `emulated`: the endpoint says that it is an emulator. `waiting`: requests past their
    planned instant that the in-flight limit holds back. In the phases `warm` and `idle`, `done` counts the rounds
    before this one.
    """

    phase: str
    elapsed_s: float
    done: int
    failed: int
    in_flight: int
    total: int | None
    duration_s: float | None
    chunks: int
    ttft_p50_s: float | None
    emulated: bool = False
    waiting: int = 0


@dataclass(slots=True)
class Observed:
    """What one process saw of itself.

    `clock`: who stamped arrivals. `event_loop`: the loop's class. `phases`: (name, start ns, end ns) of each phase of
    the load. `cpu`: (time ns, CPU seconds used), about four a second. `loop_lags_s`: how late the event loop came to
    each of those samples. `gc_pauses_s`: how long each garbage collection took. `made_late`: prompts made while others
    were in flight. `notes`: what was decided on the way. `emulated`: the endpoint's label, if it is an emulator.
    `interrupted`: the run ended early. `problem`: why the endpoint could not be measured to the end, as an InputError's
    three parts.
    """

    clock: str = ""
    event_loop: str = ""
    phases: list[tuple[str, int, int]] = field(default_factory=list)
    cpu: list[tuple[int, float]] = field(default_factory=list)
    loop_lags_s: list[float] = field(default_factory=list)
    gc_pauses_s: list[float] = field(default_factory=list)
    made_late: int = 0
    notes: tuple[str, ...] = ()
    emulated: str | None = None
    interrupted: bool = False
    problem: tuple[str, str, str] | None = None
