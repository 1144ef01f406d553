"""What the decoders of Bedrock's event streams share: frames in, one dialect's events out.

It takes the bytes of a body in any pieces. It gives the events that a subclass reads in each frame, and a failure for
what is no event: an error frame, a broken frame, a stream that ends early. It does not know what a payload means.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llmdyno.protocols.dialect import error_text
from llmdyno.protocols.events import BROKEN_STREAM, MALFORMED_EVENT, STREAM_ERROR, Event, Failure
from llmdyno.protocols.eventstream import EventStreamDecoder, Frame
from llmdyno.protocols.values import count_of, loads, object_of

MEDIA_TYPE = "application/vnd.amazon.eventstream"
METRICS = "amazon-bedrock-invocationMetrics"
"""The field of a stream's last chunk in which the service tells its counts and its latencies."""


class _Payload(msgspec.Struct):
    content: bytes | None = msgspec.field(default=None, name="bytes")


_payload = msgspec.json.Decoder(_Payload).decode


def content_of(event_type: str, payload: bytes) -> bytes | None:
    """The model's own JSON in the payload of a chunk frame; None: the frame holds none.

    Raises:
        ValueError: the payload cannot be read.
    """
    return _payload(payload).content if event_type == "chunk" else None


def object_in_chunk(content: bytes) -> dict[str, Any]:
    """The JSON object that a model wrote.

    Raises:
        ValueError: it is something else.
    """
    chunk = loads(content)
    if not isinstance(chunk, dict):
        raise ValueError("it is not an object")
    return chunk


def with_latencies(event: Event, chunk: dict[str, Any]) -> Event:
    """The event with the latencies of a chunk's invocation metrics, if it has some."""
    metrics = object_of(chunk.get(METRICS))
    latency_ms = count_of(metrics.get("invocationLatency"))
    if latency_ms is None:
        return event
    first_ms = count_of(metrics.get("firstByteLatency"))
    return msgspec.structs.replace(event, server_latency_ms=latency_ms, server_first_byte_ms=first_ms)


class FrameReader:
    """What both of Bedrock's decoders share.

    It checks the frames, turns error frames into failures and notices a stream that ends early. Nothing counts after
    the end mark or a failure. `events` counts the frames so far; `finished` says that the answer has ended.
    """

    def __init__(self) -> None:
        self.events = 0
        self.finished = False
        self._frames = EventStreamDecoder()
        self._end = 0
        self._reported = False
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes."""
        events: list[Event] = []
        for frame in self._frames.feed(data):
            if not self._over:
                events += self._event(frame)
        if self._over:
            return events
        if self._frames.broken is not None and not self._reported:
            self._reported = self.finished = True
            events.append(Event(self._end, failure=Failure(MALFORMED_EVENT, None, self._frames.broken)))
        return events

    def close(self) -> list[Event]:
        """A failure if the stream ended before the answer."""
        if self.finished:
            return []
        if self._frames.pending:
            what = f"the stream ended inside a frame, after {self.events} events"
        elif self.events:
            what = f"the stream ended after {self.events} events without a stop reason"
        else:
            what = "the answer holds no event"
        kind = BROKEN_STREAM if self.events or self._frames.pending else MALFORMED_EVENT
        return [Event(self._end, failure=Failure(kind, None, what))]

    def _event(self, frame: Frame) -> list[Event]:
        self._end = frame.end
        self.events += 1
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "event":
            try:
                events = self.read(frame.end, str(headers.get(":event-type")), frame.payload)
            except (ValueError, RecursionError) as error:
                shown = frame.payload[:80].decode("utf-8", "replace")
                message = f"event {self.events} ({shown!r}): {error}"
                events = [Event(frame.end, failure=Failure(MALFORMED_EVENT, None, message))]
        else:
            events = [Event(frame.end, failure=frame_failure(frame))]
        self._over = events[-1].end_mark or events[-1].failure is not None
        self.finished = self.finished or self._over
        return events

    def read(self, end: int, event_type: str, payload: bytes) -> list[Event]:
        """Read one event frame; each dialect has its own.

        Raises:
            ValueError: the payload cannot be read.
        """
        raise NotImplementedError


def frame_failure(frame: Frame) -> Failure:
    """The failure in an exception frame or an error frame.

    An exception's name begins with a capital here, as in the header of an HTTP error.
    """
    headers = frame.headers
    if headers.get(":message-type") == "exception":
        name = str(headers.get(":exception-type"))
        text = error_text(frame.payload)
        return Failure(STREAM_ERROR, None, text or "no message", name[:1].upper() + name[1:100])
    text = str(headers.get(":error-message", "no message"))
    return Failure(STREAM_ERROR, None, text[:300], str(headers.get(":error-code", "unknown"))[:100])
