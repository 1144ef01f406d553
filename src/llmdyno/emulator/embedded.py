"""The emulator as a process of its own beside a run; it ends with the run.

In: a profile, a speed, a seed, more flags of `serve`. Out: URLs that answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmdyno.host.child import Child


class EmbeddedEmulator(Child):
    """A context in which the emulator answers.

    :meth:`ready` gives its facts: `url` (the base URL of OpenAI clients) and `root` (of Anthropic's and AWS's); of the
    imported model its ARN (`model`), `region`, `units` of a copy and `units_version`.
    """

    def __init__(self, profile: str, *, speed: float, seed: int, more: Sequence[str] = ()) -> None:
        line = ["-m", "llmdyno", "serve", "--port", "0", "--deployment", profile]
        super().__init__([*line, "--speed", repr(speed), "--seed", str(seed), "--embedded", *more])
