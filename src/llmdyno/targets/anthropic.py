"""``--api anthropic``: Anthropic's Messages API, or a server that speaks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack

from llmdyno.protocols.anthropic import MESSAGES, VERSION
from llmdyno.runs.server import Server
from llmdyno.spec.keys import read_value
from llmdyno.spec.spec import Spec
from llmdyno.spec.urls import under
from llmdyno.targets._served import look_at, open_served, resolve_served
from llmdyno.targets.target import Target
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.look import Api

BASE_URL = "https://api.anthropic.com/v1"
ROUTES = ("messages",)


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Settle the base URL, the key and the route. `ANTHROPIC_BASE_URL` is the base URL without its ``/v1``.

    Raises:
        InputError: a key of the spec belongs to another API, or the API has no such route.
    """
    spec = resolve_served(spec, environ, "ANTHROPIC_API_KEY", ROUTES)
    if spec.base_url is not None:
        return spec
    named = environ.get("ANTHROPIC_BASE_URL")
    base_url = under(read_value("base_url", named, "ANTHROPIC_BASE_URL"), "/v1") if named else BASE_URL
    return dataclasses.replace(spec, base_url=base_url)


def service(spec: Spec) -> str | None:
    """None: no managed service bills by model copies."""
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
    headers = {"Accept": "application/json", "anthropic-version": VERSION}
    if spec.api_key:
        headers["x-api-key"] = spec.api_key
    api = Api("a server that speaks Anthropic's Messages API", headers, "--api-key or ANTHROPIC_API_KEY")
    return await look_at(spec, spec.base_url, MESSAGES, api)


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open the transport.

    Raises:
        InputError: the host has no address, or a file that the spec names cannot be used.
    """
    return await open_served(spec, server, MESSAGES, clock, stack)
