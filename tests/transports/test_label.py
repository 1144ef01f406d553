"""An emulator's label, asked for at a server of this machine."""

from __future__ import annotations

from collections.abc import Callable

from tests.support import ScriptedServer, response

from llmdyno.timeline.emulated import Emulated
from llmdyno.transports.label import ask


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
