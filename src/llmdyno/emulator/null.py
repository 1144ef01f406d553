"""The null server: answers that cost nothing to make, so that a run against it measures the instrument alone.

In: a chat request for the model ``null-TTFT-GAP`` (milliseconds). Out: max_tokens chunks at exactly those times, all
with the same bytes. The truth about each request is at ``/truth``, in the emulator's format; its arrival is the
kernel's stamp. One epoll loop, no framework: it has to be faster than what it tests. Run as a module (with a PEM file:
over TLS), it prints its URL and ends with its parent.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import json
import re
import select
import socket
import ssl
import sys
import time
from array import array

from llmdyno.host.child import leave_with_parent
from llmdyno.host.limits import raise_open_files

SO_TIMESTAMPNS = 35
_CONTROL = socket.CMSG_SPACE(16) if hasattr(socket, "CMSG_SPACE") else 0
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: llmdyno-null\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_CHOICE = b'"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
_MODEL = re.compile(rb'"model":\s*"null-(\d+)-(\d+)"')
_TOKENS = re.compile(rb'"max_tokens":\s*(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_WORD = _chunk(b"data: {" + _CHOICE)


class _Connection:
    __slots__ = ("arrive_ns", "gap_ns", "left", "number", "pending", "sock", "tokens", "written")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pending = b""
        self.left = self.tokens = self.number = self.arrive_ns = self.gap_ns = 0
        self.written = array("q")


class NullServer:
    """One loop over one listener."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._due: list[tuple[int, int]] = []
        self._truth: list[str] = []
        self._count = 0
        self._full = self._told = False

    def serve(self) -> None:
        """Serve until the process ends."""
        monotonic_ns, due = time.monotonic_ns, self._due
        while True:
            wait_s = max(0.0, (due[0][0] - monotonic_ns()) / 1e9) if due else -1
            for fd, _ in self._epoll.poll(wait_s, 1024):
                if fd == self._listener.fileno():
                    self._accept()
                elif fd in self._connections:
                    self._read(self._connections[fd])
            now_ns = monotonic_ns()
            while due and due[0][0] <= now_ns:
                time_ns, fd = heapq.heappop(due)
                connection = self._connections.get(fd)
                if connection is not None and connection.left:
                    self._write(connection, time_ns)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._wait_for_room()
                    return
                continue  # this client has left already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock.setblocking(True)
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except OSError:
                    continue
            elif sys.platform == "linux":
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.setblocking(False)
            self._connections[sock.fileno()] = _Connection(sock)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _wait_for_room(self) -> None:
        """Out of files: accept nothing until a connection closes, so that the loop does not spin."""
        self._full = True
        self._epoll.unregister(self._listener.fileno())
        if not self._told:
            self._told = True
            message = f"at the limit of open files with {len(self._connections):,} connections"
            print(f"llmdyno null server: {message}", file=sys.stderr, flush=True)

    def _read(self, connection: _Connection) -> None:
        control: list[tuple[int, int, bytes]] = []
        try:
            if self._tls is not None:
                data = connection.sock.recv(65536)
            else:
                data, control, _, _ = connection.sock.recvmsg(65536, _CONTROL)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        if not data:
            self._connections.pop(connection.sock.fileno(), None)
            connection.sock.close()
            if self._full:
                self._full = False
                self._epoll.register(self._listener.fileno(), select.EPOLLIN)
            return
        connection.pending += data
        head, blank, body = connection.pending.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or len(body) < (int(length[1]) if length else 0):
            return
        connection.pending = b""
        arrive_ns = time.monotonic_ns()
        if control:  # the kernel stamps on the wall clock; the truth is on the monotonic one
            seconds, nanoseconds = array("q", control[0][2])
            stamped_ns = seconds * 1_000_000_000 + nanoseconds
            arrive_ns = min(arrive_ns, stamped_ns - (time.time_ns() - time.monotonic_ns()))
        self._answer(connection, head, body, arrive_ns)

    def _answer(self, connection: _Connection, head: bytes, body: bytes, arrive_ns: int) -> None:
        model = _MODEL.search(body)
        if head.startswith(b"POST /v1/chat/completions") and model is not None:
            tokens = _TOKENS.search(body)
            connection.number, connection.arrive_ns = self._count, arrive_ns
            connection.tokens = connection.left = int(tokens[1]) if tokens else 16
            connection.gap_ns = int(model[2]) * 1_000_000
            connection.written = array("q")
            self._count += 1
            heapq.heappush(self._due, (arrive_ns + int(model[1]) * 1_000_000, connection.sock.fileno()))
            return
        content = b"{}"
        if head.startswith(b"GET /truth"):
            content = "".join(self._truth).encode()
        elif head.startswith(b"POST /reset"):
            self._truth.clear()
        elif head.startswith(b"GET /v1/models"):
            content = b'{"object":"list","data":[]}'
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
        connection.sock.setblocking(True)
        with contextlib.suppress(OSError):  # a client that has left is read to its end next
            connection.sock.sendall(answer)
            connection.sock.sendall(content)
        connection.sock.setblocking(False)

    def _write(self, connection: _Connection, time_ns: int) -> None:
        first = connection.left == connection.tokens
        connection.left -= 1
        data = _WORD
        if first:
            data = _HEAD + _chunk(b'data: {"id":"chatcmpl-%032x",' % connection.number + _CHOICE)
        if not connection.left:
            usage = b'data: {"choices":[],"usage":{"completion_tokens":%d}}\n\n' % connection.tokens
            stop = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
            data += _chunk(stop + usage + b"data: [DONE]\n\n") + b"0\r\n\r\n"
        else:
            heapq.heappush(self._due, (time_ns + connection.gap_ns, connection.sock.fileno()))
        connection.written.append(time.monotonic_ns())
        with contextlib.suppress(OSError):
            connection.sock.send(data)
        if not connection.left:
            line = {
                "n": connection.number,
                "arrive": connection.arrive_ns,
                "end": connection.written[-1],
                "status": 200,
            }
            self._truth.append(json.dumps({**line, "t": connection.written.tolist()}) + "\n")


if __name__ == "__main__":
    context = None
    if len(sys.argv) > 1:  # a PEM file with certificate and key
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1])
    leave_with_parent()
    raise_open_files()
    server = NullServer(context)
    root = f"http{'s' * (context is not None)}://127.0.0.1:{server.port}"
    print(json.dumps({"url": root + "/v1", "root": root}), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
