"""``--api openai``: any server that speaks the OpenAI API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack

from llmdyno.errors import InputError
from llmdyno.protocols.openai import DIALECTS
from llmdyno.runs.server import Server
from llmdyno.spec.keys import read_value
from llmdyno.spec.spec import Spec, refuse
from llmdyno.targets._served import look_at, open_served
from llmdyno.targets.target import Target, refuse_litellm, settle_route
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.look import Api

ROUTES = tuple(DIALECTS)


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Settle the base URL, the key and the route.

    Raises:
        InputError: there is no base URL, or a key is another API's.
    """
    refuse(spec, ("deployment", "speed"), "the embedded emulator", "--base-url and --api")
    refuse(spec, ("region", "profile", "endpoint_url"), "Amazon Bedrock", "or add --api bedrock")
    refuse_litellm(spec)
    base_url, api_key = spec.base_url, spec.api_key
    if base_url is None:
        if not environ.get("OPENAI_BASE_URL"):
            raise InputError("--base-url", "not given", "give it, or set OPENAI_BASE_URL")
        base_url = read_value("base_url", environ["OPENAI_BASE_URL"], "OPENAI_BASE_URL")
    if api_key is None and environ.get("OPENAI_API_KEY"):
        api_key = read_value("api_key", environ["OPENAI_API_KEY"], "OPENAI_API_KEY")
    return dataclasses.replace(spec, base_url=base_url, api_key=api_key, route=settle_route(spec, ROUTES))


def service(spec: Spec) -> str | None:
    """There is none: a server of the user's own, or a provider's."""
    return None


def url(spec: Spec, environ: Mapping[str, str]) -> str | None:
    """The base URL."""
    return spec.base_url


async def preflight(spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
    """Ask the server for its models.

    Raises:
        InputError: it cannot be measured.
    """
    assert spec.base_url is not None
    headers = {"Accept": "application/json"}
    if spec.api_key:
        headers["Authorization"] = f"Bearer {spec.api_key}"
    api = Api("an OpenAI-compatible server", headers, "--api-key or OPENAI_API_KEY")
    return await look_at(spec, spec.base_url, DIALECTS[str(spec.route)], api)


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open the transport."""
    return await open_served(spec, server, DIALECTS[str(spec.route)], clock, stack)
