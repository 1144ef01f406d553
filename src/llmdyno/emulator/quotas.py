"""Service Quotas, as far as imported models need it. PURE.

In: an operation of Service Quotas (JSON 1.1) with its body. Out: its answer, or a refusal under the service's names.
Shapes and errors are those of the service's model, and three quotas of Bedrock are known. The quota of model copies is
not in the documents that are public: its code and its name are made up here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmdyno.emulator.bedrock import ACCOUNT, REGION
from llmdyno.emulator.body import read_object, shown, whole_number
from llmdyno.emulator.dialect import Refused

JSON_1_1 = "application/x-amz-json-1.1"
TARGET = "ServiceQuotasV20190624."
"""How the header X-Amz-Target of each operation begins."""
_CODE = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,128}")
_PAGE = 100
_GET = ("GetServiceQuota", "GetAWSDefaultServiceQuota")
_LIST = ("ListServiceQuotas", "ListAWSDefaultServiceQuotas")


@dataclass(frozen=True, slots=True)
class Quotas:
    """The account's quotas; the defaults are the service's."""

    models: int = 3
    jobs: int = 1
    copies: int = 3


class _Known(NamedTuple):
    code: str
    name: str
    field: str
    adjustable: bool
    description: str


_KNOWN = (
    _Known("L-45B04988", "Imported models per account", "models", True, "The most imported models of an account."),
    _Known("L-5F098EFA", "Concurrent model import jobs", "jobs", False, "The most import jobs in progress at once."),
    _Known("L-E0000001", "Imported model copies per account", "copies", True, "The most copies of imported models."),
)


class QuotaError(Refused):
    """A request that Service Quotas refuses: exception name, message. The header and the body name the exception."""

    def __init__(self, name: str, message: str) -> None:
        body = json.dumps({"__type": name, "Message": message}).encode()
        super().__init__(400, message, body, [f"x-amzn-ErrorType: {name}"])
        self.name = name


def operate(quotas: Quotas, target: str, body: bytes) -> dict[str, Any]:
    """One operation; `target` is the header X-Amz-Target.

    Raises:
        QuotaError: the service refuses it.
    """
    operation = target.removeprefix(TARGET)
    if operation not in (*_GET, *_LIST):
        raise QuotaError("UnknownOperationException", f"There is no operation {shown(operation)}.")
    try:
        asked = read_object(body)
    except ValueError as error:
        raise QuotaError("SerializationException", str(error)) from None
    needed = ("ServiceCode", "QuotaCode") if operation in _GET else ("ServiceCode",)
    for name in needed:
        if not isinstance(asked.get(name), str) or not _CODE.fullmatch(asked[name]):
            raise QuotaError("IllegalArgumentException", f"{name}: {shown(asked.get(name))} is not a code.")
    if asked["ServiceCode"] != "bedrock":
        message = f"The request failed because the service {shown(asked['ServiceCode'])} is not known."
        raise QuotaError("NoSuchResourceException", message)
    default = operation.startswith(("GetAWSDefault", "ListAWSDefault"))
    values = Quotas() if default else quotas
    if operation in _LIST:
        return _page([_entry(known, values, default=default) for known in _KNOWN], asked)
    found = next((known for known in _KNOWN if known.code == asked["QuotaCode"]), None)
    if found is None:
        message = f"The request failed because the quota {shown(asked['QuotaCode'])} is not known."
        raise QuotaError("NoSuchResourceException", message)
    return {"Quota": _entry(found, values, default=default)}


def _entry(known: _Known, quotas: Quotas, *, default: bool) -> dict[str, Any]:
    account = "" if default else ACCOUNT
    entry = {
        "ServiceCode": "bedrock",
        "ServiceName": "Amazon Bedrock",
        "QuotaArn": f"arn:aws:servicequotas:{REGION}:{account}:bedrock/{known.code}",
        "QuotaCode": known.code,
        "QuotaName": known.name,
        "Value": float(getattr(quotas, known.field)),
        "Unit": "None",
        "Adjustable": known.adjustable,
        "GlobalQuota": False,
        "Description": known.description,
    }
    return entry if default else {**entry, "QuotaAppliedAtLevel": "ACCOUNT"}


def _page(entries: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    size, token = asked.get("MaxResults"), asked.get("NextToken")
    size = _PAGE if size is None else size
    if not whole_number(size) or size > _PAGE:
        raise QuotaError("IllegalArgumentException", f"MaxResults must be from 1 to {_PAGE}.")
    try:
        start = 0 if token is None else int(base64.b64decode(str(token), validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        start = -1
    if not 0 <= start <= len(entries):
        raise QuotaError("InvalidPaginationTokenException", "The pagination token is not valid.")
    answer: dict[str, Any] = {"Quotas": entries[start : start + size]}
    if start + size < len(entries):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return answer
