"""Where LiteLLM sends requests to AWS: it does not read the variables that move a service for AWS's own clients. PURE.

In: LiteLLM's name for the provider, the call's parameters, and what AWS's configuration says. Out: the parameter that
sends the requests there, or a refusal. Credentials must not leave for AWS when the user has moved the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from llmdyno.errors import InputError
from llmdyno.host.loopback import loopback

Configured = Callable[[str], str | None]
"""The URL that AWS's configuration gives a service instead of AWS's own; None: it gives none."""

_BEDROCK = ("bedrock", "bedrock_converse")
_RUNTIME = "bedrock-runtime"
_AWS_PREFIXES = ("bedrock", "sagemaker", "amazon", "aws")
_OWN_PARAMETER = {"sagemaker": "sagemaker_base_url"}


def nothing_configured(service: str) -> None:
    """AWS's configuration says nothing."""


def endpoint_of(provider: str, parameters: Mapping[str, Any], configured: Configured) -> dict[str, Any]:
    """The parameter that sends LiteLLM's requests to the configured URL; empty: none is needed.

    Args:
        provider: LiteLLM's name for the provider.
        parameters: of the call. A URL among them goes before the configured one.
        configured: what AWS's configuration says.

    Raises:
        InputError: the service is moved, and LiteLLM's provider does not follow.
    """
    if not provider.startswith(_AWS_PREFIXES):
        return {}
    if provider in _BEDROCK:
        named = parameters.get("api_base") or parameters.get("aws_bedrock_runtime_endpoint")
        url = None if named else configured(_RUNTIME)
        return {} if url is None else {"aws_bedrock_runtime_endpoint": url}
    kind = provider.partition("_")[0]
    own = _OWN_PARAMETER.get(kind, "api_base")
    service = "sagemaker-runtime" if kind == "sagemaker" else provider.replace("_", "-")
    if parameters.get(own) or configured(service) is None:
        return {}
    problem = f"AWS's endpoint variables move {service}, and LiteLLM's {provider} does not read them"
    raise InputError("--model", problem, f"give --litellm-param {own}=URL, or unset them")


def refuse_key_in_the_clear(provider: str, parameters: Mapping[str, Any], bearer: str | None) -> None:
    """Refuse to send an API key of Bedrock's without TLS to another machine.

    Args:
        provider: LiteLLM's name for the provider.
        parameters: of the call, with `endpoint_of`'s.
        bearer: the key of the environment; None: it has none.

    Raises:
        InputError: the key would go out in the clear.
    """
    url = parameters.get("api_base") or parameters.get("aws_bedrock_runtime_endpoint")
    if provider not in _BEDROCK or not url or not (parameters.get("api_key") or bearer):
        return
    parts = urlsplit(str(url))
    if parts.scheme != "https" and not loopback(parts.hostname or ""):
        where = "--api-key" if parameters.get("api_key") else "AWS_BEARER_TOKEN_BEDROCK"
        problem = f"would go to {parts.hostname} in the clear"
        raise InputError(where, problem, "use an https:// URL, or leave it out and use AWS credentials")
