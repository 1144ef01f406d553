"""The contract of a managed service: how it refuses, what it knows of a model, what it bills.

A service is a folder here. Its module ``service`` has a value ``SERVICE`` that fulfils :class:`Service`. The folder's
listing is the list of services: nothing registers. Callers hold a :class:`Service` and know no service by name. Its
:attr:`Service.billing` names the module of ``reports`` that shows its cost report (``cost_<billing>``, or ``cost``).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import llmdyno.services
from llmdyno.errors import InputError
from llmdyno.protocols.dialect import Refusals
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.spec.spec import Spec

if TYPE_CHECKING:  # a run without a service needs none of them
    from llmdyno.services.calls import Calls
    from llmdyno.services.clock import ServiceClock
    from llmdyno.services.copies import Copies
    from llmdyno.services.traffic import Traffic

Say = Callable[[str], None]
"""Hears one line of progress."""


def quiet(text: str) -> None:
    """A :data:`Say` that says nothing."""


class TokenPrices(NamedTuple):
    """Dollars a million tokens: input, output, input that comes from a cache (`cached`), input that is written to a
    cache (`written`). None: unknown."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    written: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ScalingOverrides:
    """What the user knows better of how copies scale, durations in seconds. None: as the run showed,
    or as the service documents."""

    calls_per_copy: int | None = None
    max_copies: int | None = None
    cold_start_s: float | None = None
    scale_up_s: float | None = None
    idle_s: float | None = None


NO_SCALING = ScalingOverrides()


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user knows better than the run. A service takes some of these: see :attr:`Service.takes`.

    `copies`: how many there were all the time. `units`, `units_version`: custom model units of a copy, and their
    version, such as v1.0. `region`: of the price. `dollars_per_cmu_minute`: the rate. `prices`: of tokens.
    `dollars_per_hour`: of a model unit, `model_units`: how many there are, `commitment`: for how long they are bought.
    `compare_hour`: dollars an hour to compare with. None: as the run or the service says. `scaling`: how copies scale.
    """

    copies: int | None = None
    units: int | None = None
    units_version: str | None = None
    region: str | None = None
    dollars_per_cmu_minute: Decimal | None = None
    prices: TokenPrices | None = None
    dollars_per_hour: Decimal | None = None
    model_units: int | None = None
    commitment: str | None = None
    compare_hour: Decimal | None = None
    scaling: ScalingOverrides = NO_SCALING


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class Inquiry:
    """How an account asks the service.

    `ask`: False uses only what the run directory holds. `region`, `profile`, `endpoint_url`: None takes the run's own.
    `wait_s`: how long after the run's end to wait for late datapoints, seconds at real speed. `refresh`: ask again even
    if an earlier answer is complete. `say` hears that it waits.
    """

    ask: bool = True
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    wait_s: float = 180.0
    refresh: bool = False
    say: Say = quiet


ASK = Inquiry()


@dataclass(frozen=True, slots=True)
class CostBound:
    """The most that a load may cost.

    `windows` billed on at most `copies` copies (0: it is not billed by the copy); `dollars` (None: unknown, and
    `unknown` says why); `basis` says what the bound rests on.
    """

    windows: int
    copies: int
    dollars: Decimal | None
    basis: str
    unknown: str | None = None


class Account(Protocol):
    """What is known of a run's copies and of their cost."""

    @property
    def clock(self) -> ServiceClock:
        """The service's clock."""
        ...

    @property
    def calls(self) -> Calls:
        """All calls of the run, in the service's time."""
        ...

    @property
    def copies(self) -> Copies:
        """Its copies, from the best source there is."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, and why."""
        ...

    def report(self, prices: TokenPrices | None = None) -> dict[str, Any]:
        """The content of cost.json; `prices` adds a comparison."""
        ...

    def project(self, better: ScalingOverrides, traffic: Traffic) -> dict[str, Any]:
        """What a day and a month of traffic would cost, in the form that cost.json holds under ``projection``.

        Raises:
            InputError: the run shows too little for it.
        """
        ...


class Service(Protocol):
    """A managed service."""

    @property
    def name(self) -> str:
        """Its folder's name."""
        ...

    @property
    def title(self) -> str:
        """Who bills, for a person."""
        ...

    @property
    def billing(self) -> str:
        """What it bills: ``copies``, ``tokens`` or ``hours``."""
        ...

    @property
    def takes(self) -> frozenset[str]:
        """The fields of :class:`Overrides` and :class:`ScalingOverrides` that its account uses."""
        ...

    @property
    def by_hand(self) -> str:
        """The field of :class:`Overrides` with which it prices a run on any other endpoint."""
        ...

    @property
    def refusals(self) -> Refusals:
        """How it refuses a request."""
        ...

    @property
    def scales_to_zero(self) -> bool:
        """Whether a model without calls goes cold."""
        ...

    @property
    def idle_s(self) -> float:
        """After how long without a call it does, seconds; infinite: never."""
        ...

    def facts(self, run: Run) -> ModelFacts | None:
        """What a run knows of its model; None: it measured no model of this service."""
        ...

    def bills(self, model: str | None) -> bool:
        """Whether a model's name alone tells that this service bills it."""
        ...

    def account(self, run: Run, overrides: Overrides = NO_OVERRIDES, inquiry: Inquiry = ASK) -> Account:
        """The account of a run. A service that cannot be asked leaves a note in it."""
        ...

    def projection_notes(self, run: Run, better: ScalingOverrides, inquiry: Inquiry = ASK) -> list[str]:
        """What the account allows less of than a projection assumes; empty: nothing, or the service has no bounds."""
        ...

    def bound(self, spec: Spec, *, rounds: int | None = None) -> CostBound:
        """The most that a load may cost, asked before anything is sent.

        Args:
            spec: the load, resolved.
            rounds: how many cold starts to measure instead of the load.

        Raises:
            InputError: the service's clients are missing, or the trace to replay cannot be read.
        """
        ...

    def watch(self, spec: Spec, on_copies: Callable[[int], None]) -> AbstractContextManager[object]:
        """Tell `on_copies` how many copies there are while the context is open. It costs the run nothing."""
        ...

    def after(self, run: Run) -> None:
        """Keep what the service says right after a run, in the run directory."""
        ...


def known_services() -> list[str]:
    """The names of all services: the folders of this one."""
    return sorted(module.name for module in pkgutil.iter_modules(llmdyno.services.__path__) if module.ispkg)


def find(name: str) -> Service:
    """The service of a name.

    Raises:
        InputError: there is no service of that name.
    """
    if name not in known_services():
        raise InputError("service", f"{name!r} is not known", f"one of {', '.join(known_services())}")
    service: Service = import_module(f"llmdyno.services.{name}.service").SERVICE
    return service


def service_of(run: Run) -> Service | None:
    """The service whose model a run measured; None: it measured none."""
    found = (find(name) for name in known_services())
    return next((service for service in found if service.facts(run) is not None), None)


def service_of_model(model: str | None) -> Service | None:
    """The service that a model's name alone tells, such as an ARN; None: it tells none."""
    found = (find(name) for name in known_services())
    return next((service for service in found if service.bills(model)), None)


def services_by_hand(overrides: Overrides) -> list[Service]:
    """The services that can price a run on any endpoint, with what the user gives."""
    return [one for one in map(find, known_services()) if getattr(overrides, one.by_hand) is not None]
