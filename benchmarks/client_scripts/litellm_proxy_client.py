"""LiteLLM's proxy against the emulator: an OpenAI client asks the proxy, which asks Bedrock's runtime."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
from trying import COLD, COUNT, MODEL, REGION, ROOT, THROTTLED, TOKENS, raises, report, spaced, tried

ROUTES = {"invoke": "llama", "deepseek": "deepseek_r1", "converse": "converse"}
SAY = [{"role": "user", "content": "one two"}]
_PATIENCE_S = 90.0


def config() -> str:
    """One model a route and emulator. JSON is YAML as well."""
    places = {"": ROOT, "-cold": COLD, "-throttled": THROTTLED}
    entries = [
        {
            "model_name": name + suffix,
            "litellm_params": {
                "model": f"bedrock/{route}/{MODEL}",
                "aws_region_name": REGION,
                "aws_bedrock_runtime_endpoint": root,
                "num_retries": 0,
            },
        }
        for name, route in ROUTES.items()
        for suffix, root in places.items()
    ]
    settings = {"num_retries": 0, "disable_cooldowns": True}
    return json.dumps({"model_list": entries, "router_settings": settings})


@contextlib.contextmanager
def proxy() -> Iterator[openai.OpenAI]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_text(config(), encoding="utf-8")
        command = Path(sys.executable).with_name("litellm")
        line = [str(command), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
        null = subprocess.DEVNULL
        environ = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": "sk-local"}
        with subprocess.Popen(line, cwd=folder, env=environ, stdout=null, stderr=null) as process:
            try:
                root = f"http://127.0.0.1:{port}"
                wait(f"{root}/health/liveliness")
                with openai.OpenAI(base_url=root, api_key="sk-local", max_retries=0, timeout=60) as client:
                    yield client
            finally:
                process.terminate()


def wait(url: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.2)
    raise TimeoutError("the proxy does not answer")


def main(client: openai.OpenAI) -> None:
    def ask(model: str, prompt: str = "one two", **more: object) -> openai.types.chat.ChatCompletion:
        messages = [{"role": "user", "content": prompt}]
        return client.chat.completions.create(model=model, messages=messages, **{"max_tokens": TOKENS, **more})

    def whole(model: str) -> None:
        message = ask(model).choices[0].message
        assert (message.content or message.reasoning_content).strip()

    def stop() -> None:
        choice = ask("converse", COUNT, stop=["4"]).choices[0]
        assert (choice.message.content, choice.finish_reason) == ("1 2 3 ", "stop")

    def tools() -> None:
        parameters = {"type": "object", "properties": {"days": {"type": "integer"}}}
        tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
        answer = ask("converse", tools=[tool], tool_choice="required", max_tokens=100)
        [call] = answer.choices[0].message.tool_calls
        assert json.loads(call.function.arguments)["days"] == 1

    tried("InvokeModel", lambda: (whole("invoke"), whole("deepseek")))
    tried("InvokeModel stream", lambda: spaced(ask("invoke", stream=True), 5))
    tried("Converse", lambda: whole("converse"))
    tried("Converse stream", lambda: spaced(ask("converse", stream=True), 5))
    tried("tools", tools)
    tried("stop", stop)
    tried("error", lambda: raises(lambda: ask("converse", temperature=1.5), "inferenceConfig.temperature"))
    tried("not ready", lambda: raises(lambda: ask("converse-cold"), "not ready"))
    tried("throttled", lambda: raises(lambda: ask("invoke-throttled"), "RateLimitError", "Too many requests"))


try:
    with proxy() as found:
        main(found)
except Exception as problem:
    report("start", f"{type(problem).__name__}: {problem}")
