"""``--api bedrock``: an imported model on Amazon Bedrock, over the event streams of its runtime.

The preflight finds AWS's endpoint and the credentials, and asks the control plane about the model. It sends nothing to
the model itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import msgspec

from llmdyno.errors import InputError
from llmdyno.protocols.bedrock import invoke_dialect
from llmdyno.protocols.converse import CONVERSE
from llmdyno.protocols.dialect import Dialect
from llmdyno.runs.server import Server
from llmdyno.services.bedrock_import.facts import ask_model, model_facts
from llmdyno.spec.spec import Spec, refuse
from llmdyno.targets._served import open_served, served
from llmdyno.targets.target import Target, common_notes, refuse_litellm, refuse_unix_socket, settle_route
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.transport import proxy_of

ROUTES = ("invoke", "converse")
SERVICE = "bedrock_import"
DEFAULT_FORMAT = "bedrock-completion"
"""What `auto` means if GetImportedModel cannot be asked. The Llama family accepts it, whenever it was imported."""


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Settle the route.

    Raises:
        InputError: there is no model, or a key of the spec belongs to another API.
    """
    if spec.model is None:
        raise InputError("--model", "not given", "give the imported model's ARN")
    refuse(spec, ("base_url", "api_key"), "OpenAI-compatible servers", "and use --endpoint-url, or AWS credentials")
    refuse(spec, ("deployment", "speed"), "the embedded emulator", "or leave out --api")
    refuse_litellm(spec)
    refuse_unix_socket(spec)
    return dataclasses.replace(spec, route=settle_route(spec, ROUTES))


def service(spec: Spec) -> str | None:
    """Custom Model Import."""
    return SERVICE


def url(spec: Spec, environ: Mapping[str, str]) -> str | None:
    """The runtime's URL, if the user or AWS's variables name one."""
    from llmdyno.aws.session import bedrock_url

    return bedrock_url(environ, spec.endpoint_url, spec.profile)


async def preflight(spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
    """Find the runtime, and ask GetImportedModel about the model.

    Raises:
        InputError: there is no region, there are no credentials, or the model does not support the spec's route.
    """
    from llmdyno.aws.session import check_model, find_endpoint

    assert spec.model is not None
    check_model(spec.model)
    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, spec.model)
    chosen = "converse" if spec.route == "converse" else spec.body_format
    needed = chosen in ("auto", "converse")
    facts, refused = await asyncio.to_thread(ask_model, spec, spec.model, found.region, needed=needed)
    chosen, why = choose_format(chosen, facts, refused)
    said = (f"region: {found.region}", *((f"body format: {chosen} ({why})",) if why else ()))
    model = model_facts(facts, spec.model, found.region)
    proxy = proxy_of(spec, found.url)
    server = served(found.url, str(model.arn), dialect_of(chosen))
    return spec, msgspec.structs.replace(
        server,
        format=chosen,
        imported_model=model,
        service=SERVICE,
        proxy=proxy.authority if proxy is not None else None,
        secrets=(*found.secrets, *(proxy.secrets if proxy is not None else ())),
        notes=(*said, *common_notes(spec, proxy.authority if proxy is not None else None)),
    )


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open the transport. Requests are signed just before their send.

    Raises:
        InputError: there are no credentials any more, or the host has no address.
    """
    from llmdyno.aws.session import find_endpoint
    from llmdyno.aws.signing import signer

    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, str(spec.model))
    return await open_served(spec, server, dialect_of(server.format), clock, stack, signer(found))


def dialect_of(chosen: str) -> Dialect:
    """The dialect of a body format, or of ``converse``."""
    return CONVERSE if chosen == "converse" else invoke_dialect(chosen)


def settle_format(spec: Spec) -> str:
    """The body format of a spec, without asking the service."""
    if spec.route == "converse":
        return "converse"
    return DEFAULT_FORMAT if spec.body_format == "auto" else spec.body_format


def choose_format(chosen: str, facts: dict[str, Any], refused: str) -> tuple[str, str]:
    """The body format, and the reason for it if the user did not choose it.

    Args:
        chosen: a body format, ``auto`` or ``converse``.
        facts: GetImportedModel's answer; empty: it could not be asked.
        refused: why it could not be asked.

    Raises:
        InputError: the user chose Converse, and the model has no chat template for it.
    """
    from llmdyno.services.bedrock_import.models import body_format

    if chosen == "converse" and facts and not facts.get("instructSupported", True):
        fits = "use --route invoke"
        raise InputError("--route", "this model has no chat template, and Converse needs one", fits)
    if chosen == "converse":
        return chosen, refused or "Converse works on it"
    if chosen != "auto":
        return chosen, ""
    return (DEFAULT_FORMAT, refused) if refused else body_format(facts)
