"""What the service's model says of a Converse request, beside its conversation and its sampling. PURE.

In: a body. Out: a refusal in the service's words. Lengths, patterns and sets of values are those of botocore's
`bedrock-runtime` (2023-09-30). Clients do not check them, so the service has to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmdyno.emulator.bedrock import ServiceError, invalid, malformed
from llmdyno.emulator.body import shown

_SETS = {
    ("performanceConfig", "latency"): ("standard", "optimized"),
    ("guardrailConfig", "trace"): ("enabled", "disabled", "enabled_full"),
    ("serviceTier", "type"): ("priority", "default", "flex", "reserved"),
}
_REQUIRED = {"serviceTier": ("type",)}
_LENGTHS = {
    "requestMetadata": (dict, 1, 16),
    "additionalModelResponseFieldPaths": (list, 0, 10),
    "inferenceConfig.stopSequences": (list, 0, 2500),
}
_BLOCKS: dict[str, tuple[str, ...]] = {
    "image": ("format", "source"),
    "toolUse": ("toolUseId", "name", "input"),
    "toolResult": ("toolUseId", "content"),
    "cachePoint": ("type",),
}
"""The members that a content block must have, by its kind."""
_IMAGES = ("png", "jpeg", "gif", "webp")
_TOOL = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_TOOL = 64


def violated(where: str, constraint: str) -> ServiceError:
    """The refusal of a value that the service's model does not allow."""
    return invalid(f"1 validation error detected: Value {where} failed to satisfy constraint: {constraint}")


def missing(where: str) -> ServiceError:
    """The refusal of a request without a member that it must have."""
    return violated(f"null at '{where}'", "Member must not be null")


def check_shape(value: dict[str, Any]) -> None:
    """Check the members of a Converse request.

    Raises:
        ServiceError: one does not fit.
    """
    for (outer, inner), fits in _SETS.items():
        part = value.get(outer)
        if part is None:
            continue
        if not isinstance(part, dict):
            raise malformed(f"{outer} is not an object")
        if inner in _REQUIRED.get(outer, ()) and part.get(inner) is None:
            raise missing(f"{outer}.{inner}")
        _check_set(part.get(inner), f"{outer}.{inner}", fits)
    for name, (kind, least, most) in _LENGTHS.items():
        _check_length(name, _member(value, name), kind, least, most)
    for where, block in _blocks(value.get("messages")):
        _check_block(block, where)
    config = value.get("toolConfig")
    for number, entry in enumerate((config.get("tools") if isinstance(config, dict) else None) or [], 1):
        spec = entry.get("toolSpec") if isinstance(entry, dict) else None
        if isinstance(spec, dict):
            _check_tool(spec, f"toolConfig.tools.{number}.member.toolSpec")


def _member(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _check_set(found: Any, where: str, fits: tuple[str, ...]) -> None:
    if found is not None and found not in fits:
        raise violated(f"'{shown(found)}' at '{where}'", f"Member must satisfy enum value set: [{', '.join(fits)}]")


def _check_length(name: str, found: Any, kind: type, least: int, most: int) -> None:
    if not isinstance(found, kind):
        return  # what is of another type is refused elsewhere, or ignored
    count = len(found)  # type: ignore[arg-type]
    if not least <= count <= most:
        bound = f"less than or equal to {most}" if count > most else f"greater than or equal to {least}"
        raise violated(f"at '{name}'", f"Member must have length {bound}")


def _blocks(messages: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The content blocks of all messages, each with its place in the service's words."""
    for number, message in enumerate(messages if isinstance(messages, list) else [], 1):
        content = message.get("content") if isinstance(message, dict) else None
        for place, block in enumerate(content if isinstance(content, list) else [], 1):
            if isinstance(block, dict):
                yield f"messages.{number}.member.content.{place}.member", block


def _check_block(block: dict[str, Any], where: str) -> None:
    for kind, required in _BLOCKS.items():
        inner = block.get(kind)
        if not isinstance(inner, dict):
            continue
        for name in required:
            if inner.get(name) is None:
                raise missing(f"{where}.{kind}.{name}")
    if isinstance(block.get("image"), dict):
        _check_set(block["image"]["format"], f"{where}.image.format", _IMAGES)


def _check_tool(spec: dict[str, Any], where: str) -> None:
    for name in ("name", "inputSchema"):
        if spec.get(name) is None:
            raise missing(f"{where}.{name}")
    name = spec["name"]
    if not isinstance(name, str) or not _TOOL.fullmatch(name):
        raise violated(
            f"'{shown(name)}' at '{where}.name'", f"Member must satisfy regular expression pattern: {_TOOL.pattern}"
        )
    if len(name) > _LONGEST_TOOL:
        raise violated(
            f"'{shown(name)}' at '{where}.name'", f"Member must have length less than or equal to {_LONGEST_TOOL}"
        )
    if spec.get("description") == "":
        raise violated(f"at '{where}.description'", "Member must have length greater than or equal to 1")
