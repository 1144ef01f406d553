"""From a spec to an endpoint: which dialect, where, under which model, signed by whom.

In: a settled spec, and what the embedded emulator says of itself. Out: an :class:`Endpoint`. It looks AWS's
endpoint and credentials up and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmdyno.protocols import DIALECTS
from llmdyno.protocols.dialect import Dialect, HttpRequest
from llmdyno.protocols.templates import TEMPLATES
from llmdyno.spec import ROUTES, Spec

DEFAULT_BODY_FORMAT = "bedrock-completion"
"""What `auto` takes: every import of the Llama family answers to it, before and after the OpenAI formats came."""


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
    template = TEMPLATES[spec.chat_template]
    if spec.route in ROUTES["openai"]:
        base_url = embedded["url"] if embedded else spec.base_url
        assert base_url is not None
        return Endpoint(base_url, DIALECTS["openai", spec.route], spec.model or spec.deployment or "", None, template)
    notes: tuple[str, ...] = ()
    body_format = spec.body_format
    if spec.route == "converse":
        body_format = "converse"
    elif body_format == "auto":
        body_format = DEFAULT_BODY_FORMAT
        notes = (f"body format: {body_format} (--body-format)",)
    dialect = DIALECTS["bedrock", body_format]
    if embedded:
        return Endpoint(embedded["root"], dialect, embedded["model"], None, template, notes)
    from llmdyno.aws.session import check_model, find_endpoint
    from llmdyno.aws.signing import signer

    assert spec.model is not None
    check_model(spec.model)
    found = find_endpoint("bedrock-runtime", spec.region, spec.profile, spec.endpoint_url, spec.model)
    return Endpoint(found.url, dialect, spec.model, signer(found), template, (f"region: {found.region}", *notes))
