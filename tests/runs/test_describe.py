"""A run's environment from what each part said, and the announcement of what is about to be measured."""

from __future__ import annotations

import asyncio
import ssl
import time

import pytest
from tests.runs.written import SPEC, plan_of

from llmdyno.runs.describe import Announcement, Origin, announcement, describe
from llmdyno.runs.environment import Emulation, Environment, ModelFacts, PhaseFacts, ProcessFacts
from llmdyno.runs.server import Server
from llmdyno.timeline.observed import Observed

SERVER = Server(
    base_url="http://h/v1",
    model="m",
    address="h",
    dialect="openai chat",
    models=tuple(f"m{number}" for number in range(60)),
    server="nginx",
    notes=("looked",),
    imported_model=ModelFacts("arn", "us-east-1", 2, "v1"),
)


def observed(origin_ns: int, **more: object) -> Observed:
    values = {
        "clock": "sdk",
        "event_loop": "some.Loop",
        "phases": [
            ("warmup", origin_ns, origin_ns + 500_000_000),
            ("measured", origin_ns + 10**9, origin_ns + 2 * 10**9),
        ],
        "cpu": [(origin_ns + 250_000_000, 0.123456), (origin_ns + 500_012_345, 0.2)],
        "loop_lags_s": [0.001, 0.0000017],
        "gc_pauses_s": [0.002],
        "made_late": 3,
        "notes": ("decided",),
    }
    return Observed(**{**values, **more})  # type: ignore[arg-type]


def described(server: Server = SERVER, *found: Observed) -> tuple[Environment, Origin]:
    async def main() -> tuple[Environment, Origin]:
        with Origin() as origin:
            for one in found:
                one.phases = [
                    (name, start + origin.monotonic_ns, end + origin.monotonic_ns) for name, start, end in one.phases
                ]
                one.cpu = [(at + origin.monotonic_ns, used_s) for at, used_s in one.cpu]
            return describe(SPEC, server, plan_of(), origin, found), origin

    return asyncio.run(main())


def test_before_the_load() -> None:
    environment, origin = described()
    assert environment.started == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(origin.started_s))
    assert environment.event_loop.endswith("UnixSelectorEventLoop")
    assert environment.tls_library == ssl.OPENSSL_VERSION
    clock = environment.clock
    assert (clock.kind, clock.origin_monotonic_ns, clock.origin_unix_ns) == (
        "kernel", origin.monotonic_ns, origin.unix_ns,
    )  # fmt: skip
    assert abs(origin.unix_ns / 1e9 - origin.started_s) < 0.1
    assert (environment.phases, environment.process) == ((), ProcessFacts())
    assert (environment.prompts_made_during_the_run, environment.tokenizer.exact) == (0, False)


def test_the_endpoint() -> None:
    endpoint = described()[0].endpoint
    assert (endpoint.address, endpoint.dialect, endpoint.server) == ("h", "openai chat", "nginx")
    assert endpoint.models == tuple(f"m{number}" for number in range(50))
    assert (endpoint.notes, endpoint.library, endpoint.proxy) == (("looked",), None, None)
    assert endpoint.imported_model == ModelFacts("arn", "us-east-1", 2, "v1")
    assert endpoint.emulated is None


def test_what_a_process_saw() -> None:
    environment, _ = described(SERVER, observed(0))
    assert (environment.clock.kind, environment.event_loop) == ("sdk", "some.Loop")
    assert environment.phases == (PhaseFacts("warmup", 0.0, 0.5), PhaseFacts("measured", 1.0, 2.0))
    assert environment.process == ProcessFacts(((0.25, 0.1235), (0.5, 0.2)), 0.001, 1, 0.002)
    assert environment.prompts_made_during_the_run == 3
    assert environment.endpoint.notes == ("looked", "decided")


def test_several_processes_give_the_longest_and_the_sum() -> None:
    environment, _ = described(SERVER, observed(0), observed(0, loop_lags_s=[0.5], gc_pauses_s=[0.001], made_late=4))
    assert environment.process.loop_lag_s == 0.5
    assert (environment.process.gc_pauses, environment.process.gc_pause_s) == (2, 0.002)
    assert environment.prompts_made_during_the_run == 7


@pytest.mark.parametrize(
    ("known", "label", "expected"),
    [
        (None, None, None),
        (None, "profile=p; speed=10; since=100.5", Emulation("p", 10.0, False, 100.5)),
        (Emulation("p", 10.0, True), None, Emulation("p", 10.0, True)),
        (Emulation("p", 10.0, True), "profile=q; speed=9; since=100.5", Emulation("p", 10.0, True, 100.5)),
        (Emulation("p", 10.0), "profile=q; speed=9; since=100.5", Emulation("q", 9.0, False, 100.5)),
    ],
)
def test_what_the_endpoint_emulates(known: Emulation | None, label: str | None, expected: Emulation | None) -> None:
    environment, _ = described(Server(emulated=known), observed(0, emulated=label))
    assert environment.emulated == expected


@pytest.mark.parametrize(
    ("server", "endpoint", "speed"),
    [
        (SERVER, "m at http://h/v1", None),
        (Server(model="m"), "m through LiteLLM", None),
        (Server("http://h/v1?a=b&key=c", "m"), "m at http://h/v1?a=b&key=***", None),
        (Server("http://h/v1", emulated=Emulation("p", 10.0)), "an EMULATED p at 10× real speed, http://h/v1", 10.0),
        (Server("http://h/v1", emulated=Emulation("p", 2.5, True)), "an EMULATED p at 2.5× real speed", 2.5),
    ],
)
def test_the_announcement(server: Server, endpoint: str, speed: float | None) -> None:
    assert announcement(server, plan_of()) == Announcement(endpoint, SPEC.load.describe(), speed)
