"""What really happened to each request, as the emulator saw it.

In: times of the monotonic clock. Out: a line of JSON at ``/truth``, for a client on the same host to compare with.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field


@dataclass(slots=True)
class Truth:
    """What really happened to one request, in monotonic ns. `status` is 0 until the end, −1 if the client left."""

    number: int
    arrive_ns: int
    end_ns: int = 0
    status: int = 0
    written_ns: array[int] = field(default_factory=lambda: array("q"))

    def line(self) -> str:
        """The request as a line of JSON."""
        times = ",".join(map(str, self.written_ns))
        return (
            f'{{"n":{self.number},"arrive":{self.arrive_ns},"end":{self.end_ns},'
            f'"status":{self.status},"t":[{times}]}}\n'
        )
