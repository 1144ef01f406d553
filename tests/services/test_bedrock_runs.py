"""What a run says about a model on Bedrock, and what only looks as if it did."""

from __future__ import annotations

from typing import Any

import pytest
from tests.reports.made import run_of
from tests.services.tokens import SONNET, answered

from llmdyno.runs.environment import EndpointFacts, ModelFacts
from llmdyno.services.bedrock_runs import facts_of, identifier_in, region_asked, tier_of, tiers_told, writes_cache
from llmdyno.services.service import service_of, service_of_model
from llmdyno.spec.spec import Spec

US_EAST = "arn:aws:bedrock:us-east-1"
PROFILE_ARN = f"{US_EAST}:123456789012:inference-profile/us.{SONNET}"
UNITS_ARN = f"{US_EAST}:123456789012:provisioned-model/abcdefghijkl"
IMPORTED_ARN = f"{US_EAST}:123456789012:imported-model/a1b2c3d4e5f6"


@pytest.mark.parametrize(
    ("model", "identifier", "service"),
    [
        (f"bedrock/{SONNET}", SONNET, "bedrock_tokens"),
        (f"bedrock/converse/us.{SONNET}", f"us.{SONNET}", "bedrock_tokens"),
        (f"bedrock/us-west-2/{SONNET}", SONNET, "bedrock_tokens"),
        (f"bedrock/converse/{PROFILE_ARN}", PROFILE_ARN, "bedrock_tokens"),
        (PROFILE_ARN, PROFILE_ARN, "bedrock_tokens"),
        (f"{US_EAST}::foundation-model/{SONNET}", f"{US_EAST}::foundation-model/{SONNET}", "bedrock_tokens"),
        (UNITS_ARN, UNITS_ARN, "bedrock_hours"),
        (f"bedrock/llama/{IMPORTED_ARN}", IMPORTED_ARN, "bedrock_import"),
        (SONNET, None, None),  # another server may have a model of this name
        ("gpt-4.1", None, None),
        ("openai/gpt-4o-mini", None, None),
        ("m", None, None),
        (None, None, None),
    ],
)
def test_a_models_name_tells_its_service_or_not(model: str | None, identifier: str | None, service: str | None) -> None:
    assert identifier_in(model) == identifier
    found = service_of_model(model)
    assert (None if found is None else found.name) == service
    run = run_of(answered(0), api="litellm", base_url=None, model=model)
    billed = service_of(run)
    assert (None if billed is None else billed.name) == service


def test_the_facts_that_a_run_keeps_go_first() -> None:
    kept = ModelFacts(SONNET, "us-east-1", kind="foundation-model", base_model=SONNET)
    run = run_of(answered(0), endpoint=EndpointFacts(imported_model=kept), model=SONNET)
    assert facts_of(run, {"foundation-model"}) is kept
    assert facts_of(run, {"provisioned-model"}) is None
    found = service_of(run)
    assert found is not None
    assert found.name == "bedrock_tokens"
    units = ModelFacts(UNITS_ARN, "us-east-1", kind="provisioned-model")
    hours = service_of(run_of(answered(0), endpoint=EndpointFacts(imported_model=units), model=UNITS_ARN))
    assert hours is not None
    assert hours.name == "bedrock_hours"


def test_bedrocks_own_host_tells_that_a_bare_name_is_bedrocks() -> None:
    endpoint = EndpointFacts(address="bedrock-runtime.us-west-2.amazonaws.com:443")
    found = facts_of(run_of(answered(0), endpoint=endpoint, model="openai.gpt-oss-20b-1:0"), {"foundation-model"})
    assert found is not None
    assert (found.arn, found.region) == ("openai.gpt-oss-20b-1:0", "us-west-2")
    other = EndpointFacts(address="127.0.0.1:8000")
    assert facts_of(run_of(answered(0), endpoint=other, model="openai.gpt-oss-20b-1:0"), {"foundation-model"}) is None


def spec(**keys: Any) -> Spec:
    return Spec(**{"api": "litellm", "model": f"bedrock/{SONNET}", **keys})


def test_the_region_that_a_spec_names() -> None:
    assert region_asked(spec(), SONNET) is None
    assert region_asked(spec(region="eu-west-1"), SONNET) == "eu-west-1"
    assert region_asked(spec(litellm_param={"aws_region_name": "us-east-2"}), SONNET) == "us-east-2"
    assert region_asked(spec(model=f"bedrock/us-west-2/{SONNET}"), SONNET) == "us-west-2"
    assert region_asked(spec(region="eu-west-1"), PROFILE_ARN) == "us-east-1"


@pytest.mark.parametrize(
    ("keys", "tier"),
    [
        ({}, None),
        ({"extra_body": {"serviceTier": {"type": "flex"}}}, "flex"),
        ({"extra_body": {"service_tier": "priority"}}, "priority"),
        ({"litellm_param": {"service_tier": "flex"}}, "flex"),
        ({"headers": {"X-Amzn-Bedrock-Service-Tier": "reserved"}}, "reserved"),
        ({"extra_body": {"serviceTier": "flex"}}, None),
        ({"extra_body": {"service_tier": 1}}, None),
    ],
)
def test_the_tier_that_a_spec_asks_for(keys: dict[str, Any], tier: str | None) -> None:
    assert tier_of(spec(**keys)) == tier


def test_the_tiers_that_the_answers_tell() -> None:
    run = run_of(answered(0), answered(1))
    assert tiers_told(run.timeline) == frozenset()
    run.timeline.requests["service_tier"] = run.timeline.requests["response_id"].copy()
    run.timeline.requests["service_tier"][1] = "flex"
    assert tiers_told(run.timeline) == {"flex"}


def test_a_cache_that_the_requests_write_to() -> None:
    assert not writes_cache(spec())
    assert writes_cache(spec(extra_body={"system": [{"cachePoint": {"type": "default"}}]}))
    assert writes_cache(spec(litellm_param={"cache_control_injection_points": [{"location": "message"}]}))
