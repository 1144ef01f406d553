"""What one look at the endpoint found, as a value that travels to workers."""

from __future__ import annotations

from typing import Any

import msgspec

from llmdyno.runs.environment import Emulation, ModelFacts


class Server(msgspec.Struct, frozen=True):
    """What one look at the endpoint found; a worker opens its own target from it. It is picklable.

    `base_url`: where requests go (empty: a client library knows). `model`: the name that requests carry. `format`: the
    dialect's own choice of how a body looks. `address` and `describe`: the endpoint for a report and for a person.
    `models`: what it lists (None: it keeps no list). `emulated`: what it emulates. `imported_model`: what is known of a
    managed model. `service`: the managed service behind it, by name. `notes`: what was decided for the user.
    `secrets`: values that no error may show. `proxy`: the proxy before it. `library`: the client library that makes
    its requests, with its version. `signed_for`: the AWS region and service that a library signs requests for.
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
    signed_for: tuple[str, str] | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Every field but the secrets; `repr` is made from it."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "secrets"]

    def __repr__(self) -> str:
        """Every field but the secrets."""
        return f"Server({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
