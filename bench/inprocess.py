"""What one message costs one side, in microseconds: two nodes in one process, joined by sockets that are no sockets.

Everything is in it but the kernel and waking up: routing, access and flow control, channel, frames, worker queues. It
says little about other machines, and much about a change: the limits are generous, so that it can run anywhere.

$ python bench/inprocess.py
bytes   send µs   receive µs
   64       3.1          5.9
 1024       4.4          7.2
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time

from ockam import Context, Node, Routed, SecureChannelListenerOptions, Worker, route
from ockam.transport.tcp.connection import Mode, TcpConnection

MESSAGES = 20_000
RUNS = 5
CHUNK_BYTES = 64 * 1024
LIMITS_MICROSECONDS = {64: (40.0, 60.0), 1024: (50.0, 70.0)}
"""By size of the body: for sending, for receiving. Ten times what a slow machine needs."""


class MemorySocket:
    """Takes what is sent, gives what it was fed. Has a file descriptor that never gets ready."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.fed = memoryview(b"")
        self._real, self._other = socket.socketpair()

    def fileno(self) -> int:
        return self._real.fileno()

    def setblocking(self, flag: bool) -> None:
        """Nothing here blocks."""

    def setsockopt(self, *_: int) -> None:
        """There are no options."""

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def recv_into(self, view: memoryview) -> int:
        size = min(len(view), len(self.fed))
        if not size:
            raise BlockingIOError
        view[:size] = self.fed[:size]
        self.fed = self.fed[size:]
        return size

    def close(self) -> None:
        self._real.close()
        self._other.close()


class Sink(Worker[str]):
    """Counts messages."""

    def __init__(self) -> None:
        self.count = 0

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        self.count += 1


class Side:
    """A node, and its end of the connection."""

    def __init__(self, node: Node, mode: Mode) -> None:
        self.node = node
        self.socket = MemorySocket()
        self.connection = TcpConnection(node.runtime, self.socket, "memory", mode)  # type: ignore[arg-type]
        self.connection.start()

    async def feed(self, data: bytes | bytearray) -> None:
        """Let the connection read bytes, and the workers handle what is in them."""
        view = memoryview(bytes(data))
        for start in range(0, len(view), CHUNK_BYTES):
            self.socket.fed = view[start : start + CHUNK_BYTES]
            while self.socket.fed:
                self.connection._on_readable()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def take(self) -> bytearray:
        """Return what has been sent since the last call."""
        self.node.runtime.flush()
        taken, self.socket.sent = self.socket.sent, bytearray()
        return taken


async def measure(size: int) -> tuple[float, float]:
    """Return microseconds per message for sending and for receiving, the best of some runs."""
    async with Node() as alice_node, Node() as bob_node:
        alice, bob = Side(alice_node, Mode.OUTGOING), Side(bob_node, Mode.INCOMING)
        sink = Sink()
        options = SecureChannelListenerOptions(consumer_of=[bob.connection.flow_control_id])
        channels = await bob_node.create_secure_channel_listener(
            await bob_node.create_identity(), "bob_listener", options
        )
        await bob_node.start_worker("sink", sink)
        bob_node.flow_controls.add_consumer("sink", channels.flow_control_id)
        opening = asyncio.ensure_future(
            alice_node.create_secure_channel(
                await alice_node.create_identity(), route(alice.connection, "bob_listener")
            )
        )
        while not opening.done() or alice.socket.sent or bob.socket.sent:
            await bob.feed(alice.take())
            await alice.feed(bob.take())
        to_sink, body = route(await opening, "sink"), "x" * size
        best_send = best_receive = float("inf")
        for _ in range(RUNS):
            start = time.perf_counter()
            for _ in range(MESSAGES):
                await alice_node.send(to_sink, body)
            sent = alice.take()
            best_send = min(best_send, time.perf_counter() - start)
            sink.count = 0
            start = time.perf_counter()
            await bob.feed(sent)
            best_receive = min(best_receive, time.perf_counter() - start)
            assert sink.count == MESSAGES
        return best_send / MESSAGES * 1e6, best_receive / MESSAGES * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if a limit is exceeded")
    check = parser.parse_args().check
    print("bytes   send µs   receive µs")
    too_slow = False
    for size, limits in LIMITS_MICROSECONDS.items():
        measured = asyncio.run(measure(size))
        print(f"{size:>5}{measured[0]:>10.1f}{measured[1]:>13.1f}", flush=True)
        too_slow |= any(value > limit for value, limit in zip(measured, limits, strict=True))
    if check and too_slow:
        sys.exit(f"slower than {LIMITS_MICROSECONDS} microseconds (send, receive by size)")


if __name__ == "__main__":
    main()
