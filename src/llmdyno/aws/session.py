"""Where Bedrock is, and with which credentials: the standard AWS chain, through botocore.

In: a model and, if given, a region, a profile, an endpoint URL. Out: an :class:`AwsEndpoint`. botocore finds keys,
session tokens, SSO, instance roles, assumed roles and bearer tokens. It also reads the endpoint variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from llmdyno.aws.identity import region_of
from llmdyno.errors import InputError
from llmdyno.host.inputs import refuse_special
from llmdyno.host.loopback import loopback, own_network
from llmdyno.spec.keys import read_flag, read_value
from llmdyno.spec.readers import secret

LITELLM_URLS = ("AWS_BEDROCK_RUNTIME_ENDPOINT",)
"""The variable that moves Bedrock's runtime for LiteLLM only. It goes before botocore's."""
RUNTIME = "bedrock-runtime"
_IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
"""The variable with an API key of Bedrock's."""
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", BEARER_VARIABLE)
_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE")
_LOGIN = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a --profile, or log in (aws sso login)"


@dataclass(frozen=True)
class AwsEndpoint:
    """One service in one region: its URL, and botocore's credentials or a bearer token."""

    region: str
    url: str
    credentials: Any = field(repr=False)
    bearer_token: str | None = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of its credentials, which nothing may show."""
        return (*credential_secrets(self.credentials), *([self.bearer_token] if self.bearer_token else []))


def credential_secrets(credentials: Any) -> tuple[str, ...]:
    """The access key's ID, the secret key and the session token of botocore's credentials; None has none."""
    if credentials is None:
        return ()
    frozen = credentials.get_frozen_credentials()
    return tuple(str(value) for value in (frozen.access_key, frozen.secret_key, frozen.token) if value)


def configured_region(session: Any) -> str | None:
    """AWS_REGION, which other AWS tools read and botocore does not; else what botocore finds."""
    return os.environ.get("AWS_REGION") or session.get_config_variable("region")


def bedrock_url(
    environ: Mapping[str, str], endpoint_url: str | None, profile: str | None = None, first: tuple[str, ...] = ()
) -> str | None:
    """The URL that replaces AWS's own for Bedrock's runtime; None: nothing replaces it.

    Args:
        environ: the environment variables.
        endpoint_url: the user's own, which goes first.
        profile: the AWS profile whose configuration counts; None: the configured one.
        first: variables of the client's own, which go before botocore's.

    Raises:
        InputError: a variable's value is no URL.
    """
    if endpoint_url:
        return endpoint_url
    name = next((name for name in first if environ.get(name)), None)
    if name is not None:
        return str(read_value("endpoint_url", environ[name], name))
    return configured_url(RUNTIME, environ, profile)


def configured_url(service: str, environ: Mapping[str, str], profile: str | None = None) -> str | None:
    """The URL that replaces AWS's own for a service, as botocore finds it; None: nothing replaces it.

    The service's variable goes first, then AWS_ENDPOINT_URL, then the service's section in AWS's configuration file,
    then the profile's own `endpoint_url`. AWS_IGNORE_CONFIGURED_ENDPOINT_URLS turns all of them off.

    Args:
        service: botocore's name for it, such as ``bedrock-runtime``.
        environ: the environment variables. The files are those that botocore reads in this process.
        profile: the AWS profile; None: the configured one.

    Raises:
        InputError: the value is no URL.
    """
    name = service.replace("-", "_")
    ignored = environ.get(_IGNORE, "").lower()
    if ignored == "true":
        return None
    variables = (f"AWS_ENDPOINT_URL_{name.upper()}", "AWS_ENDPOINT_URL")
    found = next(((name, environ[name]) for name in variables if environ.get(name)), None)
    in_files, ignored_there = _from_files(name, environ, profile)
    if ignored_there and not ignored:
        return None
    if found is None and in_files:
        found = "endpoint_url in AWS's configuration", in_files
    return None if found is None else str(read_value("endpoint_url", found[1], found[0]))


def local_url(service: str, environ: Mapping[str, str], profile: str | None = None) -> str | None:
    """The same, and where only the runtime is moved to an address of this machine's own network, that address.

    The model of an emulator is in no account, so AWS knows nothing about it and gets no credentials.

    Raises:
        InputError: a value is no URL.
    """
    found = configured_url(service, environ, profile)
    if found is None:
        runtime = configured_url(RUNTIME, environ, profile)
        found = runtime if own_network(urlsplit(runtime or "").hostname or "") else None
    return found


def _from_files(name: str, environ: Mapping[str, str], profile: str | None) -> tuple[str | None, bool]:
    """The URL that AWS's configuration files name for a service, and whether they turn all such URLs off."""
    try:
        import botocore.session
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return None, False
    check_variables(environ)
    session = botocore.session.Session(profile=profile)
    try:
        scoped, services = session.get_scoped_config(), session.full_config.get("services", {})
    except BotoCoreError:  # whoever needs the profile tells it
        return None, False
    section = services.get(scoped.get("services"), {}).get(name, {})
    url = (section.get("endpoint_url") if isinstance(section, dict) else None) or scoped.get("endpoint_url")
    return url, str(scoped.get("ignore_configured_endpoint_urls", "")).lower() == "true"


def check_variables(environ: Mapping[str, str]) -> None:
    """Check AWS's variables before botocore reads them. It would wait for the writer of a FIFO, and an error of its
    HTTP client would show a key that no header can hold.

    Raises:
        InputError: a file is there and is no file, or a key is not printable ASCII.
    """
    for name in _KEYS:
        if environ.get(name):
            read_flag(secret, environ[name], name, secret=True)
    for name in _FILES:
        refuse_special(environ.get(name), name, "name a file, or unset it")


def find_endpoint(
    service: str,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
    model: str,
    api_key: str | None = None,
) -> AwsEndpoint:
    """Find a service's endpoint and the credentials for it. An API key of Bedrock's goes before all others.

    Raises:
        InputError: botocore is not installed; there is no region, no such profile, or no credentials; an API key is
            given and the URL is not safe for it.
    """
    try:
        import botocore.session
        from botocore import exceptions
    except ImportError:
        raise InputError("--api bedrock", "needs botocore, which is missing", "pip install 'llmdyno[aws]'") from None
    check_variables(os.environ)
    try:
        session = botocore.session.Session(profile=profile)
        region = _region(session, region, model)
        url = _url(session, service, region, endpoint_url)
        token = _bearer_token(url, api_key)
        credentials = None if token else session.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()
    except exceptions.ProfileNotFound:
        known = ", ".join(botocore.session.Session().available_profiles) or "none"
        raise InputError("--profile", f"{profile!r} is not configured", f"profiles here: {known}") from None
    except InputError:
        raise
    except (exceptions.InvalidRegionError, ValueError) as error:
        raise InputError("--region, --endpoint-url", str(error), "check both values") from None
    except exceptions.BotoCoreError as error:  # an expired SSO session, a role that cannot be assumed, half a key
        raise InputError("AWS credentials", str(error), _LOGIN) from None
    if credentials is None and token is None:
        raise InputError("AWS credentials", "none were found", _LOGIN)
    return AwsEndpoint(region, url.rstrip("/"), credentials, token)


def _bearer_token(url: str, api_key: str | None) -> str | None:
    """The API key that goes to a URL: the user's, or the environment's. Nobody but this machine gets one without TLS.

    Raises:
        InputError: the user gave one, and it would be sent in the clear.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or loopback(parts.hostname or ""):
        return api_key or os.environ.get(BEARER_VARIABLE) or None
    if api_key:
        what = f"would go to {parts.hostname} in the clear"
        raise InputError("--api-key", what, "use an https:// URL, or leave it out and use AWS credentials")
    return None


def _region(session: Any, given: str | None, model: str) -> str:
    """The user's region, the ARN's, or the configured one.

    Raises:
        InputError: no region is known, or it is not the ARN's region.
    """
    own = region_of(model)
    region = given or own or configured_region(session)
    if region is None:
        raise InputError("--region", "not given", "give it, set AWS_REGION, or name the model by its ARN")
    if own is not None and own != region:
        raise InputError("--region", f"{region!r} is not the model's own", f"its ARN says {own}")
    return region


def _url(session: Any, service: str, region: str, endpoint_url: str | None) -> str:
    """Where botocore would send a request."""
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(signature_version=UNSIGNED)
    client = session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)
    try:
        return str(client.meta.endpoint_url)
    finally:
        client.close()
