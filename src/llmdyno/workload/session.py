"""What one user works through: a session of one turn or more. PURE.

In: turns that a source of prompts made. Out: the next turn of a session, asked for one at a time. Most sessions have
a single turn. A conversation needs the last reply before it can say its next turn.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a turn: who says it (`system`, `user` or `assistant`) and its text."""

    role: str
    content: str


Messages = tuple[Message, ...]


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One request, before it is bytes.

    `number` is its number in the run: the warm-up first, then the measured requests; attempts to wake a model count
    down from −1. `input_tokens` is the prompt's length as counted, `max_tokens` the output length to ask for.
    `think_ns` is how long the user thinks before this turn, after the last reply.
    """

    number: int
    phase: str
    messages: Messages
    input_tokens: int
    max_tokens: int
    think_ns: int = 0


class Reply(msgspec.Struct, frozen=True):
    """What came of a turn: whether it succeeded, the answer's text, when it ended (monotonic ns)."""

    ok: bool
    text: str
    ended_ns: int


class Session(Protocol):
    """What one user works through.

    `offset_ns` is the planned instant of its first turn after the start of its phase; None in a closed loop.
    `needs_reply`: the next turn depends on the last reply, so the reply is decoded as soon as it has ended. A session
    that does not need it costs nothing between two sends.
    """

    @property
    def offset_ns(self) -> int | None: ...

    @property
    def needs_reply(self) -> bool: ...

    def next(self, last: Reply | None) -> Turn | None:
        """The next turn; `last` is the reply to the one before. None: the session is over."""
        ...


class Single:
    """A session of one turn."""

    __slots__ = ("_turn", "offset_ns")

    needs_reply = False

    def __init__(self, turn: Turn, offset_ns: int | None = None) -> None:
        self.offset_ns = offset_ns
        self._turn: Turn | None = turn

    def next(self, last: Reply | None) -> Turn | None:
        """Its turn, once."""
        turn, self._turn = self._turn, None
        return turn


class Slice(NamedTuple):
    """A worker's share of a phase: every session whose index modulo `workers` is `worker`."""

    worker: int = 0
    workers: int = 1

    def has(self, index: int) -> bool:
        """Whether the session at this index of the phase belongs to the slice."""
        return index % self.workers == self.worker

    def share(self, total: int) -> int:
        """How many of `total` belong to it."""
        return len(range(self.worker, total, self.workers))

    def at(self, own: int) -> int:
        """The index in the phase of this slice's own session or user."""
        return self.worker + own * self.workers


WHOLE = Slice()
"""The slice of the only worker."""


def user_message(text: str) -> Messages:
    """One message of the user's."""
    return (Message("user", text),)
