"""The emulator: its model under a virtual clock, its wire under a client that is not ours, its truth."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import openai
import pytest
import uvloop

from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.http import Request
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES, Deployment, Profile
from llmdyno.emulator.openai import Refusal, read_request
from llmdyno.emulator.server import Emulator
from llmdyno.host.timer import Timer

REFERENCE = PROFILES[DEFAULT_PROFILE]
EXACT = replace(
    REFERENCE, prefill_s=0.1, prefill_per_token_s=0.001, prefill_sigma=0, gap_s=0.01, gap_per_stream_s=0.001,
    gap_sigma=0, pace_sigma=0, early_stop=0, max_running=2,
)  # fmt: skip
MS = 1_000_000


def play(deployment: Deployment, until_ns: int) -> list[tuple[int, int, int, str | None]]:
    """All tokens until a moment, as (ns, stream, index, finish reason)."""
    tokens = []
    while (moment := deployment.next_due_ns()) is not None and moment <= until_ns:
        tokens += [(token.due_ns, token.stream, token.index, token.finish_reason) for token in deployment.due(moment)]
    return tokens


def test_one_request_is_known_to_the_nanosecond() -> None:
    deployment = Deployment(EXACT)
    assert deployment.arrive(5, 100, 3) == 0
    assert play(deployment, 10**10) == [
        (5 + 200 * MS, 0, 0, None),
        (5 + 210 * MS, 0, 1, None),
        (5 + 220 * MS, 0, 2, "length"),
    ]
    assert deployment.running == 0


def test_the_gap_grows_with_the_batch_and_a_full_batch_makes_others_wait() -> None:
    deployment = Deployment(EXACT)
    for _ in range(3):
        deployment.arrive(0, 0, 3)
    tokens = play(deployment, 10**10)
    first = [moment for moment, stream, _, _ in tokens if stream == 0]
    third = [moment for moment, stream, _, _ in tokens if stream == 2]
    assert first == [100 * MS, 111 * MS, 122 * MS]
    assert third == [222 * MS, 232 * MS, 242 * MS]  # its prefill begins when a place is free; then it is alone


def test_speed_makes_every_span_shorter() -> None:
    deployment = Deployment(EXACT, speed=10)
    deployment.arrive(0, 100, 2)
    assert [moment for moment, *_ in play(deployment, 10**10)] == [20 * MS, 21 * MS]


def test_a_late_caller_makes_no_later_token_late() -> None:
    deployment = Deployment(EXACT)
    deployment.arrive(0, 0, 4)
    assert [token.due_ns for token in deployment.due(115 * MS)] == [100 * MS, 110 * MS]
    assert deployment.next_due_ns() == 120 * MS


def test_a_request_that_leaves_frees_its_place_in_the_batch() -> None:
    deployment = Deployment(EXACT)
    streams = [deployment.arrive(0, 0, 5) for _ in range(4)]
    deployment.leave(50 * MS, streams[0])
    deployment.leave(50 * MS, streams[3])
    deployment.leave(50 * MS, streams[0])
    tokens = play(deployment, 10**10)
    assert {stream for _, stream, _, _ in tokens} == {1, 2}
    assert next(moment for moment, stream, _, _ in tokens if stream == 2) == 150 * MS


def outcomes(count: int, ignore_eos: bool = False) -> tuple[list[float], list[int], list[str]]:
    """Requests alone, one after the other: first-token seconds, lengths, finish reasons."""
    deployment, firsts, lengths, reasons = Deployment(REFERENCE, seed=2), [], [], []
    for _ in range(count):
        deployment.arrive(0, 500, 1000, ignore_eos=ignore_eos)
        tokens = play(deployment, 10**12)
        firsts.append(tokens[0][0] / 1e9)
        lengths.append(len(tokens))
        reasons.append(str(tokens[-1][3]))
    return firsts, lengths, reasons


def test_the_reference_profile_shows_its_distribution_early() -> None:
    firsts, lengths, reasons = outcomes(40)
    assert statistics.median(firsts) == pytest.approx(0.378, rel=0.02)
    assert statistics.stdev(firsts) == pytest.approx(0.065, rel=0.15)
    assert 2 <= reasons.count("stop") <= 5
    assert all(300 <= length <= 900 for length, reason in zip(lengths, reasons, strict=True) if reason == "stop")
    _, whole, _ = outcomes(20, ignore_eos=True)
    assert set(whole) == {1000}


def test_the_same_seed_gives_the_same_answers() -> None:
    runs = [Deployment(REFERENCE, seed=9) for _ in range(2)]
    for deployment in runs:
        deployment.arrive(0, 500, 50)
    assert play(runs[0], 10**12) == play(runs[1], 10**12)


# --- the wire

WHOLE = {"ignore_eos": True}


@pytest.fixture(scope="module")
def client(emulator: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=emulator, api_key="any", max_retries=0)


def test_the_openai_client_reads_a_chat_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=DEFAULT_PROFILE,
        messages=[{"role": "user", "content": "one two three"}],
        max_tokens=12,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=WHOLE,
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert (texts[0], texts[-1]) == ("", None)
    assert len(texts) == 14
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 12, 15)
    assert {chunk.system_fingerprint for chunk in chunks} == {"llmdyno-emulator"}


def test_the_openai_client_reads_everything_else(client: openai.OpenAI) -> None:
    text = client.completions.create(model=DEFAULT_PROFILE, prompt="a", max_tokens=4, stream=True, extra_body=WHOLE)
    assert len([chunk for chunk in text if chunk.choices[0].text]) == 4
    whole = client.chat.completions.create(
        model=DEFAULT_PROFILE, messages=[{"role": "user", "content": "hi"}], max_tokens=5, extra_body=WHOLE
    )
    assert whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 5
    plain = client.completions.create(model=DEFAULT_PROFILE, prompt="a", max_tokens=3, extra_body=WHOLE)
    assert plain.choices[0].finish_reason == "length"
    [model] = client.models.list().data
    assert model.id == DEFAULT_PROFILE


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"model": "other"}, openai.NotFoundError, "does not exist"),
        ({"max_tokens": -1}, openai.BadRequestError, "at least 1"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"max_tokens": 10**6}, openai.BadRequestError, "context length"),
    ],
)
def test_the_openai_client_sees_refusals(
    client: openai.OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], message: str
) -> None:
    request: dict[str, Any] = {"model": DEFAULT_PROFILE, "messages": [{"role": "user", "content": "x"}], **fields}
    with pytest.raises(kind, match=message):
        client.chat.completions.create(**request)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model":"x"}'])
def test_bodies_that_are_not_requests(body: bytes) -> None:
    with pytest.raises(Refusal):
        read_request("/v1/completions", body, "m")


def get(url: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, **options)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_it_says_that_it_is_emulated_and_what_really_happened(emulator: str, client: openai.OpenAI) -> None:
    root = emulator.removesuffix("/v1")
    assert get(root + "/reset", method="POST")[0] == 200
    client.completions.create(model=DEFAULT_PROFILE, prompt="a", max_tokens=7, extra_body=WHOLE)
    status, headers, body = get(root + "/truth")
    assert status == 200
    label, _, since = headers["X-LLMDyno-Emulated"].partition("; since=")
    assert label == f"profile={DEFAULT_PROFILE}; speed=100"
    assert abs(float(since) - time.time()) < 600
    [truth] = [json.loads(line) for line in body.splitlines()]
    assert (truth["status"], len(truth["t"])) == (200, 7)
    assert truth["arrive"] < truth["t"][0] < truth["t"][-1] <= truth["end"]
    assert get(root + "/health")[0] == 200
    assert get(root + "/nothing")[0] == 404


def test_a_client_that_leaves_is_known(emulator: str, client: openai.OpenAI) -> None:
    root = emulator.removesuffix("/v1")
    get(root + "/reset", method="POST")
    stream = client.completions.create(model=DEFAULT_PROFILE, prompt="a", max_tokens=100_000, stream=True)
    next(iter(stream))
    stream.close()
    for _ in range(100):
        [truth] = [json.loads(line) for line in get(root + "/truth")[2].splitlines()]
        if truth["status"]:
            break
    assert truth["status"] == -1


@pytest.mark.parametrize(
    ("path", "headers", "accepted"),
    [
        ("/v1/models", {"authorization": "Bearer k"}, True),
        ("/v1/models", {"authorization": "Bearer x"}, False),
        ("/v1/models", {}, False),
        ("/v1/models", {"x-api-key": "k"}, False),
        ("/v1/models", {"x-api-key": "k", "anthropic-version": "2023-06-01"}, True),
        ("/v1/models", {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}, True),
        ("/v1/models", {"anthropic-version": "2026-10-21"}, False),
        ("/v1/nothing", {}, False),
        ("/truth", {}, True),
    ],
)
def test_a_key_is_asked_for_as_each_api_sends_it(path: str, headers: dict[str, str], accepted: bool) -> None:
    keyed = Emulator(REFERENCE, speed=1, seed=0, api_key="k")
    assert keyed.authorised(Request("GET", path, headers, b"")) is accepted


def test_the_embedded_emulator_ends_with_its_owner() -> None:
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=10.0, seed=1) as running:
        url = running.ready()["url"]
        assert get(url.removesuffix("/v1") + "/health")[0] == 200
        process = running._process
    assert process.returncode == 0
    with pytest.raises(urllib.error.URLError):
        get(url + "/models")


@pytest.mark.parametrize(
    "precise", [pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="timerfd")), False]
)
@pytest.mark.parametrize("factory", [None, uvloop.new_event_loop])
def test_the_timer_calls_once_at_its_last_set_moment(precise: bool, factory: Any) -> None:
    async def main() -> list[int]:
        calls: list[int] = []
        timer = Timer(asyncio.get_running_loop(), lambda: calls.append(time.monotonic_ns()), precise=precise)
        began = time.monotonic_ns()
        timer.set(began + 5 * 10**9)
        timer.set(began + 20 * MS)
        await asyncio.sleep(0.1)
        assert len(calls) == 1
        timer.set(0)  # long past: at once
        await asyncio.sleep(0.05)
        timer.set(time.monotonic_ns() + 30 * MS)
        timer.close()
        await asyncio.sleep(0.1)
        return [call - began for call in calls]

    with asyncio.Runner(loop_factory=factory) as runner:
        first, second = runner.run(main())
    assert first >= 20 * MS - 1 * MS
    assert second > first


def test_profiles_are_frozen_values() -> None:
    assert all(isinstance(profile, Profile) and profile.name == name for name, profile in PROFILES.items())
