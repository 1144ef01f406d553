"""What a run ran on and against, as environment.json holds it.

In: what the host, the endpoint and the driving process said. Out: one typed value. Every field has a default, so that
a file written by an earlier version reads. No secrets: command lines and environment variables are left out on purpose.
"""

from __future__ import annotations

import json

import msgspec


class Emulation(msgspec.Struct, frozen=True):
    """What an emulator says of itself: profile, speed (times real time), whether it ran inside this run, and since
    when its own clock runs (unix seconds; None: unknown)."""

    profile: str | None = None
    speed: float | None = 1.0
    embedded: bool = False
    since_unix_s: float | None = None


class ModelFacts(msgspec.Struct, frozen=True):
    """What is known of a managed model: its ARN, region, custom model units a copy and their version; None: unknown."""

    arn: str | None = None
    region: str | None = None
    units: int | None = None
    units_version: str | None = None


class ClockFacts(msgspec.Struct, frozen=True):
    """Which clock stamped arrivals, and the run's origin on the monotonic clock and on the wall clock, ns."""

    kind: str | None = None
    origin_monotonic_ns: int = 0
    origin_unix_ns: int = 0


class EndpointFacts(msgspec.Struct, frozen=True):
    """The endpoint: the proxy before it, its address, its dialect, the client library (None: our own sockets), notes
    on what was decided, its Server header, the models it lists."""

    proxy: str | None = None
    address: str | None = None
    dialect: str | None = None
    library: str | None = None
    notes: tuple[str, ...] = ()
    server: str | None = None
    models: tuple[str, ...] | None = None
    emulated: Emulation | None = None
    imported_model: ModelFacts | None = None


class TokenizerFacts(msgspec.Struct, frozen=True):
    """What counted prompt tokens, and whether it is the model's own tokenizer."""

    name: str | None = None
    exact: bool = False


class PhaseFacts(msgspec.Struct, frozen=True):
    """One phase of the load: start and end, seconds after the run's origin."""

    name: str
    start_s: float
    end_s: float


class ProcessFacts(msgspec.Struct, frozen=True):
    """What the driving process saw of itself: (time s, CPU seconds used) samples, the longest loop lag, garbage
    collections and the longest of them, seconds."""

    cpu_s: tuple[tuple[float, float], ...] = ()
    loop_lag_s: float | None = None
    gc_pauses: int = 0
    gc_pause_s: float | None = None


class Environment(msgspec.Struct, frozen=True):
    """environment.json."""

    llmdyno: str | None = None
    python: str | None = None
    implementation: str | None = None
    platform: str | None = None
    host: str | None = None
    cpu: str | None = None
    cores: int | None = None
    packages: dict[str, str] = {}
    started: str | None = None
    event_loop: str | None = None
    tls_library: str | None = None
    clock: ClockFacts = ClockFacts()
    endpoint: EndpointFacts = EndpointFacts()
    workload: str | None = None
    tokenizer: TokenizerFacts = TokenizerFacts()
    prompts_made_during_the_run: int = 0
    phases: tuple[PhaseFacts, ...] = ()
    process: ProcessFacts = ProcessFacts()

    @property
    def emulated(self) -> Emulation | None:
        """What the endpoint emulates; None: it is real, or does not say."""
        return self.endpoint.emulated


def encode_environment(environment: Environment) -> bytes:
    """The file's bytes: JSON, two spaces, a newline at the end."""
    # Not msgspec.json: it writes small numbers as 1e-6, and the file has had Python's 1e-06 from the start.
    value = msgspec.to_builtins(environment)
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def decode_environment(content: bytes) -> Environment:
    """Read the file's bytes.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: they are not an environment.
    """
    return msgspec.json.decode(content, type=Environment)
