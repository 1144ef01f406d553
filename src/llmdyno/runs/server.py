"""What the preflight found, as a value that travels to workers."""

from __future__ import annotations

from typing import Any

import msgspec

from llmdyno.runs.environment import Emulation, ModelFacts
from llmdyno.spec.secrets import masked_url


class Server(msgspec.Struct, frozen=True):
    """What the preflight found about the endpoint. It is picklable, and a worker opens its own target from it.

    `base_url`: where requests go (empty: only the client library knows). `model`: the model's name in requests.
    `format`: the body format that the dialect uses. `address`: the endpoint's name in reports. `dialect`: the dialect's
    name. `models`: the models that it lists (None: it has no list). `server`: its Server header. `emulated`: what it
    emulates. `imported_model`: facts about a managed model. `service`: the name of the managed service behind it.
    `notes`: what was decided for the user. `secrets`: values that no error may show. `proxy`: the proxy that requests
    go through. `library`: the client library that makes the requests, with its version. `signed_for`: the AWS region
    and service of a library's signatures. `renamed`: fields of a request's body that the server wants under another
    name, or left out (None).
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
    renamed: tuple[tuple[str, str | None], ...] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Every field but the secrets, with its URLs masked; `repr` is made from it."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "secrets"}
        return [*{**shown, "base_url": masked_url(self.base_url), "format": masked_url(self.format)}.items()]

    def __repr__(self) -> str:
        """Every field but the secrets."""
        return f"Server({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
