"""LiteLLM: it makes requests for our own sockets, decodes answers, or sends requests itself.

In: a LiteLLM model string and parameters. Out: the HTTP request that LiteLLM would send; events that its parser finds
in recorded bytes; or LiteLLM's own stream. To catch a request, LiteLLM gets an HTTP transport of ours through its
public client parameters. Importing this module imports LiteLLM, which takes seconds, so it happens before the clock
starts.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import re
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any
from urllib.parse import quote, unquote

# Without them LiteLLM fetches a price list from the network at import, and a list of headers later.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import httpx
    import litellm
    import openai
    from litellm.llms.bedrock.base_aws_llm import BaseAWSLLM
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

from llmdyno.errors import InputError
from llmdyno.protocols.dialect import HttpRequest, chat_messages, error_text
from llmdyno.protocols.events import HTTP_STATUS, OTHER, REASONING, STREAM_ERROR, TEXT, Event, Failure
from llmdyno.services.bedrock_import.identity import imported_model_arn, imported_model_region
from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import SECRET_HEADER, header_secrets, url_secrets
from llmdyno.targets.litellm.catching import CatchingTransport, CaughtRequest, Recorded
from llmdyno.targets.litellm.endpoint import Configured, endpoint_of, nothing_configured, refuse_key_in_the_clear
from llmdyno.timeline.record import CONNECT, TIMEOUT
from llmdyno.workload.session import Messages, user_message

_ROUTES = "llama, deepseek_r1, qwen2, qwen3, openai, moonshot, mistral, converse"
_RUNTIME_PATH = re.compile(r"(?P<base>.*)/model/(?P<model>.+)/(?P<operation>[a-z-]+)")
_ESTIMATED = ("llama", "qwen", "mistral")
"""Bedrock routes whose token counts are LiteLLM's estimate and not the service's counts."""
_JOINED = "{% for message in messages %}{{ message['content'] }}{% if not loop.last %} {% endif %}{% endfor %}"
_AWS_PARAMETERS = tuple(
    "aws_" + name
    for name in (
        *("access_key_id", "secret_access_key", "session_token", "region_name", "profile_name"),
        *("session_name", "role_name", "web_identity_token", "sts_endpoint", "external_id"),
    )
)
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_NOT_CARRIED = ("host", "content-length", "connection", "accept-encoding", "transfer-encoding")
_SIGNATURE = ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256")

# Without this, the interpreter spends up to two seconds at exit on garbage collection of LiteLLM's objects.
atexit.register(gc.freeze)
litellm.suppress_debug_info = True
litellm.telemetry = False
litellm.disable_hf_tokenizer_download = True
for _name in (
    "LiteLLM",
    "LiteLLM Router",
    "LiteLLM Proxy",
    "openai",
    "httpx",
    "httpcore",
):  # they log requests and keys
    logging.getLogger(_name).setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"(litellm|pydantic|aiohttp|openai|httpx)(\.|$)")


@dataclass(frozen=True, slots=True)
class Caught:
    """The request that LiteLLM would send.

    `signed_for`: the AWS region and service of its signature (None: it has no AWS signature). `secrets`: the values of
    its authorization headers.
    """

    base_url: str
    request: HttpRequest
    signed_for: tuple[str, str] | None
    secrets: tuple[str, ...] = field(repr=False)


# LiteLLM keeps the openai package's clients for all later calls, and with them the session of the call that made them.
# So all models of this process share one transport.
_TRANSPORT = CatchingTransport()
_HANDLER = HTTPHandler(client=httpx.Client(transport=_TRANSPORT))
_SESSION = httpx.Client(transport=_TRANSPORT)


class LiteLLM:
    """One model of LiteLLM's.

    Args:
        model: LiteLLM's model string.
        parameters: go into each call without a change.
        secrets: are masked in LiteLLM's own messages, before these are cut.
        configured: the URL that AWS's configuration gives a service instead of AWS's own, by botocore's name for it.

    Raises:
        InputError: LiteLLM does not know the model's provider, or cannot send its requests to the configured URL.
    """

    def __init__(
        self,
        model: str,
        parameters: Mapping[str, Any],
        *,
        secrets: Iterable[str] = (),
        configured: Configured = nothing_configured,
    ) -> None:
        self._mask = Masker(secrets)
        self._asked = model
        self.model = model
        self._parameters = dict(parameters)
        try:
            rest, self.provider, *_ = litellm.get_llm_provider(model, api_base=parameters.get("api_base"))
        except Exception as error:
            fits = "give it as LiteLLM names it: openai/gpt-4o-mini, bedrock/llama/arn:…, hosted_vllm/my-model"
            raise InputError("--model", f"{model!r}: {_text_of(error, self._mask)}", fits) from None
        self._parameters.update(endpoint_of(self.provider, parameters, configured))
        refuse_key_in_the_clear(self.provider, self._parameters, os.environ.get("AWS_BEARER_TOKEN_BEDROCK"))
        self._by_handler: bool | None = None
        route, _, name = rest.partition("/")
        found = imported_model_arn(name) if self.provider == "bedrock" else None
        self.imported_model = found is not None
        self.estimates_usage = found is not None and route.startswith(_ESTIMATED)
        self.notes: list[str] = []
        if self.provider == "bedrock" and imported_model_arn(rest) == rest:
            fits = f"put a route before the ARN, bedrock/llama/arn:…; routes: {_ROUTES}"
            raise InputError("--model", "LiteLLM does not know the request format of this imported model", fits)
        if found is not None and route == "mistral":
            # LiteLLM puts the route's name and an unencoded ARN into the path, and the service refuses that.
            self.model = "bedrock/mistral.imported-model"
            self._parameters = {"model_id": name, "aws_region_name": imported_model_region(name), **self._parameters}
            self.notes.append(f"LiteLLM breaks the path of bedrock/mistral/<arn>; asked as {self.model} with model_id")

        if found is not None and route == "llama":
            # For each request, LiteLLM asks huggingface.co for a template with the ARN as its name, and some versions
            # put the route before it. It finds none, and joins the messages with spaces. This template does the same,
            # and the ARN stays on this machine.
            for known in (name, rest):
                litellm.register_prompt_template(model=known, tokenizer_config={"chat_template": _JOINED})

    @property
    def version(self) -> str:
        """The library's name and version."""
        return f"litellm {metadata.version('litellm')}"

    def catch(self, messages: Messages, max_tokens: int) -> Caught:
        """The request that LiteLLM would send.

        Raises:
            InputError: LiteLLM refuses to make the request (a parameter, a missing key), or sends it with its own
                client.
        """
        first: Exception | None = None
        for by_handler in (True, False) if self._by_handler is None else (self._by_handler,):
            try:
                self._call(messages, max_tokens, by_handler=by_handler)
                first = None
                break  # another client of LiteLLM's sent it
            except CaughtRequest as caught:
                found = self._caught(caught.request)
                if self._by_handler is None:
                    self._check_key(found)
                self._by_handler = by_handler
                return found
            except Exception as error:
                first = error if first is None or "'HTTPHandler' object" in str(first) else first
                if isinstance(error, litellm.UnsupportedParamsError):
                    break
        raise self._not_caught(first)

    def read(self, pieces: list[bytes], media_type: str) -> list[Event]:
        """The events of a recorded answer, by LiteLLM's own parser; `end` counts pieces."""
        recorded = Recorded(pieces)
        _TRANSPORT.play(recorded, media_type)
        events: list[Event] = []
        try:
            chunks = self._call(user_message("Hello"), 1, by_handler=bool(self._by_handler))
            events.extend(self.event(chunk, max(1, recorded.given)) for chunk in chunks)
        except Exception as error:
            _, _, failure = self.refusal(error, True)
            events.append(Event(max(1, recorded.given), failure=failure))
        finally:
            _TRANSPORT.play(None)
        return events

    async def open(self, messages: Messages, max_tokens: int) -> tuple[dict[bytes, bytes], AsyncIterator[Any]]:
        """Call LiteLLM's own streaming completion."""
        # The time of a hidden retry would count as the request's own time.
        stream: Any = await litellm.acompletion(**self._arguments(messages, max_tokens), max_retries=0)
        return _headers(getattr(stream, "_response_headers", None)), stream

    def event(self, chunk: Any, number: int) -> Event:
        """Turn a chunk of LiteLLM's into an event. It has token counts only if the provider counted them."""
        kind, text, finish_reason = OTHER, "", None
        if chunk.choices:
            choice = chunk.choices[0]
            finish_reason = choice.finish_reason
            text = choice.delta.content or ""
            kind = TEXT if text else OTHER
            if not text and (reasoning := getattr(choice.delta, "reasoning_content", None)):
                kind, text = REASONING, reasoning
        usage = None if self.estimates_usage else getattr(chunk, "usage", None)
        name = chunk.id if number == 1 and self.provider not in ("bedrock", "sagemaker_chat") else None
        if usage is None:
            return Event(number, kind, text, finish_reason, response_id=name)
        return Event(number, kind, text, finish_reason, usage.prompt_tokens, usage.completion_tokens, None, name)

    def refusal(self, error: Exception, streaming: bool) -> tuple[int | None, dict[bytes, bytes], Failure]:
        """Explain an error of LiteLLM's: the status, the answer's headers, the failure.

        LiteLLM's RateLimitError means both "not ready" and "throttled". The headers have the service's own name for it.
        """
        headers = _headers(getattr(getattr(error, "response", None), "headers", None))
        status = getattr(error, "status_code", None)
        name = headers.get(b"x-amzn-errortype", b"").decode("latin-1").partition(":")[0] or type(error).__name__
        text = _text_of(error, self._mask)
        if isinstance(error, litellm.Timeout):
            return None, headers, Failure(TIMEOUT, None, text, name)
        if streaming:
            return 200, headers, Failure(STREAM_ERROR, status if isinstance(status, int) else None, text, name)
        if not headers and _no_connection(error):
            return None, headers, Failure(CONNECT, None, text, name)
        if isinstance(status, int):
            return status, headers, Failure(HTTP_STATUS, status, text, name)
        return None, headers, Failure(STREAM_ERROR, None, text, name)

    def credentials(self) -> Any:
        """The AWS credentials that LiteLLM finds: from its parameters, its variables, or AWS's own chain."""
        return BaseAWSLLM().get_credentials(**{name: self._parameters.get(name) for name in _AWS_PARAMETERS})

    def _arguments(self, messages: Messages, max_tokens: int) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": chat_messages(messages),
            "max_tokens": max_tokens,
            "stream_options": {"include_usage": True},
            **self._parameters,
            "stream": True,
        }

    def _call(self, messages: Messages, max_tokens: int, *, by_handler: bool) -> Any:
        """Call LiteLLM so that its request goes to our transport.

        `by_handler`: give our transport to LiteLLM's own HTTP handler. Some routes use the openai package instead.
        Those get our transport through LiteLLM's client session.
        """
        arguments = self._arguments(messages, max_tokens)
        litellm.client_session = None if by_handler else _SESSION
        try:
            return litellm.completion(**arguments, **({"client": _HANDLER} if by_handler else {}))
        finally:
            litellm.client_session = None

    def _caught(self, request: httpx.Request) -> Caught:
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_CARRIED}
        url, path = request.url, _mended(request.url.raw_path.decode("ascii"))
        port = f":{url.port}" if url.port else ""
        host = f"[{url.host}]" if ":" in url.host else url.host
        if (named := request.headers.get("host", "")) not in (host, f"{host}{port}"):
            headers["Host"] = named  # the user's own
        given = [(name, value) for name, value in headers.items() if SECRET_HEADER.search(name)]
        found_secrets = [
            one for name, value in given if "Signature=" not in value for one in header_secrets(name, value)
        ]
        secrets = (*found_secrets, *url_secrets(path))
        found = _CREDENTIAL.search(headers.get("authorization", ""))
        if found is not None:
            headers = {name: value for name, value in headers.items() if name not in _SIGNATURE}
        signed_for = (found["region"], found["service"]) if found is not None else None
        made = HttpRequest(request.method, path, headers, request.read())
        return Caught(f"{url.scheme}://{host}{port}", made, signed_for, secrets)

    def _check_key(self, caught: Caught) -> None:
        """Check that a request has the key that its provider needs.

        Raises:
            InputError: the key is missing.
        """
        missing = self._missing()
        if missing.endswith("_KEY") and not caught.secrets and caught.signed_for is None:
            raise InputError(missing, f"not set, and {self._asked} needs it", "set it, or give --api-key")

    def _missing(self) -> str:
        """The names of the variables that the model's provider needs and that are not set."""
        if "api_key" in self._parameters:
            return ""
        return " and ".join(litellm.validate_environment(self.model).get("missing_keys") or [])

    def _not_caught(self, error: Exception | None) -> InputError:
        model = self._asked
        if error is None or _no_connection(error):  # our transport does not connect, so another client sent it
            return InputError("--litellm-mode", f"LiteLLM sends {model} with its own client", "use --litellm-mode sdk")
        if isinstance(error, litellm.UnsupportedParamsError):
            text = _text_of(error, self._mask).partition(". To drop these")[0]
            return InputError("--litellm-param", text, "leave it out, or add --litellm-param drop_params=true")
        missing = self._missing()
        if missing and self.provider == "bedrock":
            fits = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a --profile, or log in"
            return InputError("AWS credentials", f"LiteLLM found none: {_text_of(error, self._mask)}", fits)
        if missing:
            return InputError(missing, f"not set, and {model} needs it", "set it, or give --api-key")
        problem = f"LiteLLM cannot make a request for {model!r}: {_text_of(error, self._mask)}"
        return InputError("--model", problem, "see docs/litellm.md")


def _mended(path: str) -> str:
    """The runtime path with the imported model's ARN as one encoded segment, as the service needs it."""
    found = _RUNTIME_PATH.fullmatch(path)
    arn = imported_model_arn(unquote(found["model"])) if found is not None else None
    if found is None or arn is None:
        return path
    return f"{found['base']}/model/{quote(arn, safe='')}/{found['operation']}"


def _headers(given: Any) -> dict[bytes, bytes]:
    items = dict(given).items() if given else ()
    return {str(name).lower().encode("latin-1", "replace"): str(v).encode("latin-1", "replace") for name, v in items}


def _no_connection(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, httpx.ConnectError | openai.APIConnectionError | ConnectionError):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _text_of(error: Exception, mask: Masker) -> str:
    """The error's message in one line, masked, without the class names that LiteLLM puts before it."""
    text = mask.text(str(getattr(error, "message", None) or error)).partition("\nTraceback")[0]
    text = re.sub(r"^(litellm\.)?(\w+(Error|Exception|Timeout)\s*[:-]\s*)+", "", text.replace("litellm.", ""))
    _, brace, rest = text.partition("{")
    if brace and rest.rstrip().endswith("}"):
        text = error_text((brace + rest).encode())
    return " ".join(text.split())[:300] or type(error).__name__
