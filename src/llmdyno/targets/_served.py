"""Shared code of the targets that use our own sockets: the preflight and the transport. It is not an API itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import msgspec

from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Dialect
from llmdyno.runs.server import Server
from llmdyno.spec.keys import read_value
from llmdyno.spec.masking import Masker
from llmdyno.spec.spec import Spec, refuse
from llmdyno.targets.target import (
    Target,
    common_notes,
    emulation,
    refuse_litellm,
    secrets_of,
    settle_route,
    template_of,
)
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.look import Api, Found, look
from llmdyno.transports.http1.transport import Http1Transport, Sign, envelope_of, open_client, proxy_of
from llmdyno.transports.http1.wire import Origin


def resolve_served(spec: Spec, environ: Mapping[str, str], key_variable: str, routes: Sequence[str]) -> Spec:
    """Settle the API key and the route of a server. A key that the user did not give comes from its variable.

    Raises:
        InputError: a key of the spec belongs to another API, or the API has no such route.
    """
    refuse(spec, ("deployment", "speed"), "the embedded emulator", "or leave out --base-url and --api")
    refuse(spec, ("region", "profile", "endpoint_url", "service_tier"), "Amazon Bedrock", "or add --api bedrock")
    refuse_litellm(spec)
    api_key = spec.api_key
    if api_key is None and environ.get(key_variable):
        api_key = read_value("api_key", environ[key_variable], key_variable)
    return dataclasses.replace(spec, api_key=api_key, route=settle_route(spec, routes))


async def look_at(spec: Spec, base_url: str, dialect: Dialect, api: Api) -> tuple[Spec, Server]:
    """Check an endpoint, unless the spec says not to. The spec that is returned names the model.

    Raises:
        InputError: the endpoint cannot be measured, or nothing names the model.
    """
    origin, proxy = Origin.of(base_url), proxy_of(spec, base_url)
    found, secrets = Found(None, None, None), proxy.secrets if proxy is not None else ()
    if spec.preflight:
        client = await open_client(spec, base_url, end_mark=dialect.end_mark)
        try:
            envelope = envelope_of(spec, base_url, spec.model or "")
            mask = Masker(secrets_of(spec, Server(secrets=secrets)))
            found = await look(client, origin, envelope, dialect, api, timeout_s=spec.timeout_s, mask=mask)
        finally:
            client.close()
    if spec.model is None:
        if found.models is None:
            raise InputError("--model", "not given, and with --no-preflight nothing looks it up", "name the model")
        spec = dataclasses.replace(spec, model=found.models[0])
    server = served(base_url, spec.model or "", dialect)
    return spec, msgspec.structs.replace(
        server,
        models=tuple(found.models) if found.models is not None else None,
        server=found.server,
        emulated=emulation(found.emulated),
        proxy=proxy.authority if proxy is not None else None,
        notes=(*common_notes(spec, proxy.authority if proxy is not None else None), *found.notes),
        renamed=tuple(found.renamed.items()),
        secrets=secrets,
    )


def served(base_url: str, model: str, dialect: Dialect) -> Server:
    """What is known about an endpoint before any check."""
    return Server(base_url=base_url, model=model, address=Origin.of(base_url).authority, dialect=dialect.name)


async def open_served(
    spec: Spec, server: Server, dialect: Dialect, clock: Clock, stack: ExitStack, sign: Sign | None = None
) -> Target:
    """Open an endpoint's transport over our own sockets.

    Raises:
        InputError: the host has no address, or a file that the spec names cannot be used.
    """
    client = await open_client(spec, server.base_url, sign, dialect.end_mark, adapts=sign is None)
    stack.callback(client.close)
    envelope = envelope_of(spec, server.base_url, server.model)
    template = template_of(spec.chat_template)
    renamed, signed = dict(server.renamed), sign is not None
    transport = Http1Transport(client, dialect, envelope, template, clock, signed=signed, renamed=renamed)
    return Target(transport, dialect.refusals)
