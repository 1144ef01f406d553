"""What the tests of targets share: a spec with its target's settled keys, a look at a server, refusals as values."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest

from llmdyno.errors import InputError
from llmdyno.runs.server import Server
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import resolve, target_module
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import built
from llmdyno.transports.clock import Clock
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.workload.session import Turn, user_message

ARN = "arn:aws:bedrock:eu-west-1:123456789012:imported-model/a1b2c3d4e5f6"
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-key",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_ENDPOINT_URL_BEDROCK": "http://127.0.0.1:9",  # nobody listens there: the control plane does not answer
}

FOREIGN: dict[str, Any] = {
    "deployment": "p",
    "speed": 3,
    "region": "eu-west-1",
    "profile": "p",
    "endpoint_url": "http://h:1",
    "service_tier": "flex",
    "litellm_param": ["a=1"],
    "litellm_mode": "sdk",
    "base_url": "http://h:1/v1",
    "unix_socket": "/s",
    "model": "m",
    "api_key": "k",
    "route": "chat",
    "extra_body": {"a": 1},
}
"""A value for each key that some API refuses."""


def settled(environ: Mapping[str, str] | None = None, **keys: Any) -> Spec:
    """A resolved spec; its seed is 42."""
    return resolve(Spec(**keys), environ or {}, lambda: 42)


def refusal(environ: Mapping[str, str] | None = None, **keys: Any) -> tuple[str, str, str]:
    """How resolving a spec is refused: where, the problem, what fits."""
    with pytest.raises(InputError) as caught:
        settled(environ, **keys)
    return caught.value.where, caught.value.problem, caught.value.fits


def look(spec: Spec) -> tuple[Spec, Server]:
    """A resolved spec's preflight."""

    async def main() -> tuple[Spec, Server]:
        with contextlib.ExitStack() as stack:
            return await target_module(spec.api).preflight(spec, stack)

    return asyncio.run(main())


def refused_look(spec: Spec) -> tuple[str, str, str]:
    """How a resolved spec's preflight is refused."""
    with pytest.raises(InputError) as caught:
        look(spec)
    return caught.value.where, caught.value.problem, caught.value.fits


def send(spec: Spec, server: Server, text: str = "Hello", max_tokens: int = 5) -> RequestRecord:
    """Open a target, send one turn over its transport, and give the record."""

    async def main() -> RequestRecord:
        with contextlib.ExitStack() as stack:
            clock = Clock()
            stack.callback(clock.close)
            target = await target_module(spec.api).open_target(spec, server, clock, stack)
            stack.callback(target.transport.close)
            turn = Turn(0, "measured", user_message(text), 1, max_tokens)
            exchange = Exchange(Prepared.of(turn, target.transport.prepare(turn)), 0)
            await target.transport.perform(exchange, 5.0)
            return built(target.transport.read(exchange, keep_text=True))

    return asyncio.run(main())
