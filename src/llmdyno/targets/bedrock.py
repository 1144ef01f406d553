"""From a spec to an endpoint: which dialect, where, under which model, signed by whom.

In: a settled spec, and what the embedded emulator says of itself. Out: an :class:`Endpoint`. It looks AWS's
endpoint and credentials up, asks the control plane what kind of model it is, and sends nothing to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.errors import InputError
from llmdyno.protocols import DIALECTS
from llmdyno.protocols.dialect import Dialect, HttpRequest, Target
from llmdyno.protocols.templates import TEMPLATES, from_tokenizer_config
from llmdyno.spec import readers as values
from llmdyno.spec.readers import ROUTES
from llmdyno.spec.spec import Spec

if TYPE_CHECKING:
    from llmdyno.targets.litellm.library import Caught, LiteLLM

_BRIEF_S = 3
DEFAULT_BODY_FORMAT = "bedrock-completion"
"""What `auto` takes where GetImportedModel cannot be asked: the Llama family answers to it, at any import date."""


@dataclass(frozen=True)
class Endpoint:
    """What is measured. `model` is empty where the server's own list is to name it; `sign` is None where nothing is
    signed; `notes` say what was decided for the user. `wakes`: it scales to zero, and is woken first. `library`: the
    client library that makes its requests (None: our own dialect), and `wire` whether our sockets send them.
    `imported_model`: what is known of an imported model (`arn`, `region`, `units`, `units_version`; None: unknown)."""

    base_url: str
    dialect: Dialect
    model: str
    sign: Callable[[HttpRequest], HttpRequest] | None
    template: Callable[[str], str]
    notes: tuple[str, ...] = ()
    wakes: bool = False
    library: LiteLLM | None = None
    wire: bool = True
    secrets: tuple[str, ...] = ()
    imported_model: Mapping[str, Any] | None = None


def open_endpoint(spec: Spec, embedded: dict[str, Any] | None) -> Endpoint:
    """The endpoint that a settled spec means; `embedded` is the embedded emulator's word on itself.

    Raises:
        InputError: AWS's side of it is missing or does not fit.
    """
    template = _template(spec.chat_template)
    if spec.api == "litellm":
        return _through_litellm(spec, template)
    assert spec.route is not None
    if spec.route in ROUTES["openai"]:
        base_url = embedded["url"] if embedded else spec.base_url
        assert base_url is not None
        return Endpoint(base_url, DIALECTS["openai", spec.route], spec.model or spec.deployment or "", None, template)
    chosen = "converse" if spec.route == "converse" else spec.body_format
    if embedded:
        chosen = DEFAULT_BODY_FORMAT if chosen == "auto" else chosen
        dialect = DIALECTS["bedrock", chosen]
        facts = {"arn": embedded["model"], **{name: embedded[name] for name in ("region", "units", "units_version")}}
        notes: tuple[str, ...] = (f"body format: {chosen}",)
        return Endpoint(
            embedded["root"], dialect, facts["arn"], None, template, notes, wakes=True, imported_model=facts
        )
    from llmdyno.aws.session import check_model, find_endpoint
    from llmdyno.aws.signing import signer

    assert spec.model is not None
    check_model(spec.model)
    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, spec.model)
    facts, refused = _ask_model(spec, found.region, needed=chosen in ("auto", "converse"))
    chosen, why = _body_format(chosen, facts, refused)
    said = (f"region: {found.region}", *((f"body format: {chosen} ({why})",) if why else ()))
    known = _imported_model(facts, spec.model, found.region)
    return Endpoint(
        found.url,
        DIALECTS["bedrock", chosen],
        known["arn"],
        signer(found),
        template,
        said,
        wakes=True,
        imported_model=known,
    )


def _through_litellm(spec: Spec, template: Callable[[str], str]) -> Endpoint:
    """A LiteLLM model string: its requests caught and sent by us, or, where that does not go, sent by LiteLLM.

    Raises:
        InputError: LiteLLM is not installed, knows no such provider, or refuses the parameters.
    """
    try:
        from llmdyno.targets.litellm.library import LiteLLM
    except ImportError as error:
        what = f"needs {(error.name or 'litellm').partition('.')[0]}, which is missing"
        raise InputError("--api litellm", what, "pip install 'llmdyno[litellm]'") from None
    assert spec.model is not None
    library = LiteLLM(spec.model, _parameters(spec), settle=spec.litellm_mode != "sdk")
    notes = list(library.notes)
    secrets = tuple(
        str(value) for name, value in spec.litellm_param.items() if values.SECRET_PARAMETER.search(name) and value
    )
    try:
        caught = library.catch("Hello", 1)
    except InputError as error:
        if spec.litellm_mode == "wire" or not error.where.startswith("--litellm-mode"):
            raise
        notes.append(f"sdk: {error.problem}")
        return Endpoint(
            spec.base_url or spec.endpoint_url or "",
            Dialect("litellm", _never_encoded, None, ""),
            spec.model,
            None,
            template,
            notes=tuple(notes),
            wakes=library.imported_model,
            library=library,
            wire=False,
            secrets=secrets,
        )
    dialect = litellm_dialect(library, caught)
    sign = None
    if caught.signed_for is not None:
        from llmdyno.aws.session import AwsEndpoint
        from llmdyno.aws.signing import signer

        region, service = caught.signed_for
        sign = signer(AwsEndpoint(region, caught.base_url, library.credentials(), None), service)
    return Endpoint(
        caught.base_url,
        dialect,
        spec.model,
        sign,
        template,
        notes=tuple(notes),
        wakes=library.imported_model,
        library=library,
        wire=spec.litellm_mode != "sdk",
        secrets=(*secrets, *caught.secrets),
    )


def _parameters(spec: Spec) -> dict[str, Any]:
    """What our own keys say to a LiteLLM call; its own parameters go before."""
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


def litellm_dialect(library: LiteLLM, first: Caught) -> Dialect:
    """LiteLLM's requests, which all go where the `first` one goes; answers read by our own decoder where their route
    shows one, else after the run by LiteLLM's parser."""
    path = first.request.path.partition("?")[0]
    ours = next((dialect for suffix, dialect in _DECODED.items() if path.endswith(suffix)), None)

    def encode(target: Target, prompt: str, max_tokens: int) -> HttpRequest:
        caught = library.catch(prompt, max_tokens)
        if caught.base_url != first.base_url:
            where = f"LiteLLM sends some requests to {first.base_url} and others to {caught.base_url}"
            raise InputError("--litellm-mode", where, "use --litellm-mode sdk")
        return caught.request

    if ours is None:
        return Dialect("litellm, read by its own parser", encode, None, "")
    return Dialect(f"litellm, {ours.name}", encode, ours.decoder, ours.media_type, ours.error_type)


_DECODED = {
    "/invoke-with-response-stream": DIALECTS["bedrock", DEFAULT_BODY_FORMAT],
    "/converse-stream": DIALECTS["bedrock", "converse"],
    "/chat/completions": DIALECTS["openai", "chat"],
    "/completions": DIALECTS["openai", "completions"],
}


def _never_encoded(target: Target, prompt: str, max_tokens: int) -> HttpRequest:
    raise NotImplementedError  # this endpoint's requests are the library's


def _template(name: str) -> Callable[[str], str]:
    if name in TEMPLATES:
        return TEMPLATES[name]
    fits = f"one of {', '.join(TEMPLATES)}, or a tokenizer_config.json with a chat_template"
    try:
        return from_tokenizer_config(Path(name).read_text(encoding="utf-8"))
    except ImportError:
        fits = "pip install 'llmdyno[templates]'"
        raise InputError("--chat-template", "a tokenizer_config.json needs jinja2, which is missing", fits) from None
    except OSError as error:
        raise InputError("--chat-template", f"{name} cannot be read ({error.strerror})", f"what fits: {fits}") from None
    except ValueError as error:
        raise InputError("--chat-template", f"{name}: {error}", f"what fits: {fits}") from None


def _ask_model(spec: Spec, region: str, *, needed: bool) -> tuple[dict[str, Any], str]:
    """What GetImportedModel says; or nothing, and why: the runtime needs no permission for it, nor a way to the control
    plane. What is not `needed` is asked for once and briefly."""
    from llmdyno.aws.clients import Aws
    from llmdyno.services.bedrock_import.models import describe

    assert spec.model is not None
    patience = {} if needed else {"connect_timeout_s": _BRIEF_S, "attempts": 1}
    aws = Aws(region, spec.profile, spec.endpoint_url, **patience)
    try:
        return describe(aws, spec.model), ""
    except InputError as error:
        return {}, f"GetImportedModel did not say: {error.problem.partition(':')[0]}"
    finally:
        aws.close()


def _body_format(chosen: str, facts: dict[str, Any], refused: str) -> tuple[str, str]:
    """The body format, and why it is that one where the user left it open.

    Raises:
        InputError: ConverseStream is asked for, and the model has no chat template for it.
    """
    from llmdyno.services.bedrock_import.models import body_format

    if chosen == "converse" and facts and not facts.get("instructSupported", True):
        fits = "use --route invoke"
        raise InputError("--route", "this model has no chat template that Converse could use", fits)
    if chosen == "converse":
        return chosen, refused or "Converse works on it"
    if chosen != "auto":
        return chosen, ""
    return (DEFAULT_BODY_FORMAT, refused) if refused else body_format(facts)


def _imported_model(facts: dict[str, Any], model: str, region: str) -> dict[str, Any]:
    from llmdyno.services.bedrock_import.models import units_of

    units, version = units_of(facts)
    return {"arn": facts.get("modelArn", model), "region": region, "units": units, "units_version": version}
