"""What the user asked for: one frozen value. PURE.

In: raw values by key, each with a label that says where it came from. Out: a :class:`Spec`, or an
:class:`~llmdyno.errors.InputError` that names the key, the value and what fits. The table of keys
(:mod:`llmdyno.spec.keys`) holds readers, flags and help. What a key means to an API is the business of ``targets``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from llmdyno.errors import InputError
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.keys import (
    EMULATED_REQUESTS,
    EMULATED_SPEED,
    KEYS,
    REFERENCE_INPUT,
    REFERENCE_OUTPUT,
    Layer,
    flag_name,
    key_label,
    read_value,
)
from llmdyno.spec.left_out import asks, filled, missing_in, object_in
from llmdyno.spec.load import Load, Ramp, Stage
from llmdyno.spec.secrets import masked_url
from llmdyno.spec.size import check_size

__all__ = [
    "EMULATED_REQUESTS",
    "EMULATED_SPEED",
    "Layer",
    "Spec",
    "build",
    "check_ends",
    "check_tls",
    "refuse",
    "resolve_common",
]

Held = TypeVar("Held", covariant=True)
Taken = TypeVar("Taken", contravariant=True)


class Reads(Generic[Held, Taken]):
    """For type checkers: a field that takes values of type `Taken` and holds one of type `Held`.

    It is an annotation only. A type checker takes the parameter of ``Spec()`` from `__set__` and the type of the
    attribute from `__get__`. At run time the field is a plain one, and the key's reader makes the value.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, spec: None, owner: type) -> Held: ...
        @overload
        def __get__(self, spec: object, owner: type) -> Held: ...
        def __get__(self, spec: object | None, owner: type) -> Held: ...
        def __set__(self, spec: object, value: Taken) -> None: ...


Lengths = Reads[Distribution, Distribution | str | int]
Seconds = Reads[float, float | str]
MaybeSeconds = Reads[float | None, float | str | None]
Ramping = Reads[Ramp | None, Ramp | str | None]
Staged = Reads[tuple[Stage, ...], Sequence[Stage | str | Mapping[str, float | str]] | str]
Names = Reads[tuple[str, ...], Sequence[str] | str]
Texts = Reads[Mapping[str, str], Mapping[str, str] | Sequence[str] | str]
Bounds = Reads[Mapping[str, float], Mapping[str, float | str] | Sequence[str] | str]
Fields = Reads[Mapping[str, Any], Mapping[str, Any] | str]
Parameters = Reads[Mapping[str, Any], Mapping[str, Any] | Sequence[str] | str]


def _default(value: Any = None) -> Any:
    """The default of a field that takes more types than it holds, or that its repr must not show."""
    if isinstance(value, dict):
        return dataclasses.field(default_factory=dict, repr=False)
    return value


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to measure, and with which load. Every field is a TOML key and a flag of ``llmdyno run``.

    A field takes a value in any spelling that its reader knows (``"normal(500,25)"``, ``500``) and holds one exact
    value. None leaves a key open; the target settles it. Lengths are in tokens, times in seconds.

    Raises:
        InputError: a value does not fit. The error names the key, the value and what fits.
    """

    name: str | None = None
    seed: int | None = None
    prompts_seed: int | None = None
    same_prompts: bool = False

    api: str | None = None
    base_url: str | None = None
    unix_socket: str | None = None
    model: str | None = None
    route: str | None = None
    body_format: str = "auto"
    chat_template: str = "none"
    api_key: str | None = dataclasses.field(default=None, repr=False)
    headers: Texts = _default({})
    show_headers: Names = _default(())
    extra_body: Fields = _default({})
    temperature: float | None = None
    litellm_mode: str = "auto"
    litellm_param: Parameters = _default({})
    timeout_s: Seconds = _default(600.0)
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure: bool = False
    http_version: str = "1.1"
    preflight: bool = True

    warm: bool = True
    warm_timeout_s: Seconds = _default(600.0)
    warm_interval_s: Seconds = _default(1.0)

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    service_tier: str | None = None

    retry_throttled: int = 0
    throttle_pause_s: Seconds = _default(0.0)
    concurrency: int = 2
    rate: float | None = None
    arrivals: str = "constant"
    ramp: Ramping = _default()
    stages: Staged = _default(())
    time_scale: float = 1.0
    max_concurrency: int | None = None
    requests: int | None = None
    duration_s: MaybeSeconds = _default()
    warmup: int = 0

    input_tokens: Lengths = _default(Distribution.parse(REFERENCE_INPUT))
    output_tokens: Lengths = _default(Distribution.parse(REFERENCE_OUTPUT))
    tokenizer: str | None = None
    ignore_eos: bool = False

    slo: Bounds = _default({})

    deployment: str | None = None
    speed: float | None = None

    keep_answers: bool = False
    out: str | None = None

    def __post_init__(self) -> None:
        for name, key in KEYS.items():
            value = getattr(self, name)
            if type(value) is type(key.default) and value == key.default:
                continue  # a default is exact already, and None has no reader
            object.__setattr__(self, name, read_value(name, value, key_label(name)))

    def __repr__(self) -> str:
        """Every field that may be shown, with its URLs masked."""
        shown = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.repr}
        shown |= {name: masked_url(shown[name]) for name in ("base_url", "endpoint_url") if shown[name] is not None}
        return f"Spec({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def load(self) -> Load:
        """The load that the keys ask for."""
        return Load(
            concurrency=self.concurrency,
            rate=self.rate,
            arrivals=self.arrivals,
            ramp=self.ramp,
            stages=self.stages,
            time_scale=self.time_scale,
            max_concurrency=self.max_concurrency,
            requests=self.requests,
            duration_s=self.duration_s,
        )

    @property
    def open_loop(self) -> bool:
        """Whether requests leave at planned instants."""
        return self.load.open_loop

    @property
    def users(self) -> int:
        """The largest number of users of a closed loop."""
        return self.load.users

    def to_toml(self) -> str:
        """This spec as TOML; see :func:`llmdyno.spec.toml.to_toml`."""
        from llmdyno.spec.toml import to_toml

        return to_toml(self)


def build(layers: Sequence[Layer]) -> Spec:
    """One spec from layers of raw values. A later layer wins over an earlier one.

    Raises:
        InputError: a value does not fit. The error starts with the value's label.
    """
    given: Layer = {}
    for layer in layers:
        for name, (raw, label) in layer.items():
            before = given.get(name, (None, ""))[0]
            value = raw if missing_in(raw) else read_value(name, raw, label)
            if missing_in(before):  # a file left out secrets, and this gives them again
                value = filled(object_in(before), value)
            given[name] = value, label
    _ask_again(given)
    return Spec(**{name: value for name, (value, _) in given.items()})


def _ask_again(given: Layer) -> None:
    """Ask for all secrets that a spec file leaves out, in one error.

    Raises:
        InputError: there are some.
    """
    asked = [(label, asks(flag_name(name), value)) for name, (value, label) in given.items() if missing_in(value)]
    if asked:
        what = "the value given does not fit" if len(asked) == 1 else "the values given do not fit"
        places = ", ".join(dict.fromkeys(place for _, ask in asked for place in ask.places))
        flags = " ".join(ask.flags for _, ask in asked)
        fits = f"what fits: the value of {places}, which this file leaves out: {flags}"
        raise InputError(", ".join(label for label, _ in asked), what, fits)


def resolve_common(spec: Spec, new_seed: Callable[[], int]) -> Spec:
    """Check what does not depend on the API, and settle the seeds.

    The prompts' words have a seed of their own. A spec that was run before, such as a run's own spec.toml, gets a new
    one: the server's cache may know the old prompts. With `same_prompts` it keeps the old one.

    Args:
        spec: as the user asked.
        new_seed: makes a seed.

    Raises:
        InputError: keys contradict each other, or the load is larger than a plan can be.
    """
    spec.load.check()
    check_size(spec.load, spec.warmup, spec.input_tokens, spec.output_tokens)
    check_tls(spec)
    seed = spec.seed if spec.seed is not None else new_seed()
    same = spec.prompts_seed if spec.prompts_seed is not None else seed
    return dataclasses.replace(spec, seed=seed, prompts_seed=same if spec.same_prompts else new_seed())


def check_ends(spec: Spec) -> None:
    """Check that the load ends by itself.

    Raises:
        InputError: nothing ends it.
    """
    if not spec.load.ends:
        raise InputError(
            "--requests", "neither --requests nor --duration is given", "give one or both, so that the run ends"
        )


def check_tls(spec: Spec) -> None:
    """Check that the keys of TLS go together.

    Raises:
        InputError: they contradict each other.
    """
    if spec.insecure and spec.ca_file is not None:
        raise InputError("--insecure and --ca-file", "one verifies the certificate, the other does not", "give one")
    if spec.client_key is not None and spec.client_cert is None:
        raise InputError("--client-key", "has no certificate to go with", "add --client-cert")


def refuse(spec: Spec, keys: Sequence[str], whose: str, instead: str) -> None:
    """Refuse keys that do not apply to the spec's API.

    Args:
        spec: as the user asked.
        keys: the keys' names; one with its default value counts as not given.
        whose: what the keys are for, such as "the embedded emulator".
        instead: what else to do, such as "or add --api bedrock".

    Raises:
        InputError: one of the keys is given.
    """
    for name in keys:
        if getattr(spec, name) != KEYS[name].default:
            raise InputError(flag_name(name), f"is for {whose}", f"leave it out, {instead}")
