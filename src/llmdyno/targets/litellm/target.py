"""A LiteLLM model string as a target. LiteLLM makes the requests, and our sockets send them if that works.

In: a spec. Out: the request that LiteLLM would send, its URL, and a transport that sends it. LiteLLM takes seconds to
import, so this module imports it only when it is used.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from llmdyno.aws.identity import region_of
from llmdyno.aws.session import LITELLM_URLS, RUNTIME, bedrock_url, configured_url, credential_secrets, local_url
from llmdyno.errors import InputError
from llmdyno.host.loopback import own_network
from llmdyno.protocols.bedrock import REFUSALS, header_facts, invoke_dialect
from llmdyno.protocols.converse import CONVERSE
from llmdyno.protocols.dialect import NO_REFUSALS, Dialect, Envelope, HttpRequest, common_header_facts
from llmdyno.protocols.openai import DIALECTS
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.server import Server
from llmdyno.services.bedrock_import.facts import ask_model, model_facts
from llmdyno.services.bedrock_import.identity import imported_model_arn
from llmdyno.spec.keys import shown_value
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import environ_secrets, spec_secrets
from llmdyno.spec.spec import Spec, refuse
from llmdyno.targets.bedrock import DEFAULT_FORMAT, SERVICE
from llmdyno.targets.litellm.transport import MEDIA_TYPE, LiteLLMTransport
from llmdyno.targets.target import Target, common_notes, refuse_unix_socket, secrets_of, template_of
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import reread
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.transport import Http1Transport, Sign, envelope_of, open_client, proxy_of
from llmdyno.transports.http1.wire import Origin
from llmdyno.transports.library import LibraryTransport
from llmdyno.workload.session import Messages, user_message

if TYPE_CHECKING:
    from llmdyno.targets.litellm.library import Caught, LiteLLM

_URLS = ("api_base", "aws_bedrock_runtime_endpoint")
_DECODED = {
    "/invoke-with-response-stream": invoke_dialect(DEFAULT_FORMAT),
    "/converse-stream": CONVERSE,
    "/chat/completions": DIALECTS["chat"],
    "/completions": DIALECTS["completions"],
}
"""The dialects that our own decoders read, by the end of the route's path."""


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Check the keys. The model string holds the route.

    Raises:
        InputError: there is no model, or a key of the spec belongs to another API.
    """
    if spec.model is None:
        raise InputError("--model", "not given", "give it as LiteLLM names it, such as openai/gpt-4o-mini")
    refuse(spec, ("deployment", "speed"), "the embedded emulator", "or leave out --api")
    refuse(spec, ("route",), "--api openai and bedrock", "because LiteLLM's model string holds its route")
    refuse(spec, ("service_tier",), "--api bedrock", "and use --litellm-param K=V")
    refuse_unix_socket(spec)
    if "?" in (spec.base_url or ""):
        fits = "use --api openai, or a parameter of LiteLLM's, such as --litellm-param api_version=2024-06-01"
        raise InputError("--base-url", "has a query, and LiteLLM puts it into the middle of its paths", fits)
    if spec.extra_body:
        raise InputError("--extra-body", "is for --api openai and bedrock", "use --litellm-param K=V")
    for name in _URLS:
        _check_url(name, spec.litellm_param.get(name))
    if spec.litellm_mode == "sdk" and (spec.insecure or spec.ca_file or spec.client_cert):
        fits = "use LiteLLM's own SSL_VERIFY, SSL_CERT_FILE and SSL_CERTIFICATE"
        raise InputError("--insecure, --ca-file, --client-cert", "are for our own sockets", fits)
    return _beside_the_runtime(spec, environ)


def _beside_the_runtime(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """The spec whose control plane and metrics are where LiteLLM's runtime is, if that is an emulator's address.

    LiteLLM's own variable and parameters move the runtime alone. AWS knows nothing about an emulator's model, and must
    not get the credentials.
    """
    runtime = url(spec, environ) if service(spec) is not None and spec.endpoint_url is None else None
    if runtime is None or not own_network(urlsplit(runtime).hostname or ""):
        return spec
    known = local_url("bedrock", environ, spec.profile)  # its other variables may name another place
    return spec if known is not None else dataclasses.replace(spec, endpoint_url=runtime)


def _check_url(name: str, given: Any) -> None:
    """Check a parameter of LiteLLM's that is a URL.

    Raises:
        InputError: no request can go to it.
    """
    if given is None:
        return
    try:
        parts = urlsplit(given) if isinstance(given, str) else None
        fits = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        problem = f"{shown_value(given)} does not fit"
        raise InputError(f"--litellm-param {name}", problem, "what fits: an http:// or https:// URL")


def service(spec: Spec) -> str | None:
    """Custom Model Import, if the model string holds an imported model's ARN."""
    return SERVICE if imported_model_arn(spec.model or "") is not None else None


def url(spec: Spec, environ: Mapping[str, str]) -> str | None:
    """The URL that the user gives to LiteLLM; None: the provider's default."""
    given = _parameters(spec)
    if named := given.get("api_base") or given.get("aws_bedrock_runtime_endpoint"):
        return str(named)
    if (spec.model or "").startswith("bedrock/"):
        return _configured(RUNTIME, spec=spec, environ=environ)
    return spec.endpoint_url


async def preflight(spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
    """Catch the request that LiteLLM would send, without sending it. Ask GetImportedModel about an imported model.

    Raises:
        InputError: LiteLLM is not installed, knows no such provider, or refuses the parameters.
    """
    library = load_library(spec)
    secrets = environ_secrets(os.environ)  # LiteLLM reads keys of every provider
    caught, problem = _catch(library, spec)
    server = Server(
        model=spec.model or "",
        library=library.version,
        imported_model=await asyncio.to_thread(_model_facts, spec),
        service=service(spec),
        notes=tuple(library.notes),
        secrets=secrets,
    )
    if caught is None:
        base_url = spec.base_url or spec.endpoint_url or ""
        origin = Origin.of(base_url)
        return spec, msgspec.structs.replace(
            server,
            base_url="",
            address=origin.authority if origin.host else f"{spec.model} through LiteLLM",
            dialect="litellm",
            notes=(*server.notes, f"sdk: {problem}", *common_notes(spec, None)),
        )
    proxy = proxy_of(spec, caught.base_url)
    return spec, msgspec.structs.replace(
        server,
        base_url=caught.base_url,
        address=Origin.of(caught.base_url).authority,
        dialect=dialect_of(library, caught.base_url, caught.request.path).name,
        format=caught.request.path,
        signed_for=caught.signed_for,
        secrets=(*secrets, *caught.secrets, *_signing_secrets(library, caught), *(proxy.secrets if proxy else ())),
        proxy=proxy.authority if proxy is not None else None,
        notes=(*server.notes, *common_notes(spec, proxy.authority if proxy is not None else None)),
    )


def _signing_secrets(library: LiteLLM, caught: Caught) -> tuple[str, ...]:
    """The AWS credentials that sign the requests; empty: nothing signs them, or LiteLLM finds none."""
    if caught.signed_for is None:
        return ()
    try:
        return credential_secrets(library.credentials())
    except Exception:  # any error of LiteLLM's or botocore's; the transport meets it again and tells it
        return ()


def _catch(library: LiteLLM, spec: Spec) -> tuple[Caught | None, str]:
    """The request that LiteLLM would send, and an empty text; or None, and why LiteLLM must send it itself.

    Raises:
        InputError: LiteLLM refuses to make the request, or must send it itself and the user wants our sockets.
    """
    try:
        return library.catch(user_message("Hello"), 1), ""
    except InputError as error:
        if spec.litellm_mode == "wire" or not error.where.startswith("--litellm-mode"):
            raise
        return None, error.problem


def _model_facts(spec: Spec) -> ModelFacts | None:
    """The facts about the imported model in the model string; None: the model string has no ARN.

    Raises:
        InputError: the profile does not exist.
    """
    arn = imported_model_arn(spec.model)
    if arn is None:
        return None
    region = spec.region or region_of(arn)
    answer, _ = ask_model(spec, arn, region, needed=False)
    return model_facts(answer, arn, region)


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open both ways to send: the library, and our own sockets if the request could be caught.

    Raises:
        InputError: the host has no address, or a file that the spec names cannot be used.
    """
    library = load_library(spec)
    template = template_of(spec.chat_template)
    refusals = REFUSALS if server.service is not None else NO_REFUSALS
    wire = None
    if server.base_url:
        sign = _signer(library, server)
        dialect = dialect_of(library, server.base_url, server.format)
        use_sockets = spec.litellm_mode != "sdk"
        client = await open_client(spec, server.base_url, sign, dialect.end_mark) if use_sockets else None
        if client is not None:
            stack.callback(client.close)
            envelope = envelope_of(spec, server.base_url, server.model)
            wire = Http1Transport(client, dialect, envelope, template, clock, signed=sign is not None)
    transport = LiteLLMTransport(
        wire,
        LibraryTransport(library, template),
        library,
        template,
        mode=spec.litellm_mode,
        try_first=spec.preflight,
        timeout_s=spec.timeout_s,
        mask=Masker(secrets_of(spec, server)),
    )
    return Target(transport, refusals)


def late_reader(spec: Spec, server: Server) -> Callable[[RequestRecord], None] | None:
    """A function that decodes a record's kept bytes with LiteLLM's parser, after the run; None: no bytes are kept."""
    if not server.base_url:
        return None
    library = load_library(spec)
    library.catch(user_message("Hello"), 1)  # the first request shows which of LiteLLM's clients the route uses

    def read(record: RequestRecord) -> None:
        if record.body is not None:
            reread(record, lambda pieces: library.read(pieces, MEDIA_TYPE), keep_text=True)

    return read


def load_library(spec: Spec) -> LiteLLM:
    """LiteLLM, for a spec's model and parameters.

    Raises:
        InputError: LiteLLM is not installed, or does not know the provider.
    """
    try:
        from llmdyno.targets.litellm.library import LiteLLM
    except ImportError as error:
        what = f"needs {(error.name or 'litellm').partition('.')[0]}, which is missing"
        raise InputError("--api litellm", what, "pip install 'llmdyno[litellm]'") from None
    assert spec.model is not None
    secrets = (*spec_secrets(spec), *environ_secrets(os.environ))
    return LiteLLM(
        spec.model, _parameters(spec), secrets=secrets, configured=partial(_configured, spec=spec, environ=os.environ)
    )


def _configured(service_name: str, *, spec: Spec, environ: Mapping[str, str]) -> str | None:
    """The URL that the environment and AWS's files give a service; for the runtime, LiteLLM's own variable first."""
    profile = str(spec.litellm_param.get("aws_profile_name") or spec.profile or "") or None
    if service_name == RUNTIME:
        return bedrock_url(environ, spec.endpoint_url, profile, LITELLM_URLS)
    return configured_url(service_name, environ, profile)


def dialect_of(library: LiteLLM, base_url: str, path: str) -> Dialect:
    """The dialect of LiteLLM's requests to one URL.

    Our own decoder reads the answers if we have one for the route. If not, LiteLLM's parser reads them after the run.

    Raises:
        InputError: from `encode`, if LiteLLM sends a request to another URL.
    """
    path = path.partition("?")[0]
    ours = next((dialect for suffix, dialect in _DECODED.items() if path.endswith(suffix)), None)

    def encode(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
        caught = library.catch(messages, max_tokens)
        if caught.base_url != base_url:
            where = f"LiteLLM sends some requests to {base_url} and others to {caught.base_url}"
            raise InputError("--litellm-mode", where, "use --litellm-mode sdk")
        return caught.request

    if ours is None:
        facts = header_facts if library.imported_model else common_header_facts
        return Dialect("litellm, read by its own parser", encode, None, "", header_facts=facts)
    return dataclasses.replace(ours, name=f"litellm, {ours.name}", encode=encode)


def _signer(library: LiteLLM, server: Server) -> Sign | None:
    if server.signed_for is None:
        return None
    from llmdyno.aws.session import AwsEndpoint
    from llmdyno.aws.signing import signer

    region, name = server.signed_for
    return signer(AwsEndpoint(region, server.base_url, library.credentials(), None), name)


def _parameters(spec: Spec) -> dict[str, Any]:
    """The parameters of a LiteLLM call, from our own keys. The user's LiteLLM parameters override them."""
    ours = {
        "api_base": spec.base_url,
        "api_key": spec.api_key,
        "aws_region_name": spec.region,
        "aws_profile_name": spec.profile,
        "aws_bedrock_runtime_endpoint": spec.endpoint_url,
        "extra_headers": dict(spec.headers) or None,
        "temperature": spec.temperature,
        "ignore_eos": spec.ignore_eos or None,
        "timeout": spec.timeout_s,
    }
    return {**{name: value for name, value in ours.items() if value is not None}, **spec.litellm_param}
