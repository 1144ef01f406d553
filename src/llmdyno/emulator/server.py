"""The emulator's server: what its connections and routes share.

In: requests, as connections have read them. Out: tokens for the replies to write when the pure model says; the truth
about each request (times on CLOCK_MONOTONIC, ns). Which route answers a request is not its business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

from llmdyno.emulator import http, openai, routes, text
from llmdyno.emulator.anthropic_request import MESSAGES_PATH, VERSION_HEADER, given_key
from llmdyno.emulator.bedrock import REGION, ImportedModel, ServiceError, invalid
from llmdyno.emulator.bedrock_request import check_identifier
from llmdyno.emulator.bounds import Bounds, Room
from llmdyno.emulator.control import Control, Job, Model
from llmdyno.emulator.copies import Copies, Scaling
from llmdyno.emulator.counts import Counts
from llmdyno.emulator.dialect import Answer, Asked
from llmdyno.emulator.faults import GARBLE, SLOW, SLOW_S, Faults
from llmdyno.emulator.hosts import Hosts
from llmdyno.emulator.http import Request
from llmdyno.emulator.link import Link
from llmdyno.emulator.listener import Listener
from llmdyno.emulator.model import Deployment, Profile
from llmdyno.emulator.moto import AwsServices
from llmdyno.emulator.outcome import Outcome, Whole
from llmdyno.emulator.quotas import Quotas
from llmdyno.emulator.regions import Regions
from llmdyno.emulator.reply import Reply, Wire, write_script
from llmdyno.emulator.truth import Truth, Truths
from llmdyno.host.timer import Timer

_LATE_TOKENS = 1_000_000
_VOCABULARY = 4096
_LONGEST_MESSAGE = 300
_SHORTEST_MINUTE_S = 0.001


class Emulator:
    """A listening emulator. `url` is the base URL for OpenAI clients, `root` the endpoint URL for AWS's. `tell` gets
    what the user must know while it runs, one line at a time."""

    def __init__(
        self,
        profile: Profile,
        *,
        speed: float,
        seed: int,
        api_key: str | None = None,
        scaling: Scaling | None = None,
        faults: Faults | None = None,
        verify_signatures: bool = False,
        services: AwsServices | None = None,
        import_s: float = 600.0,
        legacy: bool = False,
        model_quota: int = 3,
        garble_above: int | None = None,
        bounds: Bounds | None = None,
        allowed_hosts: Iterable[str] = (),
        tell: Callable[[str], None] = print,
    ) -> None:
        self.bounds = bounds or Bounds()
        self.room = Room(self.bounds.held_bytes)
        self.hosts = Hosts("localhost", allowed_hosts)
        self._allowed_hosts = tuple(allowed_hosts)
        self._tell = tell
        self._garble_above = math.inf if garble_above is None else garble_above
        self.verify_signatures = verify_signatures
        model = Model("emulated0001", profile.name, time.time(), "llama", True, 2)
        self.model_arn = model.arn
        self.scaling = scaling or Scaling()
        quotas = Quotas(models=model_quota, copies=self.scaling.max_copies)
        self.regions = Regions(Control(import_s / speed, legacy, models=[model], quotas=quotas))
        self.services = services
        self.speed = speed
        self.copies: dict[str, Copies] = {}
        self.counts = Counts()
        self.faults = faults or Faults({})
        self.profile = profile
        self.deployment = Deployment(profile, speed=speed, seed=seed)
        self.truths = Truths(self.bounds.truth_bytes, tell)
        self.root = self.url = ""
        # Emulated time is the wall clock's when this one starts, and runs `speed` times as fast.
        self._since_s = time.time()
        self.label = f"profile={profile.name}; speed={speed:g}; since={self._since_s:.6f}"
        self.vocabulary = text.words(seed, _VOCABULARY)
        self.created = int(time.time())
        self.api_key = api_key
        self._replies: dict[int, Reply] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._late_ns: deque[int] = deque(maxlen=_LATE_TOKENS)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address or the port is not available.
        """
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(self, self._loop, self.bounds, self._tell)
        bound = self._listener.listen(host, port)
        self.hosts = Hosts(host, self._allowed_hosts)
        self.root = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        self.url = self.root + "/v1"
        self._timer = Timer(self._loop, self.work)
        if self.services is not None:
            self.spawn(self.publish())

    def close(self) -> None:
        """Stop listening and drop every connection."""
        for task in list(self._tasks):
            task.cancel()
        if self.services is not None:
            self.services.close()
        self._listener.close()
        self._timer.close()

    def remember(self) -> Truth:
        """Begin the truth about a request that has just arrived whole."""
        return self.truths.begin(time.monotonic_ns())

    def find_model(self, identifier: str, region: str) -> ImportedModel:
        """The model of an ARN or a name, as the runtime of a region sees it.

        Raises:
            ServiceError: it does not exist.
        """
        check_identifier(identifier, region)
        control = self.regions.at(region)
        try:
            model = control.find(identifier, time.time())
        except ServiceError:
            if identifier.startswith("arn:"):
                raise
            raise invalid("The provided model identifier is invalid.") from None
        mistral = control.legacy and model.architecture in ("mistral", "mixtral")
        return ImportedModel(model.arn, model.name, model.instruct, mistral)

    def model_facts(self) -> dict[str, Any]:
        """What a run must know of the imported model that exists from the start."""
        model = next(model for model in self.regions.models() if model.arn == self.model_arn)
        return {"model": model.arn, "region": REGION, "units": model.units, "units_version": model.units_version}

    def copies_of(self, arn: str) -> Copies:
        """A model's copies."""
        return self.copies.setdefault(arn, Copies(self.scaling, speed=self.speed))

    def follow_control(self) -> None:
        """After an operation: read what new jobs import, and forget the copies of deleted models."""
        for job in self.regions.jobs():
            if not job.reading:
                job.reading = True
                self.spawn(self.read_source(job))
        alive = {model.arn for model in self.regions.models()}
        self.copies = {arn: copies for arn, copies in self.copies.items() if arn in alive}

    async def read_source(self, job: Job) -> None:
        """Read what a job imports."""
        try:
            if self.services is None:
                raise RuntimeError("this emulator has no S3: pip install 'llmdyno[emulator]'")
            job.source = await self.services.read_source(job.request["modelDataSource"]["s3DataSource"]["s3Uri"])
        except Exception as error:
            job.problem = f"The S3 location could not be read: {error}"

    async def publish(self) -> None:
        """At the end of each minute of emulated time, publish ModelCopy and the runtime's metrics."""
        assert self.services is not None
        since_s, length_ns = self._since_s, int(60e9 / self.speed)
        ends_s = math.floor(since_s / 60) * 60
        while True:
            ends_s += 60
            await asyncio.sleep(max(_SHORTEST_MINUTE_S, since_s + (ends_s - since_s) / self.speed - time.time()))
            now_ns = time.monotonic_ns()
            data = self.counts.data(self.copies, now_ns - length_ns, now_ns)
            stamp = datetime.fromtimestamp(ends_s - 60, UTC)
            if data:
                with contextlib.suppress(Exception):  # the next minute's data will say as much
                    await self.services.publish([{**datum, "Timestamp": stamp} for datum in data])

    def lateness(self) -> bytes:
        """How late the last tokens were written (the emulator's own accuracy), and the CPU time it has used."""
        late = sorted(self._late_ns)
        at = {f"p{q}_ms": late[min(len(late) - 1, len(late) * q // 100)] / 1e6 for q in (50, 90, 99)} if late else {}
        return json.dumps({"tokens": len(late), **at, "cpu_s": time.process_time()}).encode()

    def forget_truth(self) -> None:
        """Forget the requests and the lateness."""
        self.truths.clear()
        self._late_ns.clear()

    def copies_truth(self) -> bytes:
        """The truth about copies and what they bill, by model."""
        now_ns = time.monotonic_ns()
        return json.dumps({arn: copies.truth(now_ns) for arn, copies in self.copies.items()}).encode()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest; hold a reference until it is done."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def authorised(self, request: Request) -> bool:
        """Whether a request needs no key, or carries it as its API wants; the route of messages looks by itself."""
        if self.api_key is None or not request.path.startswith("/v1/") or request.path == MESSAGES_PATH:
            return True
        if VERSION_HEADER in request.headers:
            return given_key(request.headers) == self.api_key
        return request.headers.get("authorization") == f"Bearer {self.api_key}"

    def handle(self, request: Request, wire: Wire) -> Outcome:
        """Decide what becomes of a request."""
        return routes.handle(self, request, wire)

    def failed(self, error: Exception) -> Whole:
        """The answer to a request that the emulator could not handle; the user is told."""
        what = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
        self._tell(f"a request failed within the emulator, which is a defect of it: {what}")
        refused = openai.Refusal(500, "InternalServerError", "the emulator failed; its terminal says why")
        return Whole(http.whole(refused.status, refused.body, self.label))

    def reply(
        self,
        wire: Wire,
        answer: Answer,
        asked: Asked,
        truth: Truth,
        *,
        from_ns: int | None = None,
        extra_s: float = 0.0,
        on_end: Callable[[Truth], None] | None = None,
    ) -> Reply:
        """A reply with the fault that its number draws; see :class:`Reply`."""
        fault = self.faults.of(truth.number)
        garbled = fault == GARBLE or self.deployment.running >= self._garble_above
        return Reply(
            wire,
            self,
            answer,
            asked,
            write_script(asked, truth.number, self.vocabulary, garbled=garbled),
            truth,
            fault=None if fault in (GARBLE, SLOW) else fault,
            from_ns=from_ns,
            extra_s=extra_s + (SLOW_S if fault == SLOW else 0.0),
            on_end=on_end,
        )

    def admit(self, reply: Reply) -> None:
        """Hand a request to the model, when its time has come."""
        delay_s = (reply.from_ns - self.now_ns()) / 1e9
        if delay_s > 0:
            self._loop.call_later(delay_s, self._admit, reply)
        else:
            self._admit(reply)

    def _admit(self, reply: Reply) -> None:
        if reply.over:
            return  # the client left while it waited
        try:
            self._enter(reply)
        except Exception as error:
            self._give_up(reply, error)

    def _give_up(self, reply: Reply, error: Exception) -> None:
        self.failed(error)
        reply.give_up()

    def _enter(self, reply: Reply) -> None:
        asked, own = reply.asked, None if reply.asked.ignore_eos else reply.script.length
        most = asked.max_tokens if own is None else min(own, asked.max_tokens)
        settled = asked.ignore_eos or own is not None
        number = self.deployment.arrive(
            reply.from_ns, asked.input_tokens, most, ignore_eos=settled, extra_s=reply.extra_s
        )
        self._replies[number] = reply
        reply.begin(number)
        self.wake()

    def leave(self, stream: int) -> None:
        """Make no more tokens for a stream of the model."""
        if self._replies.pop(stream, None) is not None:
            self.deployment.leave(self.now_ns(), stream)

    def now_ns(self) -> int:
        """The monotonic clock."""
        return time.monotonic_ns()

    def wake(self) -> None:
        """Set the timer to the next token."""
        time_ns = self.deployment.next_due_ns()
        if time_ns is not None:
            self._timer.set(time_ns)

    def work(self) -> None:
        """Write every token that is due."""
        for token in self.deployment.due(time.monotonic_ns()):
            reply = self._replies.get(token.stream)
            if reply is not None:
                self._late_ns.append(time.monotonic_ns() - token.due_ns)
                try:
                    reply.token(token.index, token.finish_reason)
                except Exception as error:
                    self._give_up(reply, error)
        self.wake()

    def watch(self, link: Link) -> None:
        """Have a connection look now and then whether it has waited too long."""
        self._listener.watch(link)

    def unwatch(self, link: Link) -> None:
        """A connection waits for nothing."""
        self._listener.unwatch(link)

    def forget(self, link: Link) -> None:
        """A connection is gone."""
        self._listener.forget(link)

    def speak_http2(self, sock: socket.socket, data: bytes) -> bool:
        """Go on in HTTP/2 on a socket that sent `data` first; False: the package for it is not installed."""
        return self._listener.speak_http2(sock, data)
