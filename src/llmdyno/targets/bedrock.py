"""``--api bedrock``: a model on Amazon Bedrock's runtime, over its event streams or its OpenAI-compatible route.

The preflight finds AWS's endpoint and the credentials, and asks the control plane about an imported model, or about the
foundation model behind an identifier that does not name it. It sends nothing to the model itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import msgspec

from llmdyno.aws.identity import (
    APPLICATION_PROFILE,
    DEPLOYMENT,
    FOUNDATION,
    IMPORTED,
    PROFILE,
    PROVISIONED,
    ROUTER,
    base_model_of,
    check_model,
    kind_of,
)
from llmdyno.errors import InputError
from llmdyno.protocols.bedrock import BODY_FORMATS, invoke_dialect
from llmdyno.protocols.converse import CONVERSE
from llmdyno.protocols.dialect import Dialect
from llmdyno.protocols.families import FAMILY_FORMATS, RUNTIME_CHAT, family_dialect, family_format
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.server import Server
from llmdyno.services.bedrock_import.facts import ask_model, model_facts
from llmdyno.spec.spec import Spec, refuse
from llmdyno.targets._served import open_served, served
from llmdyno.targets.target import Target, common_notes, refuse_litellm, refuse_unix_socket, settle_route
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.transport import proxy_of

ROUTES = ("invoke", "converse")
"""The routes that every model may have; the first one is the default for imported models."""
OPENAI = "openai"
SERVICE = "bedrock_import"
DEFAULT_FORMAT = "bedrock-completion"
"""What `auto` means if GetImportedModel cannot be asked. The Llama family accepts it, whenever it was imported."""

_SERVICES = {
    IMPORTED: SERVICE,
    **dict.fromkeys((FOUNDATION, PROFILE, APPLICATION_PROFILE, DEPLOYMENT, ROUTER), "bedrock_tokens"),
    PROVISIONED: "bedrock_hours",
}
"""The service whose bill fits each kind of model. SageMaker bills an endpoint from the marketplace."""
_UNCONFIRMED_CHAT = "route openai: no document says that the runtime serves {} there"


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Settle the route: InvokeModel for imported models and where a body format is named, else Converse.

    Raises:
        InputError: there is no model, a key of the spec belongs to another API, or the body format does not fit.
    """
    if spec.model is None:
        raise InputError("--model", "not given", "give the model's ID or ARN")
    refuse(spec, ("base_url",), "OpenAI-compatible servers", "and use --endpoint-url")
    refuse(spec, ("deployment", "speed"), "the embedded emulator", "or leave out --api")
    refuse_litellm(spec)
    refuse_unix_socket(spec)
    if kind_of(spec.model) in (IMPORTED, None):  # the preflight refuses what is nothing
        refuse_family_format(spec)
        return dataclasses.replace(spec, route=settle_route(spec, (*ROUTES, OPENAI)))
    if spec.body_format == "auto":
        return dataclasses.replace(spec, route=settle_route(spec, (*ROUTES[::-1], OPENAI)))
    if settle_route(spec, (*ROUTES, OPENAI)) != "invoke":
        raise InputError("--body-format", f"is for --route invoke, and this is {spec.route}", "leave one of them out")
    return dataclasses.replace(spec, route="invoke")


def refuse_family_format(spec: Spec) -> None:
    """Check that the body format of a spec for an imported model is one that imported models have.

    Raises:
        InputError: only foundation models have it.
    """
    if spec.body_format in FAMILY_FORMATS:
        what = f"{spec.body_format!r} is a format of foundation models, and this is an imported model"
        raise InputError("--body-format", what, f"what fits: auto, {', '.join(BODY_FORMATS)}")


def service(spec: Spec) -> str | None:
    """The service whose bill fits the model; None: no such service is known here."""
    return service_of_kind(kind_of(spec.model or ""))


def service_of_kind(kind: str | None) -> str | None:
    """The name of the service that bills models of a kind; None: no such service is known here."""
    return _SERVICES.get(kind or "")


def url(spec: Spec, environ: Mapping[str, str]) -> str | None:
    """The runtime's URL, if the user or AWS's variables name one."""
    from llmdyno.aws.session import bedrock_url

    return bedrock_url(environ, spec.endpoint_url, spec.profile)


async def preflight(spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
    """Find the runtime, and ask the control plane about the model if that is needed.

    Raises:
        InputError: the identifier names nothing that can be called; there is no region, there are no credentials, or
            the model does not support the spec's route.
    """
    from llmdyno.aws.session import BEARER_VARIABLE, find_endpoint

    assert spec.model is not None
    kind = check_model(spec.model)
    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, spec.model, spec.api_key)
    look = _look_at_imported if kind == IMPORTED else _look_at_other
    seen = await asyncio.to_thread(look, spec, kind, found.region)
    ignored = os.environ.get(BEARER_VARIABLE) and found.bearer_token is None
    proxy = proxy_of(spec, found.url)
    said = (
        f"region: {found.region}",
        *seen.notes,
        *((f"service tier: {spec.service_tier}",) if spec.service_tier else ()),
        *((f"{BEARER_VARIABLE} is left out: the URL is plain http",) if ignored else ()),
    )
    server = served(found.url, str(seen.facts.arn), dialect_of(seen.chosen))
    return spec, msgspec.structs.replace(
        server,
        format=seen.chosen,
        imported_model=seen.facts,
        service=service_of_kind(kind),
        proxy=proxy.authority if proxy is not None else None,
        secrets=(*found.secrets, *(proxy.secrets if proxy is not None else ())),
        notes=(*said, *common_notes(spec, proxy.authority if proxy is not None else None)),
    )


class _Seen(NamedTuple):
    """What is known of a model before the run: the format of its requests, the facts, and what to tell the user."""

    chosen: str
    facts: ModelFacts
    notes: tuple[str, ...]


def _look_at_imported(spec: Spec, kind: str, region: str) -> _Seen:
    """Ask GetImportedModel.

    Raises:
        InputError: the model does not support the spec's route.
    """
    chosen, model = _wanted(spec), str(spec.model)
    facts, refused = ask_model(spec, model, region, needed=chosen in ("auto", "converse"))
    chosen, why = choose_format(chosen, facts, refused)
    told = (f"body format: {chosen} ({why})",) if why else ()
    unsure = (_UNCONFIRMED_CHAT.format("imported models"),) if chosen == OPENAI else ()
    return _Seen(chosen, model_facts(facts, model, region), (*told, *unsure))


def _look_at_other(spec: Spec, kind: str, region: str) -> _Seen:
    """Find the foundation model behind the identifier, and from it the body format.

    Raises:
        InputError: the spec's route is InvokeModel, and the body format of the model is not known.
    """
    from llmdyno.aws.models import ASKED, ask_base_model

    chosen, model = _wanted(spec), str(spec.model)
    base, said = base_model_of(model), ""
    if base is None and kind in ASKED:
        base, said = ask_base_model(model, kind, region, spec.profile, spec.endpoint_url)
    notes = [f"model: {'an' if kind[0] in 'aeiou' else 'a'} {kind.replace('-', ' ')}"]
    if base is not None and base != model:
        notes.append(f"foundation model: {base}" + (f" ({said})" if said else ""))
    elif said:
        notes.append(said)
    if chosen == "auto":
        named = family_format(base) if base is not None else None
        if named is None:
            what = f"the body that {base or model} takes is not known" + (f" ({said})" if said and not base else "")
            raise InputError("--route", what, "use --route converse, or name its --body-format")
        chosen = named
        notes.append(f"body format: {chosen}")
    if chosen == OPENAI and kind not in (FOUNDATION, PROFILE):
        notes.append(_UNCONFIRMED_CHAT.format(f"{kind.replace('-', ' ')}s"))
    return _Seen(chosen, ModelFacts(model, region, kind=kind, base_model=base or msgspec.UNSET), tuple(notes))


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open the transport. Requests are signed, or get the API key, just before their send.

    Raises:
        InputError: there are no credentials any more, or the host has no address.
    """
    from llmdyno.aws.session import find_endpoint
    from llmdyno.aws.signing import signer

    model = str(spec.model)
    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, model, spec.api_key)
    return await open_served(spec, server, dialect_of(server.format), clock, stack, signer(found))


def dialect_of(chosen: str) -> Dialect:
    """The dialect of a body format, of ``converse`` or of ``openai``."""
    if chosen in FAMILY_FORMATS:
        return family_dialect(chosen)
    return {"converse": CONVERSE, OPENAI: RUNTIME_CHAT}.get(chosen) or invoke_dialect(chosen)


def _wanted(spec: Spec) -> str:
    """What the spec asks for: a body format, ``auto``, ``converse`` or ``openai``."""
    return spec.body_format if spec.route == "invoke" else str(spec.route)


def settle_format(spec: Spec) -> str:
    """The body format of a spec for an imported model, without asking the service."""
    return DEFAULT_FORMAT if _wanted(spec) == "auto" else _wanted(spec)


def choose_format(chosen: str, facts: dict[str, Any], refused: str) -> tuple[str, str]:
    """The body format of an imported model, and the reason for it if the user did not choose it.

    Args:
        chosen: a body format, ``auto``, ``converse`` or ``openai``.
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
