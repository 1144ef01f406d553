"""LLMPerf's method: one process per user, each in LiteLLM's blocking call, stamped at LiteLLM's iterator.

    python benchmarks/llmperf_way.py ENDPOINT_URL MODEL USERS REQUESTS TOKENS

This is a short client of our own that measures as LLMPerf does, with processes instead of Ray actors. It shows the
error of such figures. It prints a JSON list of [TTFT, end-to-end latency] in seconds, and needs LiteLLM.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time


def user(endpoint_url: str, model: str, requests: int, tokens: int) -> list[tuple[float, float]]:
    """Send one user's requests, one after the other."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    found = []
    for _ in range(requests):
        messages = [{"role": "system", "content": ""}, {"role": "user", "content": "a " * 500}]
        start_s, ttft_s = time.monotonic(), None
        stream = litellm.completion(
            model=model, messages=messages, max_tokens=tokens, stream=True, aws_bedrock_runtime_endpoint=endpoint_url
        )
        for chunk in stream:
            if chunk.choices[0].delta.content and ttft_s is None:
                ttft_s = time.monotonic() - start_s
        found.append((ttft_s or 0.0, time.monotonic() - start_s))
    return found


def main(endpoint_url: str, model: str, users: int, requests: int, tokens: int) -> None:
    """Run all users and print what they measured."""
    jobs = [(endpoint_url, model, requests // users, tokens)] * users
    with multiprocessing.get_context("spawn").Pool(users) as pool:
        print(json.dumps([pair for pairs in pool.starmap(user, jobs) for pair in pairs]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
