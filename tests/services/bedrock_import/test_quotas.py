"""Quotas from Service Quotas, and what they warn of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.runs import COLD_START, ONE_USER, make_run
from tests.support import ScriptedServer, response

from llmdyno.aws.clients import Aws
from llmdyno.services.bedrock_import.quotas import (
    Quotas,
    copies_warning,
    import_warnings,
    read_quotas,
)
from llmdyno.services.bedrock_import.service import SERVICE
from llmdyno.services.service import ASK, Inquiry, ScalingOverrides

MODELS = {"QuotaCode": "L-45B04988", "QuotaName": "Imported models per account", "Value": 3.0}
JOBS = {"QuotaCode": "L-5F098EFA", "QuotaName": "Concurrent model import jobs", "Value": 1.0}
COPIES = {"QuotaCode": "L-1234ABCD", "QuotaName": "Model copies for Custom Model Import per account", "Value": 6.0}
OTHER = {"QuotaCode": "L-40EC9882", "QuotaName": "Inference profiles per account", "Value": 1000.0}


def page(*quotas: dict[str, Any], more: str | None = None) -> bytes:
    return response(json.dumps({"Quotas": quotas, "NextToken": more}).encode(), media_type="application/x-amz-json-1.1")


@pytest.fixture
def read(control_plane: Callable[..., ScriptedServer]) -> Iterator[Callable[..., tuple[Quotas, int]]]:
    """Reads quotas from a server that answers with these pages; how many it was asked for."""

    def reading(*answers: bytes) -> tuple[Quotas, int]:
        server = control_plane(*answers)
        aws = Aws("us-east-1", None, server.url.removesuffix("/v1"))
        found = read_quotas(aws)
        aws.close()
        return found, len(server.requests)

    return reading


Read = Callable[..., tuple[Quotas, int]]


def test_all_quotas(read: Read) -> None:
    assert read(page(OTHER, MODELS, more="abc"), page(JOBS, COPIES, more="def"), page(OTHER)) == (Quotas(3, 1, 6), 2)


def test_a_quota_that_is_not_listed(read: Read) -> None:
    found, _ = read(page(MODELS, OTHER))
    assert found == Quotas(3, None, None, "Service Quotas lists none of import jobs and model copies")
    assert found.text(2) == (
        "quotas: 3 imported models (2 in use) (Service Quotas lists none of import jobs and model copies)"
    )


def test_values_that_are_no_numbers(read: Read) -> None:
    assert read(page({**MODELS, "Value": None}, {**JOBS, "Value": -1}, COPIES))[0].copies == 6


def test_a_refusal_is_a_note(read: Read) -> None:
    body = b'{"__type": "AccessDeniedException", "Message": "User: x is not authorized"}'
    refused = response(body, "400 Bad Request", "application/x-amz-json-1.1")
    found, asked = read(refused)
    note = "Service Quotas did not say: AccessDeniedException; allow servicequotas:ListServiceQuotas to see them"
    assert (found, asked) == (Quotas(note=note), 1)  # asked once
    assert found.text(0) == f"quotas: unknown ({note})"


def test_aws_is_not_asked_for_another_bedrock(keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    aws = Aws("us-east-1", None, None)
    assert read_quotas(aws) == Quotas(note="Service Quotas was not asked: Bedrock's endpoint is not AWS's own")
    aws.close()


def test_what_was_read_before_a_refusal_counts(read: Read) -> None:
    found, asked = read(page(MODELS, more="abc"), response(b"{}", "500 Internal Server Error"))
    assert (found.models, found.copies, found.note is not None) == (3, None, True)
    assert asked == 2  # nothing is asked again


@pytest.mark.parametrize(
    ("quotas", "models", "running", "begin"),
    [
        (Quotas(3, 1, 3), 2, 0, []),
        (Quotas(3, 1, 3), 3, 0, ["3 of 3 imported models are in use"]),
        (Quotas(3, 1, 3), 4, 1, ["4 of 3 imported models are in use", "1 of 1 import jobs are in progress"]),
        (Quotas(10, None, 3), 9, 7, []),
        (Quotas(), 9, 9, []),
    ],
)
def test_an_import_that_would_be_refused(quotas: Quotas, models: int, running: int, begin: list[str]) -> None:
    found = import_warnings(quotas, models, running)
    assert [text.partition(",")[0] for text in found] == begin


def test_copies_beyond_the_quota() -> None:
    assert copies_warning(Quotas(copies=3), 3) is copies_warning(Quotas(), 99) is None
    assert copies_warning(Quotas(copies=3), 4) == (
        "4 model copies are assumed, and the account's quota is 3: assume no more, or raise it in Service Quotas"
    )
    assert Quotas(3, 2, 1).text(0) == "quotas: 3 imported models (0 in use), 2 import jobs at once, 1 model copy"


def test_a_projection_that_assumes_more_than_the_quota(
    tmp_path: Path, control_plane: Callable[..., ScriptedServer]
) -> None:
    def notes(run: Any, max_copies: int | None, inquiry: Inquiry = ASK) -> list[str]:
        return SERVICE.projection_notes(run, ScalingOverrides(max_copies=max_copies), inquiry)

    def run_on(server: ScriptedServer, name: str, **more: Any) -> Any:
        url = server.url.removesuffix("/v1")
        return make_run(tmp_path / name, [*COLD_START, *ONE_USER], endpoint_url=url, **more)

    run = run_on(control_plane(page(MODELS, JOBS, {**COPIES, "Value": 2.0})), "a")
    begin = "model copies are assumed, and the account's quota is 2: assume no more, or raise it in Service Quotas"
    assert notes(run, 5) == [f"5 {begin}"]
    assert notes(run, None) == [f"3 {begin}"]
    assert notes(run, 2) == []
    assert notes(run, 5, Inquiry(ask=False)) == []
    unknown = run_on(control_plane(page(MODELS, JOBS)), "b")
    assert notes(unknown, None) == []
    assert notes(unknown, 5) == ["5 model copies are assumed: Service Quotas lists none of model copies"]
    assert notes(run_on(control_plane(b""), "c", speed=100.0, embedded=True), 5) == []
