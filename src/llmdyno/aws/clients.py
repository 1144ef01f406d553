"""boto3 clients, and AWS's refusals as one line with a remedy.

In: the user's region, profile and endpoint. Out: clients of the control plane, S3, IAM, STS, CloudWatch and Service
Quotas. Whatever they raise becomes an :class:`~llmdyno.errors.InputError`. It knows no model and no run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from llmdyno.aws.session import check_variables, credential_secrets, local_url
from llmdyno.errors import InputError
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import environ_secrets

_REMEDIES = {
    "ServiceQuotaExceededException": "delete a model or wait for the other job, or raise the quota in Service Quotas",
    "ConflictException": "choose another name: job and model names are unique in an account and region",
    "ResourceNotFoundException": "list the models with: llmdyno models",
    "NoSuchBucket": "create the bucket in the import's region, or name another",
    "BucketAlreadyExists": "name another bucket",
    "ThrottlingException": "try again later",
    "UnknownOperationException": "use an endpoint that has this service: llmdyno serve has it with --aws-services",
    "ExpiredTokenException": "log in again: the session token has expired",
    "ExpiredToken": "log in again: the session token has expired",
    "UnrecognizedClientException": "check the access key",
    "InvalidClientTokenId": "check the access key",
    "SignatureDoesNotMatch": "check the secret key and this host's clock",
    "InvalidSignatureException": "check the secret key and this host's clock",
}

_DENIED = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")
_ACTIONS = {
    **{name: f"cloudwatch:{name}" for name in ("ListMetrics", "GetMetricData")},
    **{name: f"iam:{name}" for name in ("GetRole", "CreateRole", "PutRolePolicy", "UpdateAssumeRolePolicy")},
    "ListServiceQuotas": "servicequotas:ListServiceQuotas",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "GetCallerIdentity": "sts:GetCallerIdentity",
}
"""The permission that an operation needs. Any other operation needs Bedrock's permission of the same name."""
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_BRIEF_CONNECT_S, _BRIEF_ANSWER_S = 3.0, 10.0


class Aws:
    """Clients of one account and region, created on first use. A call must connect within `connect_timeout_s` and be
    answered within `read_timeout_s`; it is tried up to `attempts` times.

    Raises:
        InputError: boto3 is missing, no region is known, or the profile does not exist.
    """

    def __init__(
        self,
        region: str | None,
        profile: str | None,
        endpoint_url: str | None,
        *,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 60.0,
        attempts: int = 3,
    ) -> None:
        try:
            import boto3
        except ImportError:
            raise InputError("this command", "needs boto3, which is missing", "pip install 'llmdyno[aws]'") from None
        check_variables(os.environ)
        with aws_errors("AWS"):
            region = region or os.environ.get("AWS_REGION")
            self._session = boto3.Session(region_name=region, profile_name=profile)
        if self._session.region_name is None:
            raise InputError("--region", "not given", "give it, or set AWS_REGION")
        self.region: str = self._session.region_name
        self._profile, self._endpoint_url = profile, endpoint_url
        self._timeouts = {"connect_timeout": connect_timeout_s, "read_timeout": read_timeout_s}
        self._retries = {"mode": "standard", "total_max_attempts": attempts}
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of a service, such as ``bedrock`` or ``s3``.

        Raises:
            InputError: the region, the URL or another of AWS's settings does not fit.
        """
        if service not in self._clients:
            from botocore.config import Config

            url = self._endpoint_url or local_url(service, os.environ, self._profile)
            # Virtual-host addressing needs a DNS name for each bucket; a local endpoint has none.
            s3 = {"addressing_style": "path"} if url else {}
            config = Config(**self._timeouts, retries=self._retries, s3=s3)
            try:
                with aws_errors("AWS"):
                    made = self._session.client(service, endpoint_url=url, config=config)
            except InputError:
                raise
            except ValueError as error:  # botocore's own for a URL, a number or a mode that does not fit
                fits = "check the values of --endpoint-url, --region and AWS's variables"
                raise InputError("AWS", f"cannot make a client of {service} ({error})", fits) from None
            self._clients[service] = made
        return self._clients[service]

    def is_own(self, service: str) -> bool:
        """Whether a service's endpoint is AWS's own, and no flag, variable or profile replaces it."""
        host = urlsplit(self.client(service).meta.endpoint_url).hostname or ""
        return host.endswith(_AWS_HOSTS)

    def brief(self) -> Aws:
        """Clients of the same account for what a command does not depend on: asked once, and not waited for long."""
        patience = {"connect_timeout_s": _BRIEF_CONNECT_S, "read_timeout_s": _BRIEF_ANSWER_S}
        return Aws(self.region, self._profile, self._endpoint_url, **patience, attempts=1)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of its credentials, which nothing may show. Empty if there are none, or if they expired."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return credential_secrets(self._session.get_credentials())
        except (BotoCoreError, ClientError):
            return ()

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            client.close()


@contextlib.contextmanager
def aws_errors(what: str, aws: Aws | None = None) -> Iterator[None]:
    """Turn an exception of boto3 or botocore into an InputError: what was tried, AWS's error, and a remedy. The secrets
    of `aws` are masked in it.

    Raises:
        InputError: the code in the context raised such an exception.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        name, operation = str(found.get("Code", "unknown")), str(error.operation_name)
        message = f"{name}: {found.get('Message') or 'no message'} ({operation})"
        remedy = _REMEDIES.get(name, "check the values that were given")
        if name in _DENIED:
            remedy = f"allow {_ACTIONS.get(operation, f'bedrock:{operation}')}"
        raise _masked(InputError(what, message, remedy), aws) from None
    except (BotoCoreError, Boto3Error) as error:
        remedy = "check the region, the profile and the credentials (aws sts get-caller-identity)"
        raise _masked(InputError(what, " ".join(str(error).split()), remedy), aws) from None


def _masked(error: InputError, aws: Aws | None) -> InputError:
    return Masker((*environ_secrets(os.environ), *(aws.secrets if aws is not None else ()))).error(error)
