"""``--api emulator``: the embedded emulator. It runs in its own process, which ends with the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack

import msgspec

from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Dialect
from llmdyno.protocols.openai import DIALECTS
from llmdyno.runs.environment import Emulation, ModelFacts
from llmdyno.runs.server import Server
from llmdyno.spec.keys import flag_name
from llmdyno.spec.spec import EMULATED_REQUESTS, EMULATED_SPEED, Spec
from llmdyno.targets import bedrock
from llmdyno.targets._served import open_served, served
from llmdyno.targets.target import Target, refuse_litellm, settle_route
from llmdyno.timeline.emulated import Emulated
from llmdyno.transports.clock import Clock

ROUTES = (*bedrock.ROUTES, *DIALECTS)
_OTHERS = ("base_url", "unix_socket", "model", "api_key", "region", "profile", "endpoint_url", "service_tier")


def resolve(spec: Spec, environ: Mapping[str, str]) -> Spec:
    """Settle the deployment, its speed, the route and the number of requests.

    Raises:
        InputError: a key of the spec belongs to another API, or the deployment is not known.
    """
    for key in _OTHERS:
        if getattr(spec, key) is not None:
            what = "is for a server of your own, and this run measures the embedded emulator"
            raise InputError(flag_name(key), what, "give --base-url URL or --api bedrock, or leave it out")
    refuse_litellm(spec)
    bedrock.refuse_family_format(spec)
    deployment = spec.deployment or DEFAULT_PROFILE
    if deployment not in PROFILES:
        raise InputError("--deployment", f"{deployment!r} is not known", "deployments: " + ", ".join(PROFILES))
    return dataclasses.replace(
        spec,
        deployment=deployment,
        speed=spec.speed or EMULATED_SPEED,
        requests=spec.requests if spec.load.ends else EMULATED_REQUESTS,
        route=settle_route(spec, ROUTES),
    )


def service(spec: Spec) -> str | None:
    """Custom Model Import on Bedrock's routes; None on the others."""
    return bedrock.SERVICE if spec.route in bedrock.ROUTES else None


def url(spec: Spec, environ: Mapping[str, str]) -> str | None:
    """None: the emulator starts with the run."""
    return None


def emulates(spec: Spec) -> Emulated:
    """What it emulates. The spec already says it."""
    return Emulated(str(spec.deployment), spec.speed or EMULATED_SPEED)


async def preflight(spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
    """Start the emulator.

    Raises:
        InputError: the emulator does not start.
    """
    assert spec.deployment is not None
    assert spec.speed is not None
    emulator = stack.enter_context(EmbeddedEmulator(spec.deployment, speed=spec.speed, seed=spec.seed or 0))
    said = emulator.ready()
    emulated = Emulation(profile=spec.deployment, speed=spec.speed, embedded=True)
    dialect = _dialect(spec)
    if spec.route not in bedrock.ROUTES:
        server = served(said["url"], spec.deployment, dialect)
        return spec, msgspec.structs.replace(server, emulated=emulated)
    model = ModelFacts(said["model"], said["region"], said["units"], said["units_version"])
    chosen = bedrock.settle_format(spec)
    return spec, msgspec.structs.replace(
        served(said["root"], str(model.arn), dialect),
        format=chosen,
        emulated=emulated,
        imported_model=model,
        service=bedrock.SERVICE,
        notes=(f"body format: {chosen}",),
    )


async def open_target(spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
    """Open the transport. The emulator accepts unsigned requests."""
    return await open_served(spec, server, _dialect(spec), clock, stack)


def _dialect(spec: Spec) -> Dialect:
    if spec.route in bedrock.ROUTES:
        return bedrock.dialect_of(bedrock.settle_format(spec))
    return DIALECTS[str(spec.route)]
