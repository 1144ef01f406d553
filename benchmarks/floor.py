"""The least that a Python client can spend: an epoll loop that sends, reads, stamps and counts, and nothing else.

    python benchmarks/floor.py PORT STREAMS REQUESTS TOKENS MODEL

It drives a closed loop over keep-alive connections and prints ``cpu_us/chunk=…``. A floor client in C is a stricter
comparison. The fidelity benchmark takes one by ``--floor`` or ``LLMDYNO_FLOOR``, and calls it with PORT STREAMS
REQUESTS TOKENS.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

END = b"0\r\n\r\n"


def main(port: int, streams: int, requests: int, tokens: int, model: str) -> None:
    """Drive the loop and print the CPU time a chunk."""
    message = {"role": "user", "content": "a " * 500}
    body = json.dumps(
        {"model": model, "stream": True, "max_tokens": tokens, "ignore_eos": True, "messages": [message]}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    wire = head.encode() + body
    epoll, chunks, done = select.epoll(), 0, 0
    sockets: dict[int, socket.socket] = {}
    stamps: list[int] = []
    left = requests
    for _ in range(min(streams, requests)):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        sockets[sock.fileno()] = sock
        epoll.register(sock.fileno(), select.EPOLLIN)
        sock.send(wire)
        left -= 1
    while done < requests:
        for number, _ in epoll.poll():
            data = sockets[number].recv(65536)
            stamps.append(time.monotonic_ns())
            chunks += data.count(b"data: {")
            if data.endswith(END):
                done += 1
                if left:
                    left -= 1
                    sockets[number].send(wire)
    used = time.process_time()
    print(f"requests={done} chunks={chunks} cpu={used:.3f}s cpu_us/chunk={used / chunks * 1e6:.2f}")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:5]]
    main(numbers[0], numbers[1], numbers[2], numbers[3], sys.argv[5] if len(sys.argv) > 5 else "truth")
