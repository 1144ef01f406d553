"""The label of an emulator: read from a text, and asked for at a server."""

from __future__ import annotations

from collections.abc import Callable

from tests.support import ScriptedServer, response

from llmdyno.host.loopback import loopback
from llmdyno.timeline.emulated import Emulated, read_label
from llmdyno.transports.label import ask


def test_the_label() -> None:
    assert read_label("profile=p; speed=10; since=100.5") == Emulated("p", 10.0, 100.5)
    assert read_label("profile=p") == Emulated("p", 1.0, None)
    assert read_label("speed=fast") == Emulated("unknown", 1.0, None)
    assert read_label("") is None
    assert read_label(None) is None


def test_its_clock_runs_at_its_speed() -> None:
    assert Emulated("p", 10.0, 100.0).now(105.0) == 150.0
    assert Emulated("p", 10.0).now(105.0) == 105.0


def test_which_servers_have_a_label(emulator: str, scripted: Callable[..., ScriptedServer], free_port: int) -> None:
    found = ask(emulator)
    assert found is not None
    assert (found.profile, found.speed) == ("deepseek-r1-distill-llama-8b", 100.0)
    assert ask(emulator.removesuffix("/v1")) == found
    assert ask(scripted([]).url) is None
    refusing = scripted(
        [], models=response(b"{}", "401 Unauthorized", more="X-LLMDyno-Emulated: profile=p; speed=2\r\n")
    )
    assert ask(refusing.url) == Emulated("p", 2.0)
    assert ask(f"http://127.0.0.1:{free_port}") is None
    assert ask("https://bedrock-runtime.us-east-1.amazonaws.com") is None
    assert ask(None) is None


def test_addresses_of_this_machine() -> None:
    assert all(map(loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(loopback, ("bedrock-runtime.us-east-1.amazonaws.com", "10.0.0.1", "")))
