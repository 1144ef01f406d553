"""A name server that resolves nothing, for a child process and all of its own children.

In: a folder for its files. Out: environment variables for the child; and what it looked up, or tried to reach, beyond
this machine. The interpreter's audit events tell it. None of our own code is replaced.
"""

from __future__ import annotations

import os
from pathlib import Path

_HOOK = """
import os, socket, sys

sys.modules["uvloop"] = None  # its look-ups raise no audit events
LOCAL = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}
NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def look(event, arguments):
    if event in NAMES:
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in LOCAL:
        with open(os.environ["LLMDYNO_TEST_LOOKUPS"], "a") as file:
            print(host, file=file)
        raise socket.gaierror(socket.EAI_NONAME, f"no name server here ({host})")


sys.addaudithook(look)
"""


class Offline:
    """Children that find no name beyond this machine."""

    def __init__(self, folder: Path) -> None:
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(_HOOK, encoding="utf-8")
        self._log = folder / "lookups.txt"
        before = os.environ.get("PYTHONPATH")
        self.environ = {
            "PYTHONPATH": os.pathsep.join([str(folder / "hook"), *([before] if before else [])]),
            "LLMDYNO_TEST_LOOKUPS": str(self._log),
        }

    @property
    def looked_up(self) -> list[str]:
        """The names and addresses beyond this machine, in order."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
