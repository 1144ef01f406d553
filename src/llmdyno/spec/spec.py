"""What the user asked for: one frozen value, from flags, a TOML file or Python.

In: raw values under their key names, each with a label that says where it came from. Out: a
:class:`Spec`, or an :class:`~llmdyno.errors.InputError` that names the key, the value and what fits.
The fields of `Spec` are the only list of keys: the TOML tables and the command's flags are read off them.
It opens no connection, draws nothing and never writes a secret.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdyno.errors import InputError
from llmdyno.spec import load as loads
from llmdyno.spec import readers as values
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.load import Load, Ramp, Stage
from llmdyno.spec.readers import BODY_FORMATS, CHAT_TEMPLATES, REDACTED, ROUTES, SLO_METRICS

REFERENCE_INPUT = "normal(500,25)"
REFERENCE_OUTPUT = "normal(1000,100)"
EMULATED_REQUESTS = 30
EMULATED_SPEED = 10.0
SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|credential|password", re.IGNORECASE)
"""Headers whose names say that their values are secret: not written, and hidden in errors."""


def _key(
    default: Any,
    table: str,
    kind: values.Kind,
    help_text: str,
    *,
    flag: str | None = None,
    metavar: str | None = None,
    switch: bool = False,
    repeat: bool = False,
    kept: bool = True,
    secret: bool = False,
) -> Any:
    """One key: its TOML table, its reader, its flag's help. `kept` says whether spec.toml holds it."""
    metadata = {
        "table": table,
        "kind": kind,
        "help": help_text,
        "flag": flag,
        "metavar": metavar,
        "switch": switch,
        "repeat": repeat,
        "kept": kept and not secret,
        "secret": secret,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata, repr=False)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def _holds_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list | tuple) else value is None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to measure, and with which load. Every field is a TOML key and a flag of ``llmdyno run``.

    Values are read leniently (``"normal(500,25)"``, ``500``) and held exactly. Keys left at None are
    settled by :meth:`resolved`. Lengths are in tokens, times in seconds.

    Raises:
        InputError: a value does not fit; the error names the key, the value and what fits.
    """

    name: str | None = _key(None, "", values.text, "a name for the run, used for its directory", metavar="NAME")
    seed: int | None = _key(
        None,
        "",
        values.whole(0),
        "the seed that all lengths and prompts come from (default: a new one each run)",
        metavar="N",
    )

    api: str | None = _key(
        None,
        "endpoint",
        values.one_of("emulator", "openai", "bedrock", "litellm"),
        "openai: any OpenAI-compatible server; bedrock: an imported model on Amazon Bedrock; litellm: any model string "
        "of LiteLLM's; emulator: the embedded one (default: openai with --base-url)",
        metavar="API",
    )
    base_url: str | None = _key(
        None,
        "endpoint",
        values.url,
        "the endpoint's base URL, such as http://127.0.0.1:8000/v1 (default: OPENAI_BASE_URL)",
        metavar="URL",
    )
    model: str | None = _key(
        None,
        "endpoint",
        values.text,
        "the model's name (default: the only one that the server lists)",
        metavar="NAME",
    )
    route: str | None = _key(
        None,
        "endpoint",
        values.one_of(*(route for routes in ROUTES.values() for route in routes)),
        "openai: chat (default) or completions; bedrock: invoke (InvokeModelWithResponseStream, default) or converse",
        metavar="ROUTE",
    )
    body_format: str = _key(
        "auto",
        "endpoint",
        values.one_of("auto", *BODY_FORMATS),
        f"bedrock invoke: how a request's body looks: {', '.join(BODY_FORMATS)} (default: auto)",
        metavar="FORMAT",
    )
    chat_template: str = _key(
        "none",
        "endpoint",
        values.template,
        f"wrap prompts where the format does not: {', '.join(CHAT_TEMPLATES)}, or a tokenizer_config.json",
        metavar="NAME",
    )
    api_key: str | None = _key(
        None,
        "endpoint",
        values.secret,
        "the API key (default: OPENAI_API_KEY); never written",
        metavar="KEY",
        secret=True,
    )
    headers: Mapping[str, str] = _key(
        {},
        "endpoint",
        values.headers,
        "an extra header; may be given again",
        flag="--header",
        metavar="'NAME: VALUE'",
        repeat=True,
    )
    extra_body: Mapping[str, Any] = _key(
        {}, "endpoint", values.json_object, "extra fields of the request's body", metavar="JSON"
    )
    temperature: float | None = _key(
        None,
        "endpoint",
        values.not_negative,
        "the sampling temperature (default: the endpoint's own)",
        metavar="T",
    )
    litellm_mode: str = _key(
        "auto",
        "endpoint",
        values.one_of("auto", "wire", "sdk"),
        "litellm: wire: LiteLLM makes the requests, llmdyno sends them; sdk: LiteLLM sends them itself; auto: wire "
        "where a first request shows that it works (default: auto)",
        metavar="MODE",
    )
    litellm_param: Mapping[str, Any] = _key(
        {},
        "endpoint",
        values.parameters,
        "litellm: a parameter of its completion call; may be given again; JSON values are read as such",
        metavar="K=V",
        repeat=True,
    )
    timeout_s: float = _key(
        600.0,
        "endpoint",
        values.positive("seconds"),
        "give a request up after so many seconds, connecting included (default: 600)",
        flag="--timeout",
        metavar="S",
    )
    ca_file: str | None = _key(
        None,
        "endpoint",
        values.text,
        "trust the authorities in this PEM file instead of the system's",
        metavar="FILE",
    )
    client_cert: str | None = _key(
        None, "endpoint", values.text, "show the server this certificate (PEM, with its chain)", metavar="FILE"
    )
    client_key: str | None = _key(
        None, "endpoint", values.text, "the certificate's private key, where it is a file of its own", metavar="FILE"
    )
    insecure: bool = _key(
        False, "endpoint", values.switch, "do not verify the server's certificate; said in every report", switch=True
    )
    http_version: str = _key(
        "1.1", "endpoint", values.http_version, "1.1 is the only one that is spoken (default: 1.1)", metavar="VERSION"
    )
    preflight: bool = _key(
        True,
        "endpoint",
        values.switch,
        "look whether the endpoint answers before the load starts (default: yes)",
        switch=True,
    )

    warm: bool = _key(
        True,
        "endpoint",
        values.switch,
        "bedrock: first send one request at a time until the model answers, and measure its cold start (default: yes)",
        switch=True,
    )
    warm_timeout_s: float = _key(
        600.0,
        "endpoint",
        values.positive("seconds"),
        "give up warming after so many seconds (default: 600)",
        flag="--warm-timeout",
        metavar="S",
    )
    warm_interval_s: float = _key(
        1.0,
        "endpoint",
        values.positive("seconds"),
        "the pause after an attempt that the model was not ready for (default: 1)",
        flag="--warm-interval",
        metavar="S",
    )

    region: str | None = _key(None, "aws", values.text, "the AWS region (default: the ARN's)", metavar="NAME")
    profile: str | None = _key(None, "aws", values.text, "the AWS profile", metavar="NAME")
    endpoint_url: str | None = _key(
        None, "aws", values.url, "Bedrock's URL, where it is not AWS's own (default: AWS's variables)", metavar="URL"
    )

    retry_throttled: int = _key(
        0,
        "endpoint",
        values.whole(0),
        "send a throttled request again up to so many times, each attempt a record of its own (default: 0)",
        metavar="N",
    )
    throttle_pause_s: float = _key(
        0.0,
        "load",
        values.not_negative,
        "closed loop: a user whose request was refused with 429 (throttled, not ready) pauses so long (default: 0)",
        flag="--throttle-pause",
        metavar="S",
    )
    concurrency: int = _key(2, "load", values.whole(1), "how many users send at once (default: 2)", metavar="N")
    rate: float | None = _key(
        None,
        "load",
        values.positive("requests a second"),
        "open loop: send so many requests a second, whatever the endpoint does",
        metavar="N",
    )
    arrivals: str = _key(
        "constant",
        "load",
        loads.arrivals,
        "open loop: constant, poisson, gamma(CV), or replay FILE (a trace) (default: constant)",
        metavar="KIND",
    )
    ramp: Ramp | None = _key(
        None, "load", loads.ramp, "open loop: a rate that rises or falls, such as 1:50:60s", metavar="FROM:TO:S"
    )
    stages: tuple[Stage, ...] = _key(
        (),
        "load",
        loads.stages,
        "parts of the load, one after the other, such as rate=10,duration=30s or concurrency=8,duration=1m",
        flag="--stage",
        metavar="K=V,…",
        repeat=True,
    )
    time_scale: float = _key(
        1.0,
        "load",
        values.positive("times"),
        "replay: multiply the trace's times; 0.1 replays it ten times faster (default: 1)",
        metavar="N",
    )
    max_concurrency: int | None = _key(
        None,
        "load",
        values.whole(1),
        "open loop: no more requests in flight than that; what waits is counted from its planned instant",
        metavar="N",
    )
    requests: int | None = _key(None, "load", values.whole(1), "stop after so many measured requests", metavar="N")
    duration_s: float | None = _key(
        None,
        "load",
        values.positive("seconds"),
        "send no new request after so many seconds; those in flight end in their own time",
        flag="--duration",
        metavar="S",
    )
    warmup: int = _key(
        0,
        "load",
        values.whole(0),
        "requests to send first and keep apart from the measured ones (default: 0)",
        metavar="N",
    )

    input_tokens: Distribution = _key(
        Distribution.parse(REFERENCE_INPUT),
        "workload",
        values.distribution,
        f"prompt length: 500, normal(500,25), uniform(100,200), lognormal(500,0.5) (default: {REFERENCE_INPUT})",
        metavar="LENGTH",
    )
    output_tokens: Distribution = _key(
        Distribution.parse(REFERENCE_OUTPUT),
        "workload",
        values.distribution,
        f"max_tokens of each request, written likewise (default: {REFERENCE_OUTPUT})",
        metavar="LENGTH",
    )
    tokenizer: str | None = _key(
        None,
        "workload",
        values.text,
        "count prompt tokens with this: a tokenizer.json, a folder that has one, or a name in the local "
        "Hugging Face cache (default: a built-in approximation)",
        metavar="NAME",
    )
    ignore_eos: bool = _key(
        False, "workload", values.switch, "ask the server to go on to max_tokens (ignore_eos)", switch=True
    )

    slo: Mapping[str, float] = _key(
        {},
        "",
        values.slo,
        f"a bound that a request must meet to count as goodput; may be given again; metrics: {', '.join(SLO_METRICS)}",
        metavar="METRIC=S",
        repeat=True,
    )

    deployment: str | None = _key(
        None, "emulator", values.text, "the deployment that the embedded emulator emulates", metavar="NAME"
    )
    speed: float | None = _key(
        None,
        "emulator",
        values.positive("times real time"),
        f"how many times faster than real time the embedded emulator runs (default: {EMULATED_SPEED:g})",
        metavar="N",
    )

    out: str | None = _key(
        None,
        "output",
        values.text,
        "the run directory to write, which must not hold a run (default: runs/<time>-<name>)",
        metavar="DIR",
        kept=False,
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == () and field.default == ():
                continue
            if value is not None:
                object.__setattr__(self, field.name, read_value(field.name, value, key_label(field.name)))
            elif field.default is not None:
                raise InputError(key_label(field.name), "None does not fit", _what_fits(field))

    def resolved(self, environ: Mapping[str, str], new_seed: Callable[[], int]) -> Spec:
        """Settle what was left open: the API, the endpoint's defaults from the environment, the seed.

        Args:
            environ: environment variables, of which OPENAI_BASE_URL and OPENAI_API_KEY are read.
            new_seed: called when no seed was given.

        Raises:
            InputError: keys contradict each other, or one that is needed is missing.
        """
        changes: dict[str, Any] = {}
        self.load.check()
        self._check_tls()
        api = self.api or ("openai" if self.base_url else "emulator")
        changes["api"] = api
        if api == "openai":
            base_url = self.base_url or environ.get("OPENAI_BASE_URL") or None
            if base_url is None:
                raise InputError("--base-url", "not given", "give it, or set OPENAI_BASE_URL")
            if self.base_url is None:
                changes["base_url"] = read_value("base_url", base_url, "OPENAI_BASE_URL")
            if self.api_key is None and environ.get("OPENAI_API_KEY"):
                changes["api_key"] = read_value("api_key", environ["OPENAI_API_KEY"], "OPENAI_API_KEY")
            self._refuse(("deployment", "speed"), "the embedded emulator", "--base-url and --api")
            self._refuse(("region", "profile", "endpoint_url"), "Amazon Bedrock", "or add --api bedrock")
        elif api == "litellm":
            if self.model is None:
                raise InputError("--model", "not given", "give it as LiteLLM names it, such as openai/gpt-4o-mini")
            self._refuse(("deployment", "speed"), "the embedded emulator", "--api")
            self._refuse(("route",), "--api openai and bedrock", "LiteLLM's model string holds its route")
            if self.extra_body:
                raise InputError("--extra-body", "is for --api openai and bedrock", "use --litellm-param K=V")
            if self.litellm_mode == "sdk" and (self.insecure or self.ca_file or self.client_cert):
                fits = "use LiteLLM's own SSL_VERIFY, SSL_CERT_FILE and SSL_CERTIFICATE"
                raise InputError("--insecure, --ca-file, --client-cert", "are for our own sockets", fits)
        elif api == "bedrock":
            if self.model is None:
                raise InputError("--model", "not given", "give the imported model's ARN")
            self._refuse(("base_url", "api_key"), "OpenAI-compatible servers", "use --endpoint-url, or AWS credentials")
            self._refuse(("deployment", "speed"), "the embedded emulator", "--api")
        else:
            for key in ("base_url", "model", "api_key", "region", "profile", "endpoint_url"):
                if getattr(self, key) is not None:
                    raise InputError(
                        flag_name(key),
                        "is for a server of yours, and this run is against the embedded emulator",
                        "give --base-url URL or --api bedrock, or leave it out",
                    )
            changes["speed"] = self.speed or EMULATED_SPEED
            if not self.load.ends:
                changes["requests"] = EMULATED_REQUESTS
        if api != "emulator" and not self.load.ends:
            raise InputError(
                "--requests", "neither --requests nor --duration is given", "give one or both, so that the run ends"
            )
        if api != "litellm":
            if self.litellm_param:
                raise InputError("--litellm-param", f"is for --api litellm, and this is {api}", "use --extra-body")
            if self.litellm_mode != "auto":
                raise InputError("--litellm-mode", f"is for --api litellm, and this is {api}", "leave it out")
        changes["route"] = self._route(api)
        if self.seed is None:
            changes["seed"] = new_seed()
        return dataclasses.replace(self, **changes)

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
        """The most users of a closed loop."""
        return self.load.users

    def _check_tls(self) -> None:
        """See that the keys of TLS go together.

        Raises:
            InputError: they contradict each other.
        """
        if self.insecure and self.ca_file is not None:
            raise InputError("--insecure and --ca-file", "one verifies the certificate, the other does not", "give one")
        if self.client_key is not None and self.client_cert is None:
            raise InputError("--client-key", "stands alone", "add --client-cert")

    def _refuse(self, keys: tuple[str, ...], whose: str, instead: str) -> None:
        for key in keys:
            if getattr(self, key) is not None:
                raise InputError(flag_name(key), f"is for {whose}", f"leave it out, {instead}")

    def _route(self, api: str) -> str | None:
        """The route, which must be one of the API's; the emulator has all, and LiteLLM's model string holds its own."""
        if api == "litellm":
            return None
        routes = ROUTES.get(api, (*ROUTES["bedrock"], *ROUTES["openai"]))
        if self.route is None:
            return routes[0]
        if self.route not in routes:
            raise InputError("--route", f"{self.route!r} is no route of --api {api}", "what fits: " + ", ".join(routes))
        return self.route

    def to_toml(self) -> str:
        """This spec as TOML that reads back equal, without the API key, secret header values and `out`."""
        import tomli_w

        tables: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not field.metadata["kept"] or value is None or value == {} or value == ():
                continue
            if isinstance(value, Distribution):
                value = int(value.a) if value.kind == "fixed" else str(value)
            elif field.name == "stages":
                value = [stage.values() for stage in value]
            elif isinstance(value, Ramp):
                value = str(value)
            elif field.name == "headers":
                value = {k: REDACTED if SECRET_HEADER.search(k) else v for k, v in value.items()}
            elif field.name == "litellm_param":
                value = {k: REDACTED if values.SECRET_PARAMETER.search(k) else v for k, v in value.items()}
                value = json.dumps(value) if _holds_null(value) else value
            elif field.name == "extra_body" and _holds_null(value):
                value = json.dumps(value)  # TOML has no null
            table = field.metadata["table"]
            (tables.setdefault(table, {}) if table else tables)[field.name] = value
        return tomli_w.dumps(tables)


KEYS = {field.name: field for field in dataclasses.fields(Spec)}
"""Every key by its name, in the order of the fields."""


def key_label(name: str) -> str:
    """A key as it stands in a TOML file: ``load.concurrency``."""
    table = KEYS[name].metadata["table"]
    return f"{table}.{name}" if table else name


def flag_name(name: str) -> str:
    """A key's flag: ``--input-tokens``."""
    return KEYS[name].metadata["flag"] or "--" + name.replace("_", "-")


def read_value(name: str, value: Any, label: str) -> Any:
    """Read one key's raw value; `label` says in the error where it came from.

    Raises:
        InputError: it does not fit.
    """
    field = KEYS[name]
    try:
        return field.metadata["kind"](value)
    except ValueError as error:
        shown = "the value given" if field.metadata["secret"] or name in ("headers", "litellm_param") else repr(value)
        raise InputError(label, f"{shown} does not fit", f"what fits: {error}") from None


def _what_fits(field: dataclasses.Field[Any]) -> str:
    try:
        field.metadata["kind"](None)
    except ValueError as error:
        return f"what fits: {error}"
    return "leave it out"


def build(layers: list[dict[str, tuple[Any, str]]]) -> Spec:
    """One spec from layers of ``{key: (raw value, label)}``, of which a later one wins.

    Raises:
        InputError: a value does not fit, named by its label.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        for name, (value, label) in layer.items():
            values[name] = read_value(name, value, label)
    return Spec(**values)


def read_toml(path: Path) -> dict[str, tuple[Any, str]]:
    """A spec file as a layer for :func:`build`.

    Raises:
        InputError: the file cannot be read, is no TOML, or holds a key that is none.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "give a TOML file, such as a run's spec.toml"
        ) from None
    except UnicodeDecodeError:
        raise InputError(str(path), "is not UTF-8 text", "give a TOML file, such as a run's spec.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(path), f"is not TOML ({error})", "mend it there") from None
    layer: dict[str, tuple[Any, str]] = {}
    tables = {field.metadata["table"] for field in KEYS.values()} - {""}
    for outer, content in document.items():
        if outer in tables:
            if not isinstance(content, dict):
                raise InputError(f"{path}: {outer}", f"{content!r} does not fit", f"it is a table: [{outer}]")
            for name, value in content.items():
                _place(layer, path, outer, name, value)
        else:
            _place(layer, path, "", outer, content)
    return layer


def _place(layer: dict[str, tuple[Any, str]], path: Path, table: str, name: str, value: Any) -> None:
    field = KEYS.get(name)
    shown = f"{table}.{name}" if table else name
    if field is None:
        known = [key_label(key) for key in KEYS]
        close = difflib.get_close_matches(shown, known, n=1, cutoff=0.5) or difflib.get_close_matches(name, KEYS, n=1)
        best = key_label(close[0]) if close and close[0] in KEYS else (close[0] if close else None)
        fits = f"did you mean {best}?" if best else "keys: " + ", ".join(known)
        raise InputError(f"{path}: {shown}", "there is no such key", fits)
    if field.metadata["table"] != table:
        raise InputError(f"{path}: {shown}", "stands in the wrong table", f"its place is {key_label(name)}")
    layer[name] = (value, f"{path}: {shown}")
