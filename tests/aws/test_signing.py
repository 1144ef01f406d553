"""Credentials that expire are renewed between two signatures; a bearer token replaces a signature."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from botocore.credentials import RefreshableCredentials

from llmdyno.aws.session import AwsEndpoint
from llmdyno.aws.signing import signer
from llmdyno.protocols.dialect import HttpRequest

REQUEST = HttpRequest("POST", "/model/x/invoke", {"Content-Type": "application/json"}, b"{}")


def test_credentials_that_expire_are_renewed() -> None:
    asked = []

    def renew() -> dict[str, str]:
        asked.append("renewed")
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": "AKIDNEW", "secret_key": "s", "token": "t2", "expiry_time": until}

    soon = datetime.now(UTC) + timedelta(seconds=30)
    old = RefreshableCredentials("AKIDOLD", "s", "t1", soon, renew, "test")
    sign = signer(AwsEndpoint("us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com", old, None))
    headers = sign(REQUEST).headers
    assert asked == ["renewed"]
    assert "Credential=AKIDNEW/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "t2"
    assert headers["Content-Type"] == "application/json"
    sign(REQUEST)
    assert asked == ["renewed"]


def test_a_bearer_token() -> None:
    sign = signer(AwsEndpoint("us-east-1", "https://h", None, "tok"))
    assert sign(REQUEST).headers["Authorization"] == "Bearer tok"
    assert sign(REQUEST).body == REQUEST.body
