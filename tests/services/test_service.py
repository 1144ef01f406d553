"""Services are found by their folder's name, and a run's service by the run's facts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.services.runs import ARN, ONE_USER, make_run

from llmdyno.errors import InputError
from llmdyno.services.service import find, known_services, service_of


def test_the_listing_is_the_list() -> None:
    assert "bedrock_import" in known_services()
    for name in known_services():
        service = find(name)
        assert service.name == name
        assert service.scales_to_zero == (service.idle_s < float("inf"))


def test_an_unknown_service() -> None:
    with pytest.raises(
        InputError, match="service: 'calls' is not known; one of bedrock_hours, bedrock_import, bedrock_tokens"
    ):
        find("calls")


def test_the_service_of_a_run(tmp_path: Path) -> None:
    by_facts = service_of(make_run(tmp_path, ONE_USER))
    assert by_facts is not None
    assert by_facts.name == "bedrock_import"
    by_name = service_of(make_run(tmp_path, ONE_USER, facts=None, api="litellm", model=f"bedrock/llama/{ARN}"))
    assert by_name is by_facts
    assert service_of(make_run(tmp_path, ONE_USER, facts=None, api="openai", model="m")) is None


def test_asking_whose_model_it_is_loads_no_bill() -> None:
    """Every run asks before it sends, so its first request must not wait for what only `cost` needs."""
    script = (
        "import sys; from llmdyno.services.service import service_of_model; assert service_of_model('m') is None;"
        "print(*sorted(name for name in sys.modules if name.startswith('llmdyno.services.')))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = {name.rpartition(".")[2] for name in printed.split()}
    assert {"service", "identity"} <= loaded
    assert not loaded & {"account", "calls", "copies", "cost", "prices", "report", "traffic"}
