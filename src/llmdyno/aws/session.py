"""Where Bedrock is and who asks: the standard AWS chain, through botocore.

In: a region, a profile, an endpoint URL or none of them, and a model. Out: an :class:`AwsEndpoint`. Keys,
session tokens, SSO, instance roles, assumed roles and bearer tokens are all botocore's to find; so are
its endpoint variables (`AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, `AWS_ENDPOINT_URL`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from llmdyno.errors import InputError

ARN = re.compile(r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]{1,20}):([0-9]{12})?:(?P<kind>[a-z-]+)/.+")
_LOGIN = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a --profile, or log in (aws sso login)"


@dataclass(frozen=True)
class AwsEndpoint:
    """One service in one region: its URL and botocore's credentials (None with a bearer token)."""

    region: str
    url: str
    credentials: Any
    bearer_token: str | None


def check_model(model: str) -> None:
    """See that a model given by ARN is an imported one.

    Raises:
        InputError: it is some other resource.
    """
    found, fits = ARN.fullmatch(model), "give an imported model's ARN or name"
    if found is None and model.startswith("arn:"):
        raise InputError("--model", f"{model!r} is not the ARN of a Bedrock model", fits)
    if found is not None and found["kind"] != "imported-model":
        raise InputError("--model", f"{model!r} is a {found['kind'].replace('-', ' ')}, not an imported model", fits)


def region_of(model: str) -> str | None:
    """The region in a model's ARN; None for a name."""
    found = ARN.fullmatch(model)
    return found["region"] if found else None


def configured_region(session: Any) -> str | None:
    """AWS_REGION, which AWS's other tools heed and botocore does not, then whatever botocore finds."""
    return os.environ.get("AWS_REGION") or session.get_config_variable("region")


def find_endpoint(
    service: str, region: str | None, profile: str | None, endpoint_url: str | None, model: str
) -> AwsEndpoint:
    """Find a service's endpoint and the credentials for it.

    Raises:
        InputError: botocore is not installed; there is no region, no such profile, or no credentials.
    """
    try:
        import botocore.session
        from botocore import UNSIGNED, exceptions
        from botocore.config import Config
    except ImportError:
        raise InputError("--api bedrock", "needs botocore, which is missing", "pip install 'llmdyno[aws]'") from None
    found = ARN.fullmatch(model)
    try:
        session = botocore.session.Session(profile=profile)
        region = region or (found["region"] if found else None) or configured_region(session)
        if region is None:
            raise InputError("--region", "not given", "give it, set AWS_REGION, or name the model by its ARN")
        if found is not None and found["region"] != region:
            raise InputError("--region", f"{region!r} is not the model's own", f"its ARN says {found['region']}")
        client = session.create_client(
            service, region_name=region, endpoint_url=endpoint_url, config=Config(signature_version=UNSIGNED)
        )
        url = str(client.meta.endpoint_url)
        client.close()
        token = os.environ.get("AWS_BEARER_TOKEN_BEDROCK") if url.startswith("https:") else None
        credentials = None if token else session.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()
    except exceptions.ProfileNotFound:
        known = ", ".join(botocore.session.Session().available_profiles) or "none"
        raise InputError("--profile", f"{profile!r} is not configured", f"profiles here: {known}") from None
    except (exceptions.InvalidRegionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("--region, --endpoint-url", str(error), "check them") from None
    except exceptions.BotoCoreError as error:  # SSO that ran out, a role that cannot be assumed, half a key
        raise InputError("AWS credentials", str(error), _LOGIN) from None
    if credentials is None and token is None:
        raise InputError("AWS credentials", "none were found", _LOGIN)
    return AwsEndpoint(region, url.rstrip("/"), credentials, token)
