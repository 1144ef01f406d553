"""The contract of targets: which module a spec means, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import MODELS, ScriptedServer, command, response
from tests.targets.helpers import refusal, settled

from llmdyno.errors import InputError
from llmdyno.runs.environment import Emulation
from llmdyno.runs.server import Server
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import (
    api_of,
    common_notes,
    emulation,
    emulation_of,
    known_apis,
    known_emulation,
    managed_service,
    secrets_of,
    settle_route,
    target_module,
    template_of,
)
from llmdyno.timeline.emulated import Emulated
from llmdyno.workload.session import user_message

APIS = ["anthropic", "bedrock", "emulator", "litellm", "openai"]
LABEL = "x-llmdyno-emulated: profile=p; speed=4; since=100.5\r\n"


def test_the_folder_lists_the_apis() -> None:
    assert known_apis() == APIS


@pytest.mark.parametrize("api", APIS)
def test_every_api_fulfils_the_contract(api: str) -> None:
    module = target_module(api)
    assert all(callable(getattr(module, name)) for name in ("resolve", "service", "url", "preflight", "open_target"))


@pytest.mark.parametrize("api", ["OpenAI", "target", "_served", "", None])
def test_an_unknown_api_is_refused(api: str | None) -> None:
    with pytest.raises(InputError) as caught:
        target_module(api)
    assert str(caught.value) == f"--api: {api!r} is not known; what fits: anthropic, bedrock, emulator, litellm, openai"


def test_an_unknown_api_is_exit_code_2_with_the_list(tmp_path: Path) -> None:
    result = command("run", "--api", "opneai", "--requests", "1", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    fits = "what fits: anthropic, bedrock, emulator, litellm, openai"
    assert result.stderr == f"llmdyno: --api: 'opneai' is not known; {fits}\n"


@pytest.mark.parametrize(
    ("keys", "api"),
    [
        ({}, "emulator"),
        ({"base_url": "http://h/v1"}, "openai"),
        ({"api": "litellm", "base_url": "http://h"}, "litellm"),
    ],
)
def test_which_api_a_spec_means(keys: dict[str, Any], api: str) -> None:
    assert api_of(Spec(**keys)) == api


def test_resolving_settles_the_api_and_the_seed() -> None:
    assert (settled().api, settled().seed) == ("emulator", 42)
    given = settled(base_url="http://h:1/v1", requests=1, seed=7)
    assert (given.api, given.seed) == ("openai", 7)


def test_a_load_that_nothing_ends_is_refused() -> None:
    fits = "give one or both, so that the run ends"
    assert refusal(base_url="http://h/v1") == ("--requests", "neither --requests nor --duration is given", fits)


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"insecure": True, "ca_file": "f"}, "--insecure and --ca-file"),
        ({"client_key": "f"}, "--client-key"),
    ],
)
def test_what_contradicts_itself_is_refused_for_every_api(keys: dict[str, Any], where: str) -> None:
    assert refusal(base_url="https://h/v1", requests=1, **keys)[0] == where
    assert refusal(api="anthropic", requests=1, **keys)[0] == where


def test_a_route_is_one_of_the_apis_or_its_first() -> None:
    assert settle_route(Spec(api="openai"), ("chat", "completions")) == "chat"
    assert settle_route(Spec(api="openai", route="completions"), ("chat", "completions")) == "completions"
    with pytest.raises(InputError) as caught:
        settle_route(Spec(api="openai", route="invoke"), ("chat", "completions"))
    assert str(caught.value) == "--route: 'invoke' is no route of --api openai; what fits: chat, completions"


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({}, "bedrock_import"),
        ({"route": "chat"}, None),
        ({"base_url": "http://h/v1", "requests": 1}, None),
        ({"api": "anthropic", "requests": 1}, None),
        ({"api": "bedrock", "model": "m", "requests": 1}, "bedrock_import"),
        ({"api": "litellm", "model": "openai/m", "requests": 1}, None),
    ],
)
def test_the_managed_service_behind_an_endpoint(keys: dict[str, Any], name: str | None) -> None:
    assert managed_service(settled(**keys)) == name


def test_only_the_embedded_emulator_is_known_without_asking() -> None:
    assert known_emulation(Spec(deployment="p", speed=20)) == Emulated("p", 20.0)
    assert known_emulation(Spec()).speed == 10.0  # type: ignore[union-attr]
    assert known_emulation(Spec(base_url="http://127.0.0.1:1/v1")) is None


def test_a_server_on_this_machine_is_asked_what_it_emulates(scripted: Callable[..., ScriptedServer]) -> None:
    emulated = scripted([], models=response(MODELS, more=LABEL))
    plain = scripted([])
    assert emulation_of(settled(base_url=emulated.url, requests=1), {}) == Emulated("p", 4.0, 100.5)
    assert emulation_of(settled(base_url=plain.url, requests=1), {}) is None
    assert emulated.asked == plain.asked == [b"GET /v1/models HTTP/1.1"]


def test_a_server_elsewhere_is_not_asked(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted([], models=response(MODELS, more=LABEL))
    assert emulation_of(settled(base_url=server.url, unix_socket="/s", requests=1), {}) is None
    assert server.asked == []
    assert emulation_of(settled(base_url="http://8.8.8.8/v1", requests=1), {}) is None


def test_a_label_as_the_environment_holds_it() -> None:
    assert emulation("profile=p; speed=4; since=100.5") == Emulation("p", 4.0, False, 100.5)
    assert emulation(None) is None


def test_secrets_are_the_spec_s_and_what_the_target_found() -> None:
    spec = Spec(api_key="k", headers={"X-Team": "blue", "Authorization": "Bearer token"})
    assert secrets_of(spec, Server(secrets=("s",))) == ("k", "token", "s")
    assert secrets_of(Spec(base_url="http://h?a=b&sig=c"), Server(secrets=("d",))) == ("c", "d")
    assert secrets_of(Spec(), Server()) == ()


def test_notes_on_the_way_to_the_endpoint() -> None:
    assert common_notes(Spec(), None) == ()
    assert common_notes(Spec(insecure=True), "p:1") == (
        "the server's certificate is NOT VERIFIED (--insecure)",
        "through the proxy p:1",
    )
    assert common_notes(Spec(unix_socket="/s", headers={"A": "b", "host": "h"}), None) == (
        "through the Unix socket /s",
        "with the Host header h",
    )


def test_a_chat_template_is_applied_to_the_text_of_a_turn(tmp_path: Path) -> None:
    hello = user_message("hello")
    assert template_of("none")(hello) == hello
    file = tmp_path / "tokenizer_config.json"
    file.write_text('{"chat_template": "<{{ messages[0][\'content\'] }}>"}', encoding="utf-8")
    assert template_of(str(file))(hello) == user_message("<hello>")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{}", "it has no chat_template"),
        ("no JSON", "Expecting value"),
        ('{"chat_template": "{{ nothing.at.all }}"}', "its chat_template does not render"),
    ],
)
def test_a_template_that_cannot_be_used(tmp_path: Path, content: str | None, problem: str) -> None:
    file = tmp_path / "t.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        template_of(str(file))
    assert caught.value.where == "--chat-template"
    assert problem in caught.value.problem
    assert caught.value.fits.endswith("or a tokenizer_config.json with a chat_template")
