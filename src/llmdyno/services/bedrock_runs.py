"""What a run says about a model on Bedrock: its identifier, its region, its service tier. PURE.

In: a run, or a spec. Out: texts. A model string of LiteLLM is read as well: ``bedrock/…`` and every string with an ARN
of Bedrock's. A name such as ``gpt-4.1`` looks like an identifier of Bedrock's, so a bare name counts only where the
run's endpoint is Bedrock.
"""

from __future__ import annotations

import json
import re
from typing import Any

from llmdyno.aws.identity import region_of
from llmdyno.runs.run import Run
from llmdyno.spec.spec import Spec

_ARN = re.compile(r"(?:.*/)?(?P<arn>arn:aws[a-z-]*:bedrock:.+)")
_HOST = re.compile(r"bedrock-(?:runtime|mantle)(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_LITELLM = "bedrock/"
_TOLD_REGION = "region: "
"""How a run's note on the region begins."""
_TIER_HEADER = "x-amzn-bedrock-service-tier"


def identifier_in(model: str | None) -> str | None:
    """The identifier in a model's name that tells itself that it is Bedrock's: an ARN, or LiteLLM's ``bedrock/…``."""
    name = model or ""
    found = _ARN.fullmatch(name)
    if found is not None:
        return found["arn"]
    return name.rpartition("/")[2] if name.startswith(_LITELLM) else None


def identifier_of(run: Run, service: str) -> str | None:
    """The identifier of a run's model on Bedrock; None: the run does not say that it is on Bedrock.

    Args:
        run: the run.
        service: the name of a service of Bedrock's. A run that has it in its environment is on Bedrock.
    """
    endpoint = run.environment.endpoint
    ours = endpoint.service == service or _HOST.search(endpoint.address or "") is not None
    return identifier_in(run.spec.model) or (run.spec.model if ours else None)


def region_in(run: Run, identifier: str | None) -> str | None:
    """The region that a run's requests went to; None: it does not say."""
    host = _HOST.search(run.environment.endpoint.address or "")
    told = (note.removeprefix(_TOLD_REGION) for note in run.environment.endpoint.notes if note.startswith(_TOLD_REGION))
    return region_asked(run.spec, identifier) or (host["region"] if host else None) or next(told, None)


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
        getattr(spec, "service_tier", None),
        nested.get("type") if isinstance(nested, dict) else None,
        body.get("service_tier"),
        spec.litellm_param.get("service_tier"),
        *(value for name, value in spec.headers.items() if name.lower() == _TIER_HEADER),
    ]
    return next((one for one in named if isinstance(one, str) and one), None)


def writes_cache(spec: Spec) -> bool:
    """Whether a spec's own fields of a request speak of a cache, such as Converse's ``cachePoint``."""
    return "cache" in json.dumps([dict(spec.extra_body), dict(spec.litellm_param)], default=str).lower()
