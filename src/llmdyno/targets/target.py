"""The contract of a target: which endpoint a spec means.

A module in this folder is one value of ``--api``. It defines the functions of :class:`TargetModule`.
:func:`target_module` finds the module by name and imports it when it is used. Nothing registers, and nothing outside
this folder compares ``spec.api``.
"""

from __future__ import annotations

import dataclasses
import pkgutil
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import llmdyno.targets
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import NO_REFUSALS, Refusals, text_of
from llmdyno.protocols.templates import TEMPLATES, from_tokenizer_config
from llmdyno.runs.environment import Emulation
from llmdyno.runs.server import Server
from llmdyno.spec.readers import given_secrets
from llmdyno.spec.spec import Spec, resolve_common
from llmdyno.timeline.emulated import Emulated, read_label
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.transport import Template
from llmdyno.transports.label import ask
from llmdyno.transports.transport import Transport
from llmdyno.workload.session import user_message


class Target(NamedTuple):
    """An endpoint that is open: its transport, and how its service refuses."""

    transport: Transport
    refusals: Refusals = NO_REFUSALS


class TargetModule(Protocol):
    """What a module in this folder defines. All of it takes a spec that :func:`resolve` returned."""

    def resolve(self, spec: Spec, environ: Mapping[str, str]) -> Spec:
        """Settle the keys that are this API's own, and refuse those of others.

        Raises:
            InputError: a key that is needed is missing, or one is another API's.
        """
        ...

    def service(self, spec: Spec) -> str | None:
        """The managed service behind the endpoint, by name; None: there is none."""
        ...

    def url(self, spec: Spec, environ: Mapping[str, str]) -> str | None:
        """Where requests will go, as far as that is known without a look; None: the API's own place."""
        ...

    async def preflight(self, spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
        """Look at the endpoint once; the model has a name afterwards. What this starts ends with `stack`.

        Raises:
            InputError: it cannot be measured.
        """
        ...

    async def open_target(self, spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
        """Open the transport; each worker does so in its own process.

        Raises:
            InputError: it cannot be opened.
        """
        ...


def known_apis() -> list[str]:
    """The values of ``--api``: this folder's listing, without this contract and what begins with an underscore."""
    names = (module.name for module in pkgutil.iter_modules(llmdyno.targets.__path__))
    return sorted(name for name in names if name != "target" and not name.startswith("_"))


def target_module(api: str | None) -> TargetModule:
    """The module of an API.

    Raises:
        InputError: there is none of that name.
    """
    if api not in known_apis():
        raise InputError("--api", f"{api!r} is not known", "what fits: " + ", ".join(known_apis()))
    module: Any = import_module(f"llmdyno.targets.{api}")
    return cast(TargetModule, module)


def api_of(spec: Spec) -> str:
    """The API that a spec means: its own, else OpenAI's with a base URL, else the embedded emulator."""
    return spec.api or ("openai" if spec.base_url else "emulator")


def resolve(spec: Spec, environ: Mapping[str, str], new_seed: Callable[[], int] | None = None) -> Spec:
    """The spec with everything settled that is settled without asking the endpoint.

    Args:
        spec: what the user asked for.
        environ: environment variables; a target reads its own defaults from them.
        new_seed: makes a seed where none is given (default: a random one).

    Raises:
        InputError: keys contradict each other, or one that is needed is missing.
    """
    common = resolve_common(spec, new_seed or (lambda: secrets.randbelow(2**32)))
    common = dataclasses.replace(common, api=api_of(common))
    found = target_module(common.api).resolve(common, environ)
    if not found.load.ends:
        fits = "give one or both, so that the run ends"
        raise InputError("--requests", "neither --requests nor --duration is given", fits)
    return found


def settle_route(spec: Spec, routes: Sequence[str]) -> str:
    """The spec's route, or the first of an API's.

    Raises:
        InputError: the API has no such route.
    """
    if spec.route is None:
        return routes[0]
    if spec.route not in routes:
        raise InputError(
            "--route", f"{spec.route!r} is no route of --api {spec.api}", "what fits: " + ", ".join(routes)
        )
    return spec.route


def refuse_litellm(spec: Spec) -> None:
    """See that no key of LiteLLM's is given.

    Raises:
        InputError: one is.
    """
    if spec.litellm_param:
        raise InputError("--litellm-param", f"is for --api litellm, and this is {spec.api}", "use --extra-body")
    if spec.litellm_mode != "auto":
        raise InputError("--litellm-mode", f"is for --api litellm, and this is {spec.api}", "leave it out")


def managed_service(spec: Spec) -> str | None:
    """The managed service behind a resolved spec's endpoint, by name; None: there is none."""
    return target_module(spec.api).service(spec)


def known_emulation(spec: Spec) -> Emulated | None:
    """What a spec's endpoint emulates, as far as that is known without asking it: the embedded emulator only."""
    emulates: Callable[[Spec], Emulated] | None = getattr(target_module(api_of(spec)), "emulates", None)
    return None if emulates is None else emulates(spec)


def emulation_of(spec: Spec, environ: Mapping[str, str]) -> Emulated | None:
    """What a resolved spec's endpoint emulates: the embedded emulator, or one on this machine that already answers."""
    return known_emulation(spec) or ask(target_module(spec.api).url(spec, environ))


def secrets_of(spec: Spec, server: Server) -> tuple[str, ...]:
    """Values that no error may show: the key, secret headers and what the target found."""
    return (*given_secrets(spec.api_key, spec.headers), *server.secrets)


def late_reader(spec: Spec, server: Server) -> Callable[[RequestRecord], None] | None:
    """What reads answers after the run, where their bytes were kept; None: nothing has to."""
    make = getattr(target_module(spec.api), "late_reader", None)
    return None if make is None else cast("Callable[[RequestRecord], None] | None", make(spec, server))


def common_notes(spec: Spec, proxy: str | None) -> tuple[str, ...]:
    """What every report says of the way to the endpoint."""
    notes = ["the server's certificate is NOT VERIFIED (--insecure)"] if spec.insecure else []
    return (*notes, *([f"through the proxy {proxy}"] if proxy is not None else []))


def emulation(label: str | None) -> Emulation | None:
    """An emulator's label as a run's environment holds it; None where there is no label."""
    found = read_label(label)
    if found is None:
        return None
    return Emulation(profile=found.profile, speed=found.speed, since_unix_s=found.since_unix_s)


def template_of(name: str) -> Template:
    """The chat template of a spec, applied to a turn's messages; `none` leaves them alone.

    Raises:
        InputError: its file cannot be read or rendered.
    """
    if name == "none":
        return lambda messages: messages
    apply = TEMPLATES.get(name) or _template_file(name)
    return lambda messages: user_message(apply(text_of(messages)))


def _template_file(name: str) -> Callable[[str], str]:
    fits = f"what fits: one of {', '.join(TEMPLATES)}, or a tokenizer_config.json with a chat_template"
    try:
        return from_tokenizer_config(Path(name).read_text(encoding="utf-8"))
    except ImportError:
        fits = "pip install 'llmdyno[templates]'"
        raise InputError("--chat-template", "a tokenizer_config.json needs jinja2, which is missing", fits) from None
    except OSError as error:
        raise InputError("--chat-template", f"{name} cannot be read ({error.strerror})", fits) from None
    except ValueError as error:
        raise InputError("--chat-template", f"{name}: {error}", fits) from None
