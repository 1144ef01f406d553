"""aiobotocore against the emulator: the operations, their streams, an error, retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiobotocore.session import get_session
from trying import COLD, COUNT, MODEL, REGION, ROOT, SAY, THROTTLED, TOKENS, report, spaced_async


def client(root: str) -> Any:
    return get_session().create_client("bedrock-runtime", endpoint_url=root, region_name=REGION)


async def invoke(runtime: Any, **body: Any) -> dict[str, Any]:
    answer = await runtime.invoke_model(modelId=MODEL, body=json.dumps(body))
    return dict(json.loads(await answer["body"].read()))


async def whole(runtime: Any) -> None:
    assert (await invoke(runtime, prompt="x", max_gen_len=3))["generation"].strip()


async def stream(runtime: Any) -> None:
    body = json.dumps({"prompt": "x", "max_gen_len": TOKENS, "ignore_eos": True})
    answer = await runtime.invoke_model_with_response_stream(modelId=MODEL, body=body)
    await spaced_async(answer["body"])


async def converse(runtime: Any) -> None:
    answer = await runtime.converse(modelId=MODEL, messages=SAY, inferenceConfig={"maxTokens": 3})
    assert answer["output"]["message"]["content"][0]["text"].strip()


async def converse_stream(runtime: Any) -> None:
    answer = await runtime.converse_stream(modelId=MODEL, messages=SAY, inferenceConfig={"maxTokens": TOKENS})
    assert "metadata" in (await spaced_async(answer["stream"], 5))[-1]


async def stop(runtime: Any) -> None:
    assert (await invoke(runtime, prompt=COUNT, max_gen_len=50, stop=["4"]))["generation"] == "1 2 3 "


async def refused(runtime: Any, name: str, messages: list[Any]) -> None:
    found = None
    try:
        await runtime.converse(modelId=MODEL, messages=messages)
    except runtime.exceptions.ClientError as error:
        found = error.response["Error"]["Code"]
    assert found == name, found


async def tried(operation: str, root: str, call: Callable[[Any], Awaitable[None]]) -> None:
    try:
        async with client(root) as runtime:
            await call(runtime)
    except Exception as error:
        report(operation, f"{type(error).__name__}: {error}"[:500])
    else:
        report(operation, None)


async def main() -> None:
    await tried("InvokeModel", ROOT, whole)
    await tried("InvokeModel stream", ROOT, stream)
    await tried("Converse", ROOT, converse)
    await tried("Converse stream", ROOT, converse_stream)
    await tried("stop", ROOT, stop)
    await tried("error", ROOT, lambda runtime: refused(runtime, "ValidationException", [*SAY, *SAY]))
    await tried("retry: not ready", COLD, whole)
    await tried("retry: throttled", THROTTLED, lambda runtime: refused(runtime, "ThrottlingException", SAY))


asyncio.run(main())
