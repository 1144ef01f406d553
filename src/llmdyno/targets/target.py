"""The contract of a target: which endpoint a spec means.

A module in this folder is one value of ``--api``. It defines three functions:

- ``resolve(spec, environ) -> Spec`` settles the keys that are this API's own, and refuses those of other APIs.
- ``async preflight(spec, stack) -> tuple[Spec, Server]`` looks at the endpoint once. What it starts ends with `stack`.
- ``open_target(spec, server, stack) -> Target`` opens the transport; a worker calls it in its own process.

:func:`target_module` finds the module by name and imports it when it is used. Nothing registers.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from typing import NamedTuple, Protocol

import msgspec

import llmdyno.targets
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import NO_REFUSALS, Refusals
from llmdyno.runs.environment import Emulation, ModelFacts
from llmdyno.spec.spec import Spec
from llmdyno.transports.transport import Transport


class Server(msgspec.Struct, frozen=True):
    """What one look at the endpoint found; a worker opens its own target from it. It is picklable.

    `base_url`: where requests go (empty: a client library knows). `model`: the name that requests carry. `format`: the
    dialect's own choice of how a body looks. `address` and `describe`: the endpoint for a report and for a person.
    `models`: what it lists (None: it keeps no list). `emulated`: what it emulates. `imported_model`: what is known of a
    managed model. `service`: the managed service behind it, by name. `notes`: what was decided for the user.
    `secrets`: values that no error may show. `proxy`: the proxy before it. `library`: the client library that makes
    its requests, with its version.
    """

    base_url: str = ""
    model: str = ""
    format: str = ""
    address: str = ""
    dialect: str = ""
    models: tuple[str, ...] | None = None
    server: str | None = None
    emulated: Emulation | None = None
    imported_model: ModelFacts | None = None
    service: str | None = None
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    proxy: str | None = None
    library: str | None = None


class Target(NamedTuple):
    """An endpoint that is open: its transport, and how its service refuses."""

    transport: Transport
    refusals: Refusals = NO_REFUSALS


class TargetModule(Protocol):
    """What a module in this folder defines."""

    def resolve(self, spec: Spec, environ: Mapping[str, str]) -> Spec:
        """Settle and check the keys that are this API's own.

        Raises:
            InputError: a key that is needed is missing, or one is another API's.
        """
        ...

    async def preflight(self, spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
        """Look at the endpoint once; the model has a name afterwards.

        Raises:
            InputError: it cannot be measured.
        """
        ...

    def open_target(self, spec: Spec, server: Server, stack: ExitStack) -> Target:
        """Open the transport."""
        ...


_NO_TARGETS = ("target",)


def known_apis() -> list[str]:
    """The values of ``--api``: this folder's listing."""
    found = (module.name for module in pkgutil.iter_modules(llmdyno.targets.__path__))
    return sorted(name for name in found if name not in _NO_TARGETS)


def target_module(api: str) -> TargetModule:
    """The module of an API.

    Raises:
        InputError: there is none of that name.
    """
    known = known_apis()
    if api not in known:
        raise InputError("--api", f"{api!r} is not known", "what fits: " + ", ".join(known))
    module: TargetModule = import_module(f"llmdyno.targets.{api}")  # type: ignore[assignment]
    return module
