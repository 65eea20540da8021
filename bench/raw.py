"""Plain blocking sockets between two processes: how fast a round trip can be on this machine at this moment.

Waking the other process is nearly all of it. Rounds with equal numbers saw the same machine; compare within those only.

$ python bench/raw.py
13412
"""

from __future__ import annotations

import os
import socket
import time

MESSAGE_BYTES = 128
SECONDS = 1.0


def ping_pong(seconds: float = SECONDS) -> float:
    """Return round trips per second over loopback TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            _answer(listener)
            os._exit(0)
        try:
            return _ask(listener.getsockname(), seconds)
        finally:
            os.waitpid(child, 0)


def _answer(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(MESSAGE_BYTES):
        connection.sendall(data)


def _ask(address: tuple[str, int], seconds: float) -> float:
    message = b"x" * MESSAGE_BYTES
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter()
        end, count = start + seconds, 0
        while time.perf_counter() < end:
            connection.sendall(message)
            received = 0
            while received < MESSAGE_BYTES:
                received += len(connection.recv(MESSAGE_BYTES))
            count += 1
        return count / (time.perf_counter() - start)


if __name__ == "__main__":
    print(round(ping_pong()))
