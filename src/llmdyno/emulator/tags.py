"""Tags of import jobs and of imported models. PURE.

In: an operation's body; the control plane, whose jobs and models hold their tags. Out: its answer, or a refusal under
the service's names. The three operations are those of Bedrock's own API, not of the tagging API of all of AWS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.body import shown
from llmdyno.emulator.imports import TAG_KEY, refuse_all, refuse_many, tag_problems, unfit

if TYPE_CHECKING:
    from llmdyno.emulator.control import Control

LIST, TAG, UNTAG = "listTagsForResource", "tagResource", "untagResource"
PATHS = tuple(f"/{name}" for name in (LIST, TAG, UNTAG))
_LONGEST_ARN, _SHORTEST_ARN = 1011, 20
"""Characters, as the service's model has it."""


def is_foreign(arn: object) -> bool:
    """Whether an ARN is neither an import job's nor an imported model's."""
    kinds = (":model-import-job/", ":imported-model/")
    return isinstance(arn, str) and arn.startswith("arn:") and not any(kind in arn for kind in kinds)


def operate(control: Control, operation: str, body: dict[str, Any], now_s: float) -> dict[str, Any]:
    """ListTagsForResource, TagResource or UntagResource.

    Raises:
        ServiceError: the service refuses it.
    """
    control.advance(now_s)
    arn = body.get("resourceARN")
    if not isinstance(arn, str) or not _SHORTEST_ARN <= len(arn) <= _LONGEST_ARN or not arn.startswith("arn:"):
        given, must = ("null", "not be null") if arn is None else (f"'{shown(arn)}'", "be an ARN")
        refuse_all([f"Value {given} at 'resourceARN' failed to satisfy constraint: Member must {must}"])
    held = {**{job.arn: job.tags for job in control.jobs}, **{model.arn: model.tags for model in control.models}}
    tags = held.get(str(arn))
    if operation == TAG:
        refuse_all(list(tag_problems("tags", body.get("tags"))))
    elif operation == UNTAG:
        keys = body.get("tagKeys")
        if not isinstance(keys, list):
            refuse_all(["Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"])
        numbered = enumerate(body["tagKeys"], 1)
        refuse_all([one for number, key in numbered for one in unfit(f"tagKeys.{number}.member", key, TAG_KEY)])
    if tags is None:
        raise ServiceError(404, "ResourceNotFoundException", f"The resource {shown(arn)} was not found.")
    if operation == LIST:
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
    if operation == TAG:
        added = as_tags(body["tags"])
        refuse_many(len(tags | added))
        tags.update(added)
    else:
        for key in body["tagKeys"]:
            tags.pop(key, None)
    return {}


def as_tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Values by key, of a list of tags."""
    return {tag["key"]: tag["value"] for tag in tags or []}
