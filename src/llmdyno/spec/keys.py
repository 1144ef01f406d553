"""The table of keys: one row for each key of a spec. PURE.

A row names the key, its TOML table, its reader, its flag and its help. ``llmdyno run`` makes its flags from the table,
and :mod:`llmdyno.spec.toml` reads and writes files by it. The table does not know the dataclass that holds the values.
A test sees to it that both have the same keys, in the same order, with the same defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from llmdyno.errors import InputError, one_line
from llmdyno.spec import load, mappings, readers, urls
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.limits import MOST_REQUESTS, MOST_RETRIES, MOST_USERS
from llmdyno.spec.readers import BODY_FORMATS, CHAT_TEMPLATES, SERVICE_TIERS, SLO_METRICS, Reader
from llmdyno.spec.secrets import masked_url, redacted, without_shapes

REFERENCE_INPUT = "normal(500,25)"
REFERENCE_OUTPUT = "normal(1000,100)"
EMULATED_REQUESTS = 30
EMULATED_SPEED = 10.0

T = TypeVar("T")
_SHOWN = 200

Layer = dict[str, tuple[Any, str]]
"""Raw values by key, each with a label that says where it came from: a flag, or a file and its key."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a spec.

    Args:
        name: the key in Python and in TOML.
        table: its TOML table; empty for the top of the file.
        read: its reader.
        help: what the flag does, for ``--help``.
        metavar: what stands for the flag's value in ``--help``.
        default: what the spec holds if the key is not given.
        flag: the flag, if it is not the key's name with dashes.
        switch: the flag takes no value; it has a ``--no-`` form.
        repeat: the flag may be given more than once.
        kept: whether spec.toml holds the key.
        secret: whether errors hide the value.
        at_real_speed: whether the value is a duration that is compared with the service's own time. An emulator's speed
            divides it when it is used.
    """

    name: str
    table: str
    read: Reader[Any]
    help: str
    metavar: str | None = None
    default: Any = None
    flag: str | None = None
    switch: bool = False
    repeat: bool = False
    kept: bool = True
    secret: bool = False
    at_real_speed: bool = False


_ENDPOINT, _AWS, _LOAD, _WORKLOAD = "endpoint", "aws", "load", "workload"

_ROWS = (
    Key("name", "", readers.text, "name the run; its directory takes the name too", "NAME"),
    Key(
        "seed",
        "",
        readers.whole_number(0),
        "draw all lengths and random arrivals from this seed (default: a new one for each run)",
        "N",
    ),
    Key(
        "prompts_seed",
        "",
        readers.whole_number(0),
        "send the very prompts of this seed; implies --same-prompts (default: a new seed for each run)",
        "N",
    ),
    Key(
        "same_prompts",
        "",
        readers.switch,
        "send the very prompts of the spec file's run again, though the server's cache may know them "
        "(default: no, send fresh prompts of the same lengths)",
        default=False,
        switch=True,
    ),
    # --- endpoint
    Key(
        "api",
        _ENDPOINT,
        readers.text,
        "choose the API: openai (any OpenAI-compatible server), bedrock (a model on Amazon Bedrock), "
        "anthropic (Anthropic's Messages), litellm (any model string of LiteLLM) or emulator (the embedded one) "
        "(default: openai with --base-url, else emulator)",
        "API",
    ),
    Key(
        "base_url",
        _ENDPOINT,
        urls.base_url,
        "send requests to this base URL, such as http://127.0.0.1:8000/v1; each request carries its query "
        "(default: OPENAI_BASE_URL)",
        "URL",
    ),
    Key(
        "unix_socket",
        _ENDPOINT,
        readers.socket_path,
        "connect to the Unix socket at this path; the base URL gives the path of requests and the Host header",
        "PATH",
    ),
    Key("model", _ENDPOINT, readers.text, "ask for this model (default: the only one that the server lists)", "NAME"),
    Key(
        "route",
        _ENDPOINT,
        readers.text,
        "choose the API's route: chat (default) or completions for openai; invoke (InvokeModelWithResponseStream, the "
        "default for imported models), converse (the default for all others) or openai (Chat Completions) for bedrock; "
        "messages for anthropic",
        "ROUTE",
    ),
    Key(
        "body_format",
        _ENDPOINT,
        readers.one_of("auto", *BODY_FORMATS),
        f"choose the body format of invoke requests on bedrock: {', '.join(BODY_FORMATS)} (default: auto)",
        "FORMAT",
        "auto",
    ),
    Key(
        "chat_template",
        _ENDPOINT,
        readers.template,
        "wrap prompts in this chat template if the body format does not: "
        f"{', '.join(CHAT_TEMPLATES)}, or a tokenizer_config.json (default: none)",
        "NAME",
        "none",
    ),
    Key(
        "api_key",
        _ENDPOINT,
        readers.secret,
        "send this API key; no file holds it (default: OPENAI_API_KEY, or AWS_BEARER_TOKEN_BEDROCK on bedrock)",
        "KEY",
        kept=False,
        secret=True,
    ),
    Key(
        "headers",
        _ENDPOINT,
        mappings.headers,
        "add a header to each request; repeat the flag for more",
        "'NAME: VALUE'",
        {},
        flag="--header",
        repeat=True,
        secret=True,
    ),
    Key(
        "show_headers",
        _ENDPOINT,
        mappings.header_names,
        "let files and messages show the value of this header; repeat the flag for more (default: no file holds the "
        "value of any header)",
        "NAME",
        (),
        flag="--show-header",
        repeat=True,
    ),
    Key(
        "extra_body",
        _ENDPOINT,
        mappings.body_fields,
        "add these fields to each request's body",
        "JSON",
        {},
        secret=True,
    ),
    Key("temperature", _ENDPOINT, readers.from_zero, "sample at this temperature (default: the endpoint's own)", "T"),
    Key(
        "litellm_mode",
        _ENDPOINT,
        readers.one_of("auto", "wire", "sdk"),
        "choose who sends LiteLLM's requests: wire (llmdyno), sdk (LiteLLM) or auto (wire, if a first request works) "
        "(default: auto)",
        "MODE",
        "auto",
    ),
    Key(
        "litellm_param",
        _ENDPOINT,
        mappings.parameters,
        "pass a parameter to LiteLLM's completion call, as JSON or as text; repeat the flag for more",
        "K=V",
        {},
        repeat=True,
        secret=True,
    ),
    Key(
        "timeout_s",
        _ENDPOINT,
        readers.duration_s,
        "give up a request after this time, including the time to connect (default: 600)",
        "S",
        600.0,
        flag="--timeout",
    ),
    Key("ca_file", _ENDPOINT, readers.text, "trust the authorities in this PEM file, not the system's", "FILE"),
    Key("client_cert", _ENDPOINT, readers.text, "show this certificate (PEM, with its chain) to the server", "FILE"),
    Key("client_key", _ENDPOINT, readers.text, "read the certificate's private key from this file", "FILE"),
    Key(
        "insecure",
        _ENDPOINT,
        readers.switch,
        "do not verify the server's certificate; every report says so",
        default=False,
        switch=True,
    ),
    Key(
        "http_version",
        _ENDPOINT,
        readers.http_version,
        "use this HTTP version; only 1.1 is supported (default: 1.1)",
        "VERSION",
        "1.1",
    ),
    Key(
        "preflight",
        _ENDPOINT,
        readers.switch,
        "check that the endpoint answers before the load starts (default: yes)",
        default=True,
        switch=True,
    ),
    Key(
        "warm",
        _ENDPOINT,
        readers.switch,
        "wake a model that scales to zero before the load, and measure its cold start (default: yes)",
        default=True,
        switch=True,
    ),
    Key(
        "warm_timeout_s",
        _ENDPOINT,
        readers.duration_s,
        "give up waking the model after this time, at real speed (default: 600)",
        "S",
        600.0,
        flag="--warm-timeout",
        at_real_speed=True,
    ),
    Key(
        "warm_interval_s",
        _ENDPOINT,
        readers.duration_s,
        "wait this long, at real speed, after each attempt while the model is not ready (default: 1)",
        "S",
        1.0,
        flag="--warm-interval",
        at_real_speed=True,
    ),
    # --- Amazon Bedrock
    Key("region", _AWS, readers.text, "use this AWS region (default: the ARN's)", "NAME"),
    Key("profile", _AWS, readers.text, "use this AWS profile", "NAME"),
    Key("endpoint_url", _AWS, readers.url, "send Bedrock's requests to this URL (default: AWS's variables)", "URL"),
    Key(
        "service_tier",
        _AWS,
        readers.one_of(*SERVICE_TIERS),
        f"ask Bedrock for this service tier: {', '.join(SERVICE_TIERS)} (default: none, which the service takes as "
        "default)",
        "TIER",
    ),
    # --- load
    Key(
        "retry_throttled",
        _ENDPOINT,
        readers.whole_number(0, MOST_RETRIES),
        "send a throttled request up to N more times; each attempt has its own record (default: 0)",
        "N",
        0,
    ),
    Key(
        "throttle_pause_s",
        _LOAD,
        readers.pause_s,
        "closed loop: let a user pause this long, at real speed, after a 429 (throttled, not ready) (default: 0)",
        "S",
        0.0,
        flag="--throttle-pause",
        at_real_speed=True,
    ),
    Key(
        "concurrency",
        _LOAD,
        readers.whole_number(1, MOST_USERS),
        "closed loop: let N users send at once (default: 2)",
        "N",
        2,
    ),
    Key(
        "rate",
        _LOAD,
        readers.requests_per_second,
        "open loop: send N requests a second, whatever the endpoint does",
        "N",
    ),
    Key(
        "arrivals",
        _LOAD,
        load.arrivals,
        "open loop: space requests by constant, poisson, gamma(CV), or replay FILE (a trace) (default: constant)",
        "KIND",
        "constant",
    ),
    Key("ramp", _LOAD, load.ramp, "open loop: change the rate evenly, such as 1:50:60s", "FROM:TO:S"),
    Key(
        "stages",
        _LOAD,
        load.stages,
        "add a part of the load, such as rate=10,duration=30s or concurrency=8,duration=1m; repeat the flag for more",
        "K=V,…",
        (),
        flag="--stage",
        repeat=True,
    ),
    Key(
        "time_scale",
        _LOAD,
        readers.above_zero("times"),
        "replay: multiply the trace's times by N; 0.1 replays it ten times faster (default: 1)",
        "N",
        1.0,
    ),
    Key(
        "max_concurrency",
        _LOAD,
        readers.whole_number(1, MOST_USERS),
        "open loop: keep at most N requests in flight; a request that waits still counts from its planned instant",
        "N",
    ),
    Key("requests", _LOAD, readers.whole_number(1, MOST_REQUESTS), "stop after N measured requests", "N"),
    Key(
        "duration_s",
        _LOAD,
        readers.duration_s,
        "send no new request after this time; requests in flight may end",
        "S",
        flag="--duration",
    ),
    Key(
        "warmup",
        _LOAD,
        readers.whole_number(0, MOST_REQUESTS),
        "send N requests first, and do not count them in the figures (default: 0)",
        "N",
        0,
    ),
    # --- workload
    Key(
        "input_tokens",
        _WORKLOAD,
        readers.distribution,
        "draw prompt lengths from 500, normal(500,25), uniform(100,200) or lognormal(500,0.5) "
        f"(default: {REFERENCE_INPUT})",
        "LENGTH",
        Distribution.parse(REFERENCE_INPUT),
    ),
    Key(
        "output_tokens",
        _WORKLOAD,
        readers.distribution,
        f"draw each request's max_tokens in the same way (default: {REFERENCE_OUTPUT})",
        "LENGTH",
        Distribution.parse(REFERENCE_OUTPUT),
    ),
    Key(
        "tokenizer",
        _WORKLOAD,
        readers.text,
        "count prompt tokens with a tokenizer.json, a folder that has one, or a name in the local Hugging Face cache "
        "(default: a built-in approximation)",
        "NAME",
    ),
    Key(
        "ignore_eos",
        _WORKLOAD,
        readers.switch,
        "ask the server to continue to max_tokens (ignore_eos)",
        default=False,
        switch=True,
    ),
    # --- the rest
    Key(
        "slo",
        "",
        mappings.slo,
        "count a request as goodput only if it is within this bound, at real speed; repeat the flag for more; metrics: "
        + ", ".join(SLO_METRICS),
        "METRIC=S",
        {},
        repeat=True,
        at_real_speed=True,
    ),
    Key("deployment", "emulator", readers.text, "emulate this deployment (llmdyno serve --help lists them)", "NAME"),
    Key(
        "speed",
        "emulator",
        readers.speed,
        f"run the embedded emulator N times faster than real time (default: {EMULATED_SPEED:g})",
        "N",
    ),
    Key(
        "keep_answers",
        "output",
        readers.switch,
        "keep the answers' texts, by kind, in answers.jsonl (default: no)",
        default=False,
        switch=True,
    ),
    Key(
        "out",
        "output",
        readers.text,
        "write the run to this directory, which must be new or empty (default: runs/<time>-<name>)",
        "DIR",
        kept=False,
    ),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _ROWS}
"""Every key by its name, in the order of the spec's fields."""

AT_REAL_SPEED = tuple(key.name for key in _ROWS if key.at_real_speed)
"""The keys whose durations are at real speed, whatever the speed of an emulator. All other durations of a spec are on
this machine's clock: the load is what this machine sends."""


def key_label(name: str) -> str:
    """A key with its TOML table: ``load.concurrency``."""
    table = KEYS[name].table
    return f"{table}.{name}" if table else name


def flag_name(name: str) -> str:
    """A key's flag: ``--input-tokens``."""
    return KEYS[name].flag or "--" + name.replace("_", "-")


def read_value(name: str, value: Any, label: str) -> Any:
    """Read one key's raw value. `label` tells the user where the value came from.

    Raises:
        InputError: the value does not fit.
    """
    key = KEYS[name]
    return read_flag(key.read, value, label, secret=key.secret)


def read_flag(reader: Reader[T], value: Any, flag: str, *, secret: bool = False) -> T:
    """Read the value of a flag that is no key of a spec, such as ``--percentile``.

    Args:
        reader: reads it.
        value: the text from the command line.
        flag: the flag, for the error.
        secret: whether the error hides the value.

    Raises:
        InputError: the value does not fit.
    """
    try:
        return reader(value)
    except ValueError as error:
        shown = "the value given" if secret else shown_value(value)
        raise InputError(flag, f"{shown} does not fit", f"what fits: {error}") from None


def shown_value(value: Any) -> str:
    """A value as an error shows it: cut short, without the values of names that may be secret."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # a flag that may be given again, given once
    try:
        return one_line(without_shapes(masked_url(repr(redacted(value)))), _SHOWN)
    except ValueError:  # Python does not print a whole number of more than 4,300 digits
        return "the number given"
    except Exception:
        return "the value given"
