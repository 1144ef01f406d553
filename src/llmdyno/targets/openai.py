"""``--api openai``: any server that speaks the OpenAI API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack

from llmdyno.errors import InputError
from llmdyno.protocols.openai import DIALECTS
from llmdyno.runs.server import Server
from llmdyno.spec.keys import read_value
from llmdyno.spec.spec import Spec
from llmdyno.targets._served import look_at, open_served, resolve_served
from llmdyno.targets.target import Target
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.look import Api

ROUTES = tuple(DIALECTS)


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Settle the base URL, the key and the route.

    Raises:
        InputError: there is no base URL, or a key of the spec belongs to another API.
    """
    spec = resolve_served(spec, environ, "OPENAI_API_KEY", ROUTES)
    if spec.base_url is not None:
        return spec
    if not environ.get("OPENAI_BASE_URL"):
        if spec.unix_socket is not None:
            fits = "add --base-url, such as http://localhost/v1"
            raise InputError("--unix-socket", "needs a URL for the path and the Host header of requests", fits)
        raise InputError("--base-url", "not given", "give it, or set OPENAI_BASE_URL")
    return dataclasses.replace(spec, base_url=read_value("base_url", environ["OPENAI_BASE_URL"], "OPENAI_BASE_URL"))


def service(spec: Spec) -> str | None:
    """None: the server has no managed service that llmdyno knows."""
    return None


def url(spec: Spec, environ: Mapping[str, str]) -> str | None:
    """The base URL."""
    return spec.base_url


async def preflight(spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
    """Ask the server for its models.

    Raises:
        InputError: the endpoint cannot be measured.
    """
    assert spec.base_url is not None
    headers = {"Accept": "application/json"}
    if spec.api_key:
        headers["Authorization"] = f"Bearer {spec.api_key}"
    api = Api("an OpenAI-compatible server", headers, "--api-key or OPENAI_API_KEY")
    return await look_at(spec, spec.base_url, DIALECTS[str(spec.route)], api)


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open the transport.

    Raises:
        InputError: the host has no address, or a file that the spec names cannot be used.
    """
    return await open_served(spec, server, DIALECTS[str(spec.route)], clock, stack)
