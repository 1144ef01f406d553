"""Builds a run's environment, and the announcement of what is about to be measured.

In: the spec, what the preflight found, the plan, and what the driving processes observed. Out: an
:class:`~llmdyno.runs.environment.Environment`, and an :class:`Announcement` for the user.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

from llmdyno.host.describe import describe_host
from llmdyno.runs.environment import (
    ClockFacts,
    Emulation,
    EndpointFacts,
    Environment,
    PhaseFacts,
    ProcessFacts,
    TokenizerFacts,
)
from llmdyno.runs.server import Server
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import masked_url, spec_secrets
from llmdyno.spec.spec import Spec
from llmdyno.timeline.emulated import read_label
from llmdyno.timeline.observed import Observed
from llmdyno.timeline.record import KERNEL, USER
from llmdyno.transports.clock import Clock
from llmdyno.workload.plan import Plan

_MODELS = 50
"""How many models of a server's list environment.json keeps at most."""


class Origin:
    """The origin of a run's times. While its context is open, the kernel stamps arrivals for all sockets."""

    def __init__(self) -> None:
        self.started_s = time.time()
        self._clock = Clock()
        self.monotonic_ns = self._clock.origin_ns
        self.unix_ns = self._clock.origin_ns + self._clock.unix_offset_ns
        self.clock = KERNEL if self._clock.kernel_stamps else USER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._clock.close()


@dataclass(frozen=True)
class Announcement:
    """What is about to be measured, as text for the user. `emulated_speed` is None for a real endpoint."""

    endpoint: str
    load: str
    emulated_speed: float | None


def announcement(server: Server, plan: Plan) -> Announcement:
    """What is about to be measured."""
    emulated, url, mask = server.emulated, masked_url(server.base_url), Masker(server.secrets)
    if emulated is None:
        where = f"at {url}" if url else "through LiteLLM"
        return Announcement(mask.text(f"{server.model} {where}"), plan.describe, None)
    where = "" if emulated.embedded else f", {url}"
    endpoint = mask.text(f"an EMULATED {emulated.profile} at {emulated.speed:g}× real speed{where}")
    return Announcement(endpoint, plan.describe, emulated.speed)


def describe(spec: Spec, server: Server, plan: Plan, origin: Origin, observed: Sequence[Observed] = ()) -> Environment:
    """The environment of a run. Before the load, `observed` is empty."""
    first = observed[0] if observed else Observed(clock=origin.clock, event_loop=_loop_name())
    lags = [lag for one in observed for lag in one.loop_lags_s]
    pauses = [pause for one in observed for pause in one.gc_pauses_s]
    return Environment(
        **describe_host(),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(origin.started_s)),
        event_loop=first.event_loop,
        tls_library=ssl.OPENSSL_VERSION,
        clock=ClockFacts(first.clock, origin.monotonic_ns, origin.unix_ns),
        endpoint=_endpoint(server, first, Masker((*spec_secrets(spec), *server.secrets))),
        workload=plan.workload,
        tokenizer=TokenizerFacts(plan.counter.name, plan.counter.exact),
        prompts_made_during_the_run=sum(one.made_late for one in observed),
        phases=tuple(
            PhaseFacts(name, (start_ns - origin.monotonic_ns) / 1e9, (end_ns - origin.monotonic_ns) / 1e9)
            for name, start_ns, end_ns in first.phases
        ),
        process=ProcessFacts(
            tuple((round((time_ns - origin.monotonic_ns) / 1e9, 4), round(used_s, 4)) for time_ns, used_s in first.cpu),
            _largest(lags),
            len(pauses),
            _largest(pauses),
        ),
    )


def _endpoint(server: Server, observed: Observed, mask: Masker) -> EndpointFacts:
    emulated = _emulated(server, observed)
    return EndpointFacts(
        proxy=mask.value(server.proxy),
        address=mask.text(server.address),
        dialect=server.dialect,
        library=server.library,
        notes=mask.value((*server.notes, *observed.notes)),
        server=mask.value(server.server),
        models=mask.value(server.models[:_MODELS]) if server.models else None,
        emulated=emulated and msgspec.structs.replace(emulated, profile=mask.value(emulated.profile)),
        imported_model=server.imported_model,
    )


def _emulated(server: Server, observed: Observed) -> Emulation | None:
    """What the endpoint emulates, from the preflight or from the label on its answers. The label has the start time."""
    told = read_label(observed.emulated)
    known = server.emulated
    if told is None:
        return known
    if known is not None and known.embedded:
        return Emulation(known.profile, known.speed, True, told.since_unix_s)
    return Emulation(told.profile, told.speed, False, told.since_unix_s)


def _loop_name() -> str:
    loop = type(asyncio.get_running_loop())
    return f"{loop.__module__}.{loop.__qualname__}"


def _largest(values: list[float]) -> float | None:
    return round(max(values), 6) if values else None
