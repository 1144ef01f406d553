"""The contract of a target: which endpoint a spec means.

In: a spec and environment variables. Out: the spec with every key settled, what one check of the endpoint found, and an
open transport. A target does not know loads, metrics or reports.

Each module in this folder is one value of ``--api``, and defines the functions of :class:`TargetModule`. To add an API,
add a module; there is no registry. :func:`target_module` finds it by name and imports it on first use. Code outside
this folder does not compare ``spec.api``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pkgutil
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

import llmdyno.targets
from llmdyno.errors import InputError
from llmdyno.host.files import read_text
from llmdyno.protocols.dialect import NO_REFUSALS, Refusals, text_of
from llmdyno.protocols.templates import TEMPLATES, from_tokenizer_config
from llmdyno.runs.environment import Emulation
from llmdyno.runs.server import Server
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import environ_secrets, spec_secrets
from llmdyno.spec.spec import Spec, resolve_common
from llmdyno.timeline.emulated import Emulated, read_label
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.clock import Clock
from llmdyno.transports.http1.transport import Template
from llmdyno.transports.label import ask
from llmdyno.transports.transport import Transport
from llmdyno.workload.session import user_message


class Target(NamedTuple):
    """An open endpoint: its transport, and how its service refuses requests."""

    transport: Transport
    refusals: Refusals = NO_REFUSALS


class TargetModule(Protocol):
    """The functions that a module in this folder defines. Each takes a spec that :func:`resolve` has returned.

    The order of the calls is: `resolve`, `preflight` once in the main process, `open_target` once in each worker.
    A module may define two more functions. ``emulates(spec)`` says what an emulator emulates, before anybody asks it.
    ``late_reader(spec, server)`` returns a function that decodes the answers of a run after its end.
    """

    def resolve(self, spec: Spec, environ: Mapping[str, str]) -> Spec:
        """Settle the keys of this API, and refuse the keys of other APIs. It asks no endpoint.

        Args:
            spec: the user's spec, with the keys settled that all APIs share.
            environ: environment variables, such as the API key's.

        Raises:
            InputError: a key is missing, or belongs to another API.
        """
        ...

    def service(self, spec: Spec) -> str | None:
        """The name of the managed service behind the endpoint; None: it has no managed service."""
        ...

    def url(self, spec: Spec, environ: Mapping[str, str]) -> str | None:
        """The URL that requests will go to, if it is known before the preflight; None: the API's default."""
        ...

    async def preflight(self, spec: Spec, stack: ExitStack) -> tuple[Spec, Server]:
        """Check the endpoint once, before the load.

        Args:
            spec: the resolved spec.
            stack: closes what this starts, at the end of the run.

        Returns:
            The spec, which names the model now, and what the check found. Both travel to the workers.

        Raises:
            InputError: the endpoint cannot be measured.
        """
        ...

    async def open_target(self, spec: Spec, server: Server, clock: Clock, stack: ExitStack) -> Target:
        """Open the transport. Each worker does this in its own process.

        Args:
            spec: the spec that `preflight` returned.
            server: what `preflight` found.
            clock: stamps arrivals.
            stack: closes what this opens.

        Raises:
            InputError: the target cannot be opened.
        """
        ...


def known_apis() -> list[str]:
    """The values of ``--api``: the modules in this folder, except this one and those that begin with an underscore."""
    names = (module.name for module in pkgutil.iter_modules(llmdyno.targets.__path__))
    return sorted(name for name in names if name != "target" and not name.startswith("_"))


def target_module(api: str | None) -> TargetModule:
    """The module of an API.

    Raises:
        InputError: there is no API of that name.
    """
    if api not in known_apis():
        raise InputError("--api", f"{api!r} is not known", "what fits: " + ", ".join(known_apis()))
    module: Any = import_module(f"llmdyno.targets.{api}")
    return cast(TargetModule, module)


def api_of(spec: Spec) -> str:
    """The API that a spec means. The default is openai if it has a base URL or a socket, else the embedded emulator."""
    return spec.api or ("openai" if spec.base_url or spec.unix_socket else "emulator")


def resolve(spec: Spec, environ: Mapping[str, str], new_seed: Callable[[], int] | None = None) -> Spec:
    """Settle every key of a spec that can be settled without asking the endpoint.

    Args:
        spec: what the user asked for.
        environ: environment variables. A target reads its defaults from them.
        new_seed: makes a seed if the spec has no seed (default: a random one).

    Raises:
        InputError: keys contradict each other, or a key is missing.
    """
    common = resolve_common(spec, new_seed or (lambda: secrets.randbelow(2**32)))
    common = dataclasses.replace(common, api=api_of(common))
    found = target_module(common.api).resolve(common, environ)
    if not found.load.ends:
        fits = "give one or both, so that the run ends"
        raise InputError("--requests", "neither --requests nor --duration is given", fits)
    return found


def settle_route(spec: Spec, routes: Sequence[str]) -> str:
    """The spec's route, or the first route of the API.

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


def refuse_unix_socket(spec: Spec) -> None:
    """Check that the spec names no Unix socket.

    Raises:
        InputError: it names one, and this API has none.
    """
    if spec.unix_socket is not None:
        what = f"is for --api openai and anthropic, and this is {spec.api}"
        raise InputError("--unix-socket", what, "leave it out, or use one of them with --base-url")


def refuse_litellm(spec: Spec) -> None:
    """Check that the spec has no key of LiteLLM's.

    Raises:
        InputError: it has one.
    """
    if spec.litellm_param:
        raise InputError("--litellm-param", f"is for --api litellm, and this is {spec.api}", "use --extra-body")
    if spec.litellm_mode != "auto":
        raise InputError("--litellm-mode", f"is for --api litellm, and this is {spec.api}", "leave it out")


def managed_service(spec: Spec) -> str | None:
    """The name of the managed service behind a resolved spec's endpoint; None: it has no managed service."""
    return target_module(spec.api).service(spec)


def scales_to_zero(spec: Spec) -> bool:
    """Whether the model behind a resolved spec's endpoint has no copies while nobody calls it."""
    from llmdyno.services.service import find

    name = managed_service(spec)
    return name is not None and find(name).scales_to_zero


def known_emulation(spec: Spec) -> Emulated | None:
    """What a spec's endpoint emulates, without asking it; None: it is not the embedded emulator."""
    emulates: Callable[[Spec], Emulated] | None = getattr(target_module(api_of(spec)), "emulates", None)
    return None if emulates is None else emulates(spec)


def emulation_of(spec: Spec, environ: Mapping[str, str]) -> Emulated | None:
    """What a resolved spec's endpoint emulates; None: it is not an emulator.

    It asks an endpoint of this machine's own network.
    """
    if spec.unix_socket is not None:
        return None  # the URL's host is not where requests go
    return known_emulation(spec) or ask(target_module(spec.api).url(spec, environ))


def secrets_of(spec: Spec, server: Server) -> tuple[str, ...]:
    """Values that nothing may show: the spec's, and what the target found."""
    return tuple(dict.fromkeys((*spec_secrets(spec), *server.secrets)))


@contextlib.contextmanager
def without_secrets(spec: Spec, environ: Mapping[str, str]) -> Iterator[None]:
    """Mask the secrets of a spec and of environment variables in the errors that the context raises.

    Raises:
        InputError: the code in the context raised one.
    """
    try:
        yield
    except InputError as error:
        raise Masker((*spec_secrets(spec), *environ_secrets(environ))).error(error) from None


def late_reader(spec: Spec, server: Server) -> Callable[[RequestRecord], None] | None:
    """The function that decodes kept answers after the run; None: all answers are decoded during the run."""
    make = getattr(target_module(spec.api), "late_reader", None)
    return None if make is None else cast("Callable[[RequestRecord], None] | None", make(spec, server))


def common_notes(spec: Spec, proxy: str | None) -> tuple[str, ...]:
    """Notes for every report on how requests reach the endpoint."""
    notes = ["the server's certificate is NOT VERIFIED (--insecure)"] if spec.insecure else []
    if proxy is not None:
        notes.append(f"through the proxy {proxy}")
    if spec.unix_socket is not None:
        notes.append(f"through the Unix socket {spec.unix_socket}")
    named = next((value for name, value in spec.headers.items() if name.lower() == "host"), None)
    if named is not None:
        notes.append(f"with the Host header {named}")
    return tuple(notes)


def emulation(label: str | None) -> Emulation | None:
    """An emulator's label in the form that a run's environment has; None: there is no label."""
    found = read_label(label)
    if found is None:
        return None
    return Emulation(profile=found.profile, speed=found.speed, since_unix_s=found.since_unix_s)


def template_of(name: str) -> Template:
    """The function that applies a chat template to a turn's messages. `none` does not change them.

    Raises:
        InputError: the template's file cannot be read or rendered.
    """
    if name == "none":
        return lambda messages: messages
    apply = TEMPLATES.get(name) or _template_file(name)
    return lambda messages: user_message(apply(text_of(messages)))


def _template_file(name: str) -> Callable[[str], str]:
    fits = f"what fits: one of {', '.join(TEMPLATES)}, or a tokenizer_config.json with a chat_template"
    try:
        return from_tokenizer_config(read_text(name, "--chat-template", fits))
    except ImportError:
        fits = "pip install 'llmdyno[templates]'"
        raise InputError("--chat-template", "a tokenizer_config.json needs jinja2, which is missing", fits) from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError("--chat-template", f"{name}: {error}", fits) from None
