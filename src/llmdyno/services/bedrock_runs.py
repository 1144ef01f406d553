"""What a run says about a model on Bedrock: its identifier, its region, its service tier. PURE.

In: a run, or a spec. Out: facts and texts. A model string of LiteLLM is read as well: ``bedrock/…``, and every string
with an ARN of Bedrock's. A name such as ``gpt-4.1`` looks like an identifier of Bedrock's, so a bare name counts only
where the run's endpoint is Bedrock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from typing import Any

from msgspec import UNSET

from llmdyno.aws.identity import base_model_of, kind_of, region_of
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline

_ARN = re.compile(r"(?:.*/)?(?P<arn>arn:aws[a-z-]*:bedrock:.+)")
_HOST = re.compile(r"bedrock-(?:runtime|mantle)(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_LITELLM = "bedrock/"
_TIER_HEADER = "x-amzn-bedrock-service-tier"


def identifier_in(model: str | None) -> str | None:
    """The identifier in a model's name that tells itself that it is Bedrock's: an ARN, or LiteLLM's ``bedrock/…``."""
    name = model or ""
    found = _ARN.fullmatch(name)
    if found is not None:
        return found["arn"]
    return name.rpartition("/")[2] if name.startswith(_LITELLM) else None


def facts_of(run: Run, kinds: Container[str | None]) -> ModelFacts | None:
    """What a run knows of its model on Bedrock; None: it is of no such kind, or the run does not say where it is.

    Args:
        run: the run. Its environment may hold the facts; otherwise its model's name or its endpoint's tells.
        kinds: the kinds of model to look for, as in :mod:`llmdyno.aws.identity`.
    """
    kept = run.model_facts
    if kept is not None:
        return kept if kept.kind in kinds else None
    on_bedrock = _HOST.search(run.environment.endpoint.address or "") is not None
    identifier = identifier_in(run.spec.model) or (run.spec.model if on_bedrock else None)
    if identifier is None or (kind := kind_of(identifier)) not in kinds:
        return None
    base = base_model_of(identifier) or UNSET
    return ModelFacts(identifier, _region_in(run, identifier), kind=str(kind), base_model=base)


def _region_in(run: Run, identifier: str) -> str | None:
    """The region that a run's requests went to; None: it does not say."""
    host = _HOST.search(run.environment.endpoint.address or "")
    return region_asked(run.spec, identifier) or (host["region"] if host else None)


def region_asked(spec: Spec, identifier: str | None) -> str | None:
    """The region that a spec names: in the model's ARN, in its keys, or in LiteLLM's model string; None: in none."""
    of_arn = region_of(identifier or "")
    given = spec.region or spec.litellm_param.get("aws_region_name")
    parts = (part for part in (spec.model or "").split("/") if _REGION.fullmatch(part))
    return of_arn or (str(given) if given else None) or next(parts, None)


def tier_of(spec: Spec) -> str | None:
    """The service tier that a spec asks for; None: it asks for none."""
    body = spec.extra_body
    nested: Any = body.get("serviceTier")
    named = [
        spec.service_tier,
        nested.get("type") if isinstance(nested, dict) else None,
        body.get("service_tier"),
        spec.litellm_param.get("service_tier"),
        *(value for name, value in spec.headers.items() if name.lower() == _TIER_HEADER),
    ]
    return next((one for one in named if isinstance(one, str) and one), None)


def tiers_told(timeline: Timeline) -> frozenset[str]:
    """The service tiers that answers came from, as the server says; empty: it does not say."""
    told = timeline.requests.get("service_tier")
    return frozenset() if told is None else frozenset(str(tier) for tier in set(told.tolist()) if tier)


def writes_cache(spec: Spec) -> bool:
    """Whether a spec's own fields of a request speak of a cache, such as Converse's ``cachePoint``."""
    return "cache" in json.dumps([dict(spec.extra_body), dict(spec.litellm_param)], default=str).lower()
