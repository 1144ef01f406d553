"""The rest of AWS behind the emulator's URL: S3, IAM, STS and CloudWatch, answered by moto's server.

In: requests that no route of the emulator answers. Out: moto's answers, byte for byte. moto (the extra `emulator`) runs
as a child that ends with this process; the first request starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from llmdyno.emulator.bedrock import REGION
from llmdyno.emulator.imports import Source
from llmdyno.emulator.regions import arn_region

T = TypeVar("T")
_PATIENCE_S = 30.0
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "expect")
_CHILD = (
    "import sys;"
    "from llmdyno.host.child import leave_with_parent; leave_with_parent();"
    "from moto.server import main; main(sys.argv[1:])"
)
"""moto's own command, in a process that ends with ours."""


def available() -> bool:
    """Whether moto and boto3 are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("moto", "boto3", "flask"))


async def _in_thread(call: Callable[[], T]) -> T:
    """The result of a call that blocks. Its thread does not hold up the end of the process, unlike those of asyncio."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, problem = None, None
        try:
            result = call()
        except BaseException as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=work, name="call to moto", daemon=True).start()
    return await done


class AwsServices:
    """moto's server, started when first needed."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._up = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            TimeoutError: it has not answered within 30 s.
        """
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
        await asyncio.wait_for(self._up.wait(), _PATIENCE_S)

    async def forward(self, method: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
        """Pass a request on and return the whole answer, head and body."""
        await self.start()
        lines = [f"{method} {url} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if name not in _HOP_BY_HOP]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        if not answer:
            raise ConnectionError("it closed the connection")
        return answer

    async def read_source(self, uri: str) -> Source:
        """List an S3 URI and read its small files.

        Raises:
            Exception: what boto3 raises if the location cannot be read.
        """
        await self.start()
        return await _in_thread(lambda: self._read_source(uri))

    async def publish(self, data: list[dict[str, Any]]) -> None:
        """Put metric data into CloudWatch's namespace AWS/Bedrock, each model's in its region."""
        await self.start()
        await _in_thread(lambda: self._publish(data))

    def close(self) -> None:
        """End it."""
        if self._starting is not None:
            self._starting.cancel()
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.kill()
            self._process.wait()

    async def _start(self) -> None:
        command = [sys.executable, "-W", "ignore", "-c", _CHILD, "-H", "127.0.0.1", "-p", str(self._port)]
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter; starting it takes no time
            command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True
        )
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                self._up.set()
                return
            await asyncio.sleep(0.05)

    def _client(self, service: str, region: str = REGION) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self._port}",
            region_name=region,
            aws_access_key_id="emulator",
            aws_secret_access_key="emulator",  # noqa: S106  moto takes any
        )

    def _read_source(self, uri: str) -> Source:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        with contextlib.closing(self._client("s3")) as client:
            files: dict[str, int] = {}
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                files |= {item["Key"].removeprefix(prefix): item["Size"] for item in page.get("Contents", [])}

            def content(name: str) -> dict[str, Any] | None:
                if name not in files:
                    return None
                with contextlib.suppress(ValueError):
                    found = json.loads(client.get_object(Bucket=bucket, Key=prefix + name)["Body"].read())
                    return found if isinstance(found, dict) else None
                return None

            names = ("config.json", "tokenizer_config.json", "generation_config.json")
            return Source(files, *map(content, names))

    def _publish(self, data: list[dict[str, Any]]) -> None:
        by_region: dict[str, list[dict[str, Any]]] = {}
        for datum in data:
            region = arn_region(datum["Dimensions"][0]["Value"]) or REGION
            by_region.setdefault(region, []).append(datum)
        for region, part in by_region.items():
            with contextlib.closing(self._client("cloudwatch", region)) as client:
                client.put_metric_data(Namespace="AWS/Bedrock", MetricData=part)
