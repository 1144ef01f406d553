"""``--api emulator``: what it settles and refuses; its child, and one request to it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.targets.helpers import FOREIGN, refusal, send, settled

from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.runs.environment import Emulation, ModelFacts
from llmdyno.targets import emulator
from llmdyno.timeline.emulated import Emulated

WHAT = "is for a server of your own, and this run measures the embedded emulator"
FITS = "give --base-url URL or --api bedrock, or leave it out"
OTHERS = ["base_url", "unix_socket", "model", "api_key", "region", "profile", "endpoint_url", "service_tier"]


@pytest.mark.parametrize("key", OTHERS)
def test_a_servers_key_is_refused_with_a_remedy(key: str) -> None:
    assert refusal(api="emulator", **{key: FOREIGN[key]}) == ("--" + key.replace("_", "-"), WHAT, FITS)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("litellm_param", ("--litellm-param", "is for --api litellm, and this is emulator", "use --extra-body")),
        ("litellm_mode", ("--litellm-mode", "is for --api litellm, and this is emulator", "leave it out")),
        ("deployment", ("--deployment", "'p' is not known", f"deployments: {DEFAULT_PROFILE}")),
    ],
)
def test_what_else_is_refused(key: str, found: tuple[str, str, str]) -> None:
    assert refusal(**{key: FOREIGN[key]}) == found


def test_a_route_that_it_has_not() -> None:
    where, problem, fits = refusal(route="messages")
    assert (where, problem) == ("--route", "'messages' is no route of --api emulator")
    assert fits == "what fits: invoke, converse, chat, completions"


def test_what_is_settled_without_arguments() -> None:
    spec = settled()
    assert (spec.deployment, spec.speed, spec.requests, spec.route) == (DEFAULT_PROFILE, 10.0, 30, "invoke")
    assert settled(duration_s=5).requests is None
    assert settled(requests=3, speed=2).speed == 2.0


def test_its_service_is_on_the_services_routes_only() -> None:
    assert [emulator.service(settled(route=route)) for route in emulator.ROUTES] == [
        "bedrock_import",
        "bedrock_import",
        None,
        None,
    ]


def test_what_it_emulates_is_known_and_nobody_is_asked() -> None:
    assert emulator.emulates(settled(speed=4)) == Emulated(DEFAULT_PROFILE, 4.0)
    assert emulator.url(settled(), {"AWS_ENDPOINT_URL": "http://h:1"}) is None


@pytest.mark.parametrize(
    ("route", "dialect", "service"),
    [("invoke", "bedrock invoke, bedrock-completion", "bedrock_import"), ("chat", "openai chat", None)],
)
def test_its_child_answers_and_ends_with_the_stack(route: str, dialect: str, service: str | None) -> None:
    spec = settled(route=route, speed=100, ignore_eos=True)
    with contextlib.ExitStack() as stack:
        same, server = asyncio.run(emulator.preflight(spec, stack))
        assert same == spec
        assert server.emulated == Emulation(DEFAULT_PROFILE, 100.0, True)
        assert (server.dialect, server.service) == (dialect, service)
        if service is not None:
            assert server.imported_model == ModelFacts(server.model, "us-east-1", 2, "v1.0")
        else:
            assert (server.model, server.imported_model) == (DEFAULT_PROFILE, None)
            record = send(spec, server)
            assert (record.state, record.server_output_tokens) == ("ok", 5)
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(asyncio.wait_for(_connect(server.address), 5))


async def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
