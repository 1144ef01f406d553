"""Signs requests, with botocore's own signer.

In: a request and an endpoint. Out: the same request with the headers that authorise it. It is called just before the
send and outside the timed span; its cost is recorded. It asks for the credentials at each signature, so that botocore
can renew credentials that expire during a long run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from llmdyno.aws.session import AwsEndpoint
from llmdyno.protocols.dialect import HttpRequest

SIGNING_NAME = "bedrock"
"""The signing name of Bedrock's control plane and of its runtime."""


def signer(endpoint: AwsEndpoint, service: str = SIGNING_NAME) -> Callable[[HttpRequest], HttpRequest]:
    """The function that signs requests to an endpoint; `service` is a signing name."""
    if endpoint.bearer_token is not None:
        authorization = {"Authorization": f"Bearer {endpoint.bearer_token}"}
        return lambda request: dataclasses.replace(request, headers={**request.headers, **authorization})
    origin = endpoint.url.partition("://")
    host = origin[2].partition("/")[0]

    def sign(request: HttpRequest) -> HttpRequest:
        signed = AWSRequest(
            request.method, f"{origin[0]}://{host}{request.path}", headers=dict(request.headers), data=request.body
        )
        SigV4Auth(endpoint.credentials.get_frozen_credentials(), service, endpoint.region).add_auth(signed)
        return dataclasses.replace(request, headers=dict(signed.headers.items()))

    return sign
