"""Service Quotas as the emulator speaks it, without a client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdyno.emulator.quotas import TARGET, QuotaError, Quotas, operate


def ask(operation: str, **body: Any) -> dict[str, Any]:
    return operate(Quotas(models=7, jobs=2, copies=5), TARGET + operation, json.dumps(body).encode())


def refused(operation: str, **body: Any) -> str:
    with pytest.raises(QuotaError) as caught:
        ask(operation, **body)
    assert json.loads(caught.value.body)["__type"] == caught.value.name
    return caught.value.name


def test_an_accounts_values_and_the_defaults() -> None:
    values = [quota["Value"] for quota in ask("ListServiceQuotas", ServiceCode="bedrock")["Quotas"]]
    defaults = [quota["Value"] for quota in ask("ListAWSDefaultServiceQuotas", ServiceCode="bedrock")["Quotas"]]
    assert (values, defaults) == ([7.0, 2.0, 5.0], [3.0, 1.0, 3.0])


def test_pages() -> None:
    first = ask("ListServiceQuotas", ServiceCode="bedrock", MaxResults=2)
    last = ask("ListServiceQuotas", ServiceCode="bedrock", MaxResults=2, NextToken=first["NextToken"])
    assert [len(page["Quotas"]) for page in (first, last)] == [2, 1]
    assert "NextToken" not in last


@pytest.mark.parametrize(
    ("operation", "body", "name"),
    [
        ("ListServices", {}, "UnknownOperationException"),
        ("ListServiceQuotas", {}, "IllegalArgumentException"),
        ("ListServiceQuotas", {"ServiceCode": 5}, "IllegalArgumentException"),
        ("ListServiceQuotas", {"ServiceCode": "bedrock", "MaxResults": 0}, "IllegalArgumentException"),
        ("ListServiceQuotas", {"ServiceCode": "bedrock", "MaxResults": 101}, "IllegalArgumentException"),
        ("ListServiceQuotas", {"ServiceCode": "bedrock", "NextToken": "?"}, "InvalidPaginationTokenException"),
        ("ListServiceQuotas", {"ServiceCode": "bedrock", "NextToken": "OTk="}, "InvalidPaginationTokenException"),
        ("ListServiceQuotas", {"ServiceCode": "ec2"}, "NoSuchResourceException"),
        ("GetServiceQuota", {"ServiceCode": "bedrock"}, "IllegalArgumentException"),
        ("GetServiceQuota", {"ServiceCode": "bedrock", "QuotaCode": "L-1"}, "NoSuchResourceException"),
    ],
)
def test_what_is_refused(operation: str, body: dict[str, Any], name: str) -> None:
    assert refused(operation, **body) == name


def test_a_body_that_is_no_json() -> None:
    with pytest.raises(QuotaError) as caught:
        operate(Quotas(), TARGET + "ListServiceQuotas", b"[")
    assert caught.value.name == "SerializationException"
