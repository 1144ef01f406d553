"""Converse's conversations and their rules, as the service checks them. PURE.

In: a request's body. Out: the text of its messages, its sampling; or a refusal in the service's words.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from llmdyno.emulator.bedrock import invalid, malformed
from llmdyno.emulator.body import out_of_range, shown, whole_number, wrong_field
from llmdyno.emulator.converse_shape import missing, violated

_RANGES: dict[str, tuple[float, float]] = {"temperature": (0, 1), "topP": (0, 1)}
_ROLES = ("user", "assistant")
_BLOCKS = (
    *("text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint"),
    *("reasoningContent", "citationsContent", "searchResult", "toolAddition", "toolRemoval"),
)


def sampling(value: dict[str, Any]) -> dict[str, Any]:
    """The fields of inferenceConfig, and no others.

    Raises:
        ServiceError: one does not fit.
    """
    config = {} if value.get("inferenceConfig") is None else value["inferenceConfig"]
    if not isinstance(config, dict):
        raise malformed("inferenceConfig is not an object")
    wrong = wrong_field({**config, "top_p": config.get("topP")}, ("stopSequences",))
    if wrong is not None:
        raise malformed(f"inferenceConfig.{wrong}")
    beyond = out_of_range(config, _RANGES)
    if beyond is not None:
        name, bound = beyond
        where = f"'{shown(config[name])}' at 'inferenceConfig.{name}'"
        raise violated(where, f"Member must have value {bound}")
    most = config.get("maxTokens")
    if most is not None and not whole_number(most):
        where = f"'{shown(most)}' at 'inferenceConfig.maxTokens'"
        raise violated(where, "Member must have value greater than or equal to 1")
    given = config.get("stopSequences")
    if given is not None and (isinstance(given, str) or "" in given):
        where = f"'{shown(given)}' at 'inferenceConfig.stopSequences'"
        raise violated(where, "Member must satisfy constraint: [Member must have length greater than or equal to 1]")
    return config


def message_text(value: dict[str, Any]) -> str:
    """The text of the system prompt and of all messages.

    Raises:
        ServiceError: they are no conversation that begins and ends with the user, turn by turn.
    """
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        raise malformed("messages must not be empty")
    texts = [_system_text(value.get("system"))]
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role is None:
            raise missing(f"messages.{index + 1}.member.role")
        if role not in _ROLES:
            where = f"'{shown(role)}' at 'messages.{index + 1}.member.role'"
            raise violated(where, f"Member must satisfy enum value set: [{', '.join(_ROLES)}]")
        texts.append(_content_text(message.get("content"), f"messages.{index}"))
    roles = [message["role"] for message in messages]
    if roles[0] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    if any(role == before for before, role in itertools.pairwise(roles)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )
    if roles[-1] != "user":
        raise invalid(
            "A conversation must end with a user message. Try again with a conversation that ends with a user message."
        )
    _check_tools(messages, configured=value.get("toolConfig") is not None)
    return "\n".join(filter(None, texts))


def _system_text(system: Any) -> str:
    if system is None:
        return ""
    if not isinstance(system, list) or not all(isinstance(block, dict) for block in system):
        raise malformed("system is not a list of objects")
    texts = [block.get("text", " ") for block in system]
    if not all(isinstance(text, str) for text in texts):
        raise malformed("a text of system is not a string")
    if "" in texts:
        where = f"at 'system.{texts.index('') + 1}.member.text'"
        raise violated(where, "Member must have length greater than or equal to 1")
    return "\n".join(text for text in texts if text.strip())


def _content_text(content: Any, where: str) -> str:
    if not isinstance(content, list):
        raise violated(f"at '{where}.content'", "Member must not be null")
    if not content:
        raise invalid(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    return "".join(_block_text(block, f"{where}.content.{index}") for index, block in enumerate(content))


def _block_text(block: Any, where: str) -> str:
    kinds = [kind for kind in _BLOCKS if isinstance(block, dict) and block.get(kind) is not None]
    if len(kinds) != 1:
        raise invalid(f"The ContentBlock object at {where} must set one of the following keys: {', '.join(_BLOCKS)}.")
    [kind] = kinds
    inner = block[kind]
    if kind == "text":
        if not isinstance(inner, str):
            raise malformed(f"{where}.text is not a string")
        if not inner.strip():
            raise invalid(f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, "
                          "and try again.")  # fmt: skip
        return inner
    if not isinstance(inner, dict):
        raise malformed(f"{where}.{kind} is not an object")
    if kind == "toolUse":
        return json.dumps(inner.get("input"))
    if kind == "toolResult":
        results = inner.get("content")
        parts = results if isinstance(results, list) else []
        return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
    return ""  # an image or a document: nothing here looks at it


def _check_tools(messages: list[dict[str, Any]], *, configured: bool) -> None:
    """Each call of a tool has its result in the turn behind it, and no result has no call."""
    called: list[Any] = []
    for index, message in enumerate(messages):
        uses = [block["toolUse"].get("toolUseId") for block in message["content"] if block.get("toolUse")]
        results = [block["toolResult"].get("toolUseId") for block in message["content"] if block.get("toolResult")]
        if (uses or results) and not configured:
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        if len(results) > len(called):
            raise invalid(
                f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of "
                "previous turn."
            )
        missing = [str(one) for one in called if one not in results]
        if missing:
            ids = shown(", ".join(missing))
            raise invalid(f"Expected toolResult blocks at messages.{index}.content for the following Ids: {ids}")
        called = uses
