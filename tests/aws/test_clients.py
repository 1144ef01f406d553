"""AWS's refusals as one line with a remedy; clients need a region."""

from __future__ import annotations

from pathlib import Path

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.errors import InputError


def refusal(code: str, operation: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            refusal("ServiceQuotaExceededException", "CreateModelImportJob"),
            "x: ServiceQuotaExceededException: no (CreateModelImportJob); delete a model or wait for the other job, or "
            "raise the quota in Service Quotas",
        ),
        (
            refusal("AccessDenied", "HeadObject"),
            "x: AccessDenied: no (HeadObject); allow s3:GetObject",
        ),
        (
            refusal("AccessDeniedException", "GetImportedModel"),
            "x: AccessDeniedException: no (GetImportedModel); allow bedrock:GetImportedModel",
        ),
        (
            refusal("UnknownOperationException", "ListMetrics"),
            "x: UnknownOperationException: no (ListMetrics); use an endpoint that has this service: llmdyno serve has "
            "it with --aws-services",
        ),
        (
            refusal("Strange", "ListMetrics", ""),
            "x: Strange: no message (ListMetrics); check the values that were given",
        ),
        (
            EndpointConnectionError(endpoint_url="http://h"),
            'x: Could not connect to the endpoint URL: "http://h"; check the region, the profile and the credentials '
            "(aws sts get-caller-identity)",
        ),
        (
            S3UploadFailedError("cut\n  off"),
            "x: cut off; check the region, the profile and the credentials (aws sts get-caller-identity)",
        ),
    ],
)
def test_an_error_of_boto_is_one_line(error: Exception, line: str) -> None:
    with pytest.raises(InputError) as caught, aws_errors("x"):
        raise error
    assert str(caught.value) == line


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), aws_errors("x"):
        raise ZeroDivisionError


def test_clients_need_a_region_and_a_profile_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    with pytest.raises(InputError, match="--region: not given; give it, or set AWS_REGION"):
        Aws(None, None, None)
    with pytest.raises(InputError, match=r"AWS: The config profile \(nobody\) could not be found"):
        Aws("us-east-1", "nobody", None)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert Aws(None, None, None).region == "us-west-2"
    assert Aws("us-east-1", None, None).region == "us-east-1"


def test_a_client_is_made_once_and_goes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    aws = Aws("us-east-1", None, "http://127.0.0.1:9", connect_timeout_s=1.5, attempts=2)
    client = aws.client("s3")
    assert aws.client("s3") is client
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.config.connect_timeout == 1.5
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert client.meta.config.s3["addressing_style"] == "path"
    aws.close()


def test_whose_endpoint_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for region in ("us-east-1", "cn-north-1", "us-gov-west-1"):
        assert Aws(region, None, None).is_own("bedrock")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", "http://amazonaws.com.example:9")
    aws = Aws("us-east-1", None, None)
    assert (aws.is_own("bedrock"), aws.is_own("service-quotas")) == (False, True)
    assert not Aws("us-east-1", None, "http://127.0.0.1:9").is_own("service-quotas")


def test_brief_clients_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    brief = Aws("eu-central-1", None, "http://127.0.0.1:9").brief()
    config = brief.client("bedrock").meta.config
    assert (brief.region, brief.client("bedrock").meta.endpoint_url) == ("eu-central-1", "http://127.0.0.1:9")
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (3.0, 10.0, 1)
    brief.close()


def test_an_error_shows_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[mine]\naws_access_key_id = AKIDOFAPROFILE00\naws_secret_access_key = key-of-a-profile-1\n"
        "aws_session_token = token-of-a-profile-1\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token-of-a-variable-1")
    aws = Aws("us-east-1", "mine", None)
    assert aws.secrets == ("AKIDOFAPROFILE00", "key-of-a-profile-1", "token-of-a-profile-1")
    said = "AKIDOFAPROFILE00 x-amz-security-token:token-of-a-profile-1 key-of-a-profile-1 token-of-a-variable-1"
    with pytest.raises(InputError) as caught, aws_errors("x", aws):
        raise refusal("InvalidSignatureException", "ListImportedModels", said)
    assert (
        caught.value.problem == "InvalidSignatureException: *** x-amz-security-token:*** *** *** (ListImportedModels)"
    )
