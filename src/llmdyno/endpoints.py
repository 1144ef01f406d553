"""From a spec to an endpoint: which dialect, where, under which model, signed by whom.

In: a settled spec, and what the embedded emulator says of itself. Out: an :class:`Endpoint`. It looks AWS's
endpoint and credentials up, asks the control plane what kind of model it is, and sends nothing to the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmdyno.errors import InputError
from llmdyno.protocols import DIALECTS
from llmdyno.protocols.dialect import Dialect, HttpRequest
from llmdyno.protocols.templates import TEMPLATES, from_tokenizer_config
from llmdyno.spec import Spec
from llmdyno.values import ROUTES

DEFAULT_BODY_FORMAT = "bedrock-completion"
"""What `auto` takes where GetImportedModel cannot be asked: the Llama family answers to it, at any import date."""


@dataclass(frozen=True)
class Endpoint:
    """What is measured. `model` is empty where the server's own list is to name it; `sign` is None where nothing is
    signed; `notes` say what was decided for the user."""

    base_url: str
    dialect: Dialect
    model: str
    sign: Callable[[HttpRequest], HttpRequest] | None
    template: Callable[[str], str]
    notes: tuple[str, ...] = ()

    @property
    def bedrock(self) -> bool:
        """Whether it is Bedrock's runtime, real or emulated."""
        return self.dialect.name.startswith("bedrock")


def open_endpoint(spec: Spec, embedded: dict[str, str] | None) -> Endpoint:
    """The endpoint that a settled spec means; `embedded` is the embedded emulator's word on itself.

    Raises:
        InputError: AWS's side of it is missing or does not fit.
    """
    assert spec.route is not None
    template = _template(spec.chat_template)
    if spec.route in ROUTES["openai"]:
        base_url = embedded["url"] if embedded else spec.base_url
        assert base_url is not None
        return Endpoint(base_url, DIALECTS["openai", spec.route], spec.model or spec.deployment or "", None, template)
    chosen = "converse" if spec.route == "converse" else spec.body_format
    if embedded:
        chosen = DEFAULT_BODY_FORMAT if chosen == "auto" else chosen
        dialect = DIALECTS["bedrock", chosen]
        return Endpoint(embedded["root"], dialect, embedded["model"], None, template, (f"body format: {chosen}",))
    from llmdyno.aws.session import check_model, find_endpoint
    from llmdyno.aws.signing import signer

    assert spec.model is not None
    check_model(spec.model)
    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, spec.model)
    model, notes = spec.model, [f"region: {found.region}"]
    if chosen in ("auto", "converse"):
        chosen, model, why = _ask_model(spec, found.region, chosen)
        notes.append(f"body format: {chosen} ({why})")
    return Endpoint(found.url, DIALECTS["bedrock", chosen], model, signer(found), template, tuple(notes))


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


def _ask_model(spec: Spec, region: str, chosen: str) -> tuple[str, str, str]:
    """What GetImportedModel says: body format, ARN, and why; the runtime needs no permission for it, so without one the
    default is taken and the reason said.

    Raises:
        InputError: ConverseStream is asked for, and the model has no chat template for it.
    """
    from llmdyno.aws.clients import Aws
    from llmdyno.aws.models import body_format, describe

    assert spec.model is not None
    aws = Aws(region, spec.profile, spec.endpoint_url)
    try:
        facts = describe(aws, spec.model)
    except InputError as error:
        chosen = DEFAULT_BODY_FORMAT if chosen == "auto" else chosen
        return chosen, spec.model, f"GetImportedModel did not say: {error.problem.partition(':')[0]}"
    finally:
        aws.close()
    if chosen == "converse":
        if not facts.get("instructSupported", True):
            fits = "use --route invoke"
            raise InputError("--route", "this model has no chat template that Converse could use", fits)
        return chosen, facts["modelArn"], "Converse works on it"
    chosen, why = body_format(facts)
    return chosen, facts["modelArn"], why
