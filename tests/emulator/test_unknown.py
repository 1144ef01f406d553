"""Operations that nobody knows: each service's clients get what they can read."""

from __future__ import annotations

import json

import pytest

from llmdyno.emulator.control import Control
from llmdyno.emulator.http import Request
from llmdyno.emulator.regions import Regions, arn_region, region_of, scope_of
from llmdyno.emulator.unknown import no_answer, unknown

PAGE = (
    b"HTTP/1.1 500 INTERNAL SERVER ERROR\r\nServer: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html>"
)


def signed(service: str, region: str = "us-east-1") -> dict[str, str]:
    scope = f"AKID/20260101/{region}/{service}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


@pytest.mark.parametrize(
    ("headers", "body", "status", "media_type", "words"),
    [
        (signed("bedrock"), b"", 404, "application/json", '{"message": "There is no GET /a/<b> here."}'),
        ({"authorization": "Bearer x"}, b"", 404, "application/json", "There is no GET /a/<b> here."),
        ({}, b"", 501, "application/xml", "<Code>NotImplemented</Code><Message>There is no GET /a/&lt;b&gt; here."),
        (signed("s3"), b"", 501, "application/xml", "<Code>NotImplemented</Code>"),
        (
            {**signed("iam"), "content-type": "application/x-www-form-urlencoded; charset=utf-8"},
            b"Version=1&Action=No%26pe",
            400,
            "text/xml",
            "<Code>InvalidAction</Code><Message>Could not find operation No&amp;pe here</Message>",
        ),
        (
            {**signed("monitoring"), "x-amz-target": "Granite.Nope", "content-type": "application/x-amz-json-1.0"},
            b"{}",
            400,
            "application/x-amz-json-1.0",
            '{"__type": "UnknownOperationException", "message": "There is no Granite.Nope here."}',
        ),
    ],
)
def test_the_refusal_in_the_words_of_the_service(
    headers: dict[str, str], body: bytes, status: int, media_type: str, words: str
) -> None:
    found = unknown(Request("GET", "/a/<b>?x=1", headers, body))
    assert (found.status, found.media_type) == (status, media_type)
    assert words in found.body.decode()
    named = [line for line in found.headers if line.startswith("x-amzn-ErrorType: UnknownOperationException:")]
    assert bool(named) == (status == 404)


def test_which_answers_of_moto_are_none() -> None:
    request = Request("GET", "/", signed("bedrock"), b"")
    assert no_answer(request, PAGE)
    assert no_answer(request, PAGE.replace(b"500", b"404").replace(b"text/html", b"TEXT/HTML"))
    assert not no_answer(request, PAGE.replace(b"500", b"200"))
    assert not no_answer(request, PAGE.replace(b"text/html", b"application/json"))
    empty = b"HTTP/1.1 404 NOT FOUND\r\nContent-Length: 0\r\nServer: x\r\n\r\n"
    assert no_answer(request, empty)
    assert not no_answer(request._replace(method="HEAD"), empty)
    missing = Request("HEAD", "/weights/m", signed("s3"), b"")  # S3's answer for an object that is not there
    assert not no_answer(missing, PAGE.partition(b"<!")[0].replace(b"500", b"404"))
    assert not no_answer(request, PAGE.replace(b"<!doctype html>", b"<?xml ?><Error/>"))
    assert not no_answer(request._replace(headers={}), empty)  # S3's, which may be so
    hidden = b"HTTP/1.1 404 NOT FOUND\r\nContent-Type: application/xml\r\n\r\nContent-Type: text/html\r\n"
    assert not no_answer(request, hidden)


def test_the_region_of_a_request() -> None:
    arn = "arn:aws:bedrock:eu-central-1:123456789012:imported-model/abc"
    assert scope_of(signed("bedrock", "us-west-2")) == ("us-west-2", "bedrock")
    assert region_of(signed("bedrock", "us-west-2"), arn) == "us-west-2"
    assert region_of({}, arn) == region_of({"authorization": "Bearer x"}, arn) == "eu-central-1"
    assert region_of({}, "name") == "us-east-1"
    assert arn_region("arn:aws-us-gov:bedrock:us-gov-west-1::x") == "us-gov-west-1"
    assert arn_region("arn:aws:s3:::x") is None


def test_what_is_in_a_region() -> None:
    regions = Regions(Control(5.0, legacy=True))
    there = regions.at("eu-central-1")
    assert (there.import_s, there.legacy, there.region) == (5.0, True, "eu-central-1")
    request = {
        "jobName": "j",
        "importedModelName": "m",
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "modelDataSource": {"s3DataSource": {"s3Uri": "s3://weights/m/"}},
    }
    _, made = there.create_job(request, 0.0)
    assert made["jobArn"].startswith("arn:aws:bedrock:eu-central-1:123456789012:model-import-job/")
    assert json.dumps(regions.at("us-east-1").list_jobs({}, 0.0)) == '{"modelImportJobSummaries": []}'
    assert [job.arn for job in regions.jobs()] == [made["jobArn"]]
    for number in range(200):
        regions.at(f"xx-{number}")
    assert regions.at("eu-central-1") is there
    assert regions.at("xx-199") is not regions.at("xx-199")
