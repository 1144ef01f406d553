"""The environment of a run: the machine, the endpoint and the driving process. It is the content of environment.json.

In: facts about the host, the endpoint and the driving process. Out: one typed value. Every field has a default, so that
a file of an earlier version can be read. It has no command lines and no environment variables, because both may hold
keys.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec


class Emulation(msgspec.Struct, frozen=True):
    """What an emulator reports about itself.

    `profile`: the deployment that it emulates. `speed`: how many times faster than real time it runs. `embedded`: it
    ran only for this run. `since_unix_s`: when its clock started, in unix seconds (None: unknown).
    """

    profile: str | None = None
    speed: float | None = 1.0
    embedded: bool = False
    since_unix_s: float | None = None


class ModelFacts(msgspec.Struct, frozen=True):
    """Facts about a managed model; None: unknown. `units`: the custom model units of one copy.

    `kind`: what the identifier names, as :mod:`llmdyno.aws.identity` says it; unset, and not in the file: an imported
    model. For any other kind `arn` is the identifier as the user gave it, and `base_model` the ID of the foundation
    model behind it (unset: unknown).
    """

    arn: str | None = None
    region: str | None = None
    units: int | None = None
    units_version: str | None = None
    kind: str | msgspec.UnsetType = msgspec.UNSET
    base_model: str | msgspec.UnsetType = msgspec.UNSET


class ClockFacts(msgspec.Struct, frozen=True):
    """Which clock stamped arrivals, and the run's origin on the monotonic clock and on the wall clock, in ns."""

    kind: str | None = None
    origin_monotonic_ns: int = 0
    origin_unix_ns: int = 0


class EndpointFacts(msgspec.Struct, frozen=True):
    """Facts about the endpoint.

    `proxy`: the proxy that requests go through. `library`: the client library (None: our own sockets). `notes`: what
    was decided for the user. `server`: its Server header. `models`: the models that it lists. `emulated`: what it
    emulates (None: it is real, or does not say). `imported_model`: facts about a managed model (None: it is not one).
    """

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
    """The token counter, and whether it is a tokenizer (`exact`) or an approximation."""

    name: str | None = None
    exact: bool = False


class PhaseFacts(msgspec.Struct, frozen=True):
    """One phase of the load: its start and end, in seconds after the run's origin."""

    name: str
    start_s: float
    end_s: float


class ProcessFacts(msgspec.Struct, frozen=True):
    """What the driving process observed about itself.

    `cpu_s`: samples of (time in s after the origin, CPU seconds used). `loop_lag_s`: the longest delay of its event
    loop. `gc_pauses`: the number of garbage collections. `gc_pause_s`: the longest one.
    """

    cpu_s: tuple[tuple[float, float], ...] = ()
    loop_lag_s: float | None = None
    gc_pauses: int = 0
    gc_pause_s: float | None = None


class Environment(msgspec.Struct, frozen=True):
    """The content of environment.json."""

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

    def __getitem__(self, name: str) -> Any:
        """A field by its name, in JSON's own types, as environment.json holds it.

        Raises:
            KeyError: there is no such field.
        """
        if name not in self.__struct_fields__:
            raise KeyError(name)
        return msgspec.to_builtins(getattr(self, name))

    @property
    def emulated(self) -> Emulation | None:
        """What the endpoint emulates; None: it is real, or does not say that it is emulated."""
        return self.endpoint.emulated


def encode_environment(environment: Environment) -> bytes:
    """The bytes of the file: JSON, indented by two spaces, with a newline at the end."""
    # Not msgspec.json, which writes small numbers as 1e-6. The file has always had Python's 1e-06.
    value = msgspec.to_builtins(environment)
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def decode_environment(content: bytes) -> Environment:
    """Read the bytes of the file.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: the bytes are not an environment.
    """
    return msgspec.json.decode(content, type=Environment)
