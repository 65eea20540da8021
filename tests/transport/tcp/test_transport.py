from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
from typing import Any

import pytest

from ockam.core.access_control import DENY_ALL
from ockam.core.address import Address
from ockam.core.route import Route, route
from ockam.errors import Kind, Misuse, NotFound, Origin, TimedOut
from ockam.node import Node
from ockam.runtime import NodeStopping
from ockam.transport.errors import (
    BindFailed,
    ConnectionTimedOut,
    InvalidSocketAddress,
    PeerNotFound,
    TransportFailed,
)
from ockam.transport.tcp import connection as connection_module
from ockam.transport.tcp.connection import Mode
from tests.asynchronous import asynchronous, settle, until
from tests.runtime.running import Recorder
from tests.transport.tcp.raw_peers import ANY_PORT, dialled_peer, raw_peer, served


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(
    ("listen", "connect"),
    [
        ("127.0.0.1:0", "127.0.0.1:{port}"),
        ("127.0.0.1:0", "{port}"),
        ("127.0.0.1:0", ":{port}"),
        ("127.0.0.1:0", "localhost:{port}"),
        ("0.0.0.0:0", "localhost:{port}"),
        pytest.param("[::1]:0", "[::1]:{port}", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
    ],
)
def test_connecting(listen: str, connect: str) -> None:
    @asynchronous
    async def check() -> None:
        async with served(listen) as here, Node() as node:
            assert here.listener.port > 0
            assert str(here.listener.port) in repr(here.listener)
            tcp = await node.create_tcp_transport()
            assert await node.create_tcp_transport() is tcp
            connection = await tcp.connect(connect.format(port=here.listener.port))
            answer = await node.send_and_receive(route(connection, "echoer"), "hi", reply=str)
            assert answer == "hi"
            (accepted,) = here.tcp.connections
            assert (connection.mode, accepted.mode) == (Mode.OUTGOING, Mode.INCOMING)
            assert tcp.connections == (connection,)
            assert tcp.connection(connection.address) is connection
            assert "outgoing" in repr(connection)
            sent = connection.statistics()
            assert sent | {"bytes_waiting": 0} == sent
            got = accepted.statistics()
            assert (sent["frames_out"], sent["frames_in"]) == (1, 1) == (got["frames_in"], got["frames_out"])
            assert (sent["bytes_out"], sent["bytes_in"]) == (got["bytes_in"], got["bytes_out"])

    check()


@asynchronous
async def test_every_connect_opens_a_connection() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        connections = [await tcp.connect(here.listener.socket_address) for _ in range(5)]
        assert len({connection.address for connection in connections}) == 5
        for connection in connections:
            assert await node.send_and_receive(route(connection, "echo"), b"x") == b"x"
        assert len(here.tcp.connections) == 5


@asynchronous
async def test_socket_options() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(here.listener.socket_address)
        await node.send_and_receive(route(connection, "echo"), b"")
        for sock in (connection._socket, here.tcp.connections[0]._socket):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        dialled = connection._socket
        assert dialled.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 300
            assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 75
            assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 2


def test_keepalive_where_the_system_knows_only_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_KEEPIDLE", raising=False)
    test_socket_options()


@asynchronous
async def test_where_nobody_can_listen() -> None:
    async with served() as here:
        for text in ("localhost:0", "nonsense", "1.2.3:4"):
            with pytest.raises(InvalidSocketAddress):
                await here.tcp.listen(text)
        with pytest.raises(BindFailed, match="cannot listen on") as error:
            await here.tcp.listen(here.listener.socket_address)
        assert (error.value.origin, error.value.kind) == (Origin.TRANSPORT, Kind.IO)
        with pytest.raises(BindFailed):
            await here.tcp.listen("192.0.2.1:0")
        await here.node.shutdown()
        with pytest.raises(NodeStopping):
            await here.tcp.listen(ANY_PORT)


@asynchronous
async def test_nobody_there() -> None:
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            with pytest.raises(PeerNotFound, match="nothing listens") as error:
                await tcp.connect(f"127.0.0.1:{port}")
        assert (error.value.origin, error.value.kind) == (Origin.TRANSPORT, Kind.MISUSE)
        with pytest.raises(InvalidSocketAddress):
            await tcp.connect("no port")
        with pytest.raises(PeerNotFound, match="no host is called"):
            await tcp.connect("no-such-host.invalid:1")
        assert node.statistics()["workers"] == 1


def test_a_network_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynchronous
    async def check() -> None:
        async with Node() as node:
            tcp = await node.create_tcp_transport()
            loop = node.runtime.loop

            async def fail(*_: object) -> None:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")

            with monkeypatch.context() as patch:
                patch.setattr(loop, "sock_connect", fail)
                with pytest.raises(TransportFailed) as error:
                    await tcp.connect("192.0.2.1:1")
            assert (error.value.kind, type(error.value.__cause__)) == (Kind.IO, OSError)

            def full(*_: object) -> None:
                raise OSError(errno.EMFILE, "Too many open files")

            with monkeypatch.context() as patch:
                patch.setattr("ockam.transport.tcp.transport.socket.socket", full)
                with pytest.raises(TransportFailed, match="Too many open files"):
                    await tcp.connect("192.0.2.1:1")

    check()


def test_a_connection_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynchronous
    async def check() -> None:
        async with Node() as node:
            tcp = await node.create_tcp_transport()

            async def never(*_: object) -> None:
                await asyncio.Event().wait()

            monkeypatch.setattr(node.runtime.loop, "sock_connect", never)
            with pytest.raises(ConnectionTimedOut, match=r"^connection timed out") as error:
                await tcp.connect("192.0.2.1:1", timeout=0.01)
            assert (error.value.origin, error.value.kind) == (Origin.TRANSPORT, Kind.IO)
            waiting = asyncio.create_task(tcp.connect("192.0.2.1:1"))
            await settle()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    check()


def test_a_socket_that_ends_while_it_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynchronous
    async def check() -> None:
        async with served() as here, Node() as node:
            start = here.node.statistics()
            tcp = await node.create_tcp_transport()

            def fail(connection: connection_module.TcpConnection) -> None:
                raise OSError(errno.EINVAL, "Invalid argument")

            with monkeypatch.context() as patch:
                patch.setattr(connection_module.TcpConnection, "start", fail)
                with pytest.raises(TransportFailed, match="ended at once"):
                    await tcp.connect(here.listener.socket_address)
                assert await closes_at_once(here.listener.socket_address)
            assert tcp.connections == here.tcp.connections == ()
            assert here.node.statistics() == start
            async with raw_peer(here) as peer:
                assert await peer.echo("x", "echoer") == "x"

    async def closes_at_once(address: str) -> bool:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        return data == b""

    check()


@asynchronous
async def test_connecting_while_the_node_stops() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        connecting = asyncio.create_task(tcp.connect(here.listener.socket_address))
        await node.shutdown()
        with pytest.raises(NodeStopping):
            await connecting
        assert tcp.connections == ()


@asynchronous
async def test_a_closed_listener_leaves_its_connections() -> None:
    async with served() as here, raw_peer(here) as peer:
        assert await peer.echo("before", "echoer") == "before"
        await here.listener.close()
        await here.listener.close()
        assert await peer.echo("after", "echoer") == "after"
        async with Node() as node:
            tcp = await node.create_tcp_transport()
            with pytest.raises(PeerNotFound):
                await tcp.connect(here.listener.socket_address)
        assert here.tcp.listeners == (here.listener,)


@asynchronous
async def test_disconnecting() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        start = node.statistics()
        for by_address in (True, False):
            connection = await tcp.connect(here.listener.socket_address)
            await node.send_and_receive(route(connection, "echo"), b"")
            await tcp.disconnect(connection.address if by_address else connection)
            assert connection.is_closed
            with pytest.raises(NotFound):
                await tcp.disconnect(connection)
            await connection.close()
            await until(lambda: here.tcp.connections == ())
            assert node.flow_controls.producer(connection.address) is None
        connection = await tcp.connect(here.listener.socket_address)
        await node.stop_address(connection.address)  # stopping the sender is disconnecting
        assert connection.is_closed
        connection = await tcp.connect(here.listener.socket_address)
        await asyncio.gather(connection.close(), connection.close())
        await settle()
        assert node.statistics() == start


@asynchronous
async def test_a_receiver_takes_no_messages_and_a_sender_sends_none() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(here.listener.socket_address)
        await node.send(connection.receiver_address, b"refused")
        await node.send(connection, b"")  # a heartbeat
        assert node.runtime.table[connection.address.value].outgoing is DENY_ALL
        found = node.context.find_terminal_address(route(connection, "echo"))
        assert found is not None
        assert found[0] == connection.address
        assert await node.send_and_receive(route(connection, "echo"), b"x") == b"x"


@asynchronous
async def test_answers_to_plain_messages_need_a_consumer() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(here.listener.socket_address)
        await node.send(route(connection, "echo"), b"dropped")
        await node.send_and_receive(route(connection, "echo"), b"")  # that one has been here by now
        with pytest.raises(TimedOut):
            await node.receive(timeout=0.01)
        node.flow_controls.add_consumer("app", connection.flow_control_id)
        await node.send(route(connection, "echo"), b"taken")
        assert (await node.receive()).body == b"taken"


@asynchronous
async def test_a_connection_may_be_a_consumer_of_another() -> None:
    async with served() as here, served() as middle, Node() as node:
        onward = await middle.tcp.connect(here.listener.socket_address, consumer_of=(middle.listener.flow_control_id,))
        first = await (await node.create_tcp_transport()).connect(middle.listener.socket_address)
        # The answer comes from the middle's dialled connection, which may only reach its consumers.
        asking = asyncio.create_task(node.send_and_receive(route(first, onward.address, "echo"), b"x"))
        await until(lambda: len(middle.tcp.connections) == 2)
        back = next(c for c in middle.tcp.connections if c is not onward)
        middle.node.flow_controls.add_consumer(back.address, onward.flow_control_id)
        assert await asking == b"x"


@asynchronous
async def test_resolving_routes() -> None:
    async with served() as here, Node() as node:
        tcp = await node.create_tcp_transport()
        there = f"1#{here.listener.socket_address}"
        local = route("a", "b")
        assert await tcp.resolve(local) is local
        resolved = await tcp.resolve(route("hop", there, "echo"))
        (connection,) = tcp.connections
        assert resolved == route("hop", connection, "echo")
        with pytest.raises(Misuse, match="only one transport hop is allowed in a route") as error:
            await tcp.resolve(route(there, there))
        assert (error.value.origin, error.value.kind) == (Origin.TRANSPORT, Kind.INVALID)
        with pytest.raises(NotFound, match="the transport is not registered for address 2#") as missing:
            await tcp.resolve(Route((Address(2, b"127.0.0.1:1"),)))
        assert (missing.value.origin, missing.value.kind) == (Origin.TRANSPORT, Kind.NOT_FOUND)
        with pytest.raises(InvalidSocketAddress):
            await tcp.resolve(Route((Address(1, b"\xff\xff"),)))


@asynchronous
async def test_shutting_down_closes_everything() -> None:
    async with served() as here, raw_peer(here) as peer:
        await peer.echo("x", "echoer")
        await here.node.shutdown()
        assert await peer.is_closed()
        assert here.node.runtime.statistics() == {"workers": 0, "addresses": 0, "tasks": 0}
        here.tcp._accept(socket.socket(), "late", here.listener)  # closed at once


def test_without_free_descriptors_a_listener_waits_and_goes_on() -> None:
    program = """
import asyncio, resource, socket
from ockam import Node, Echo, route
from ockam.transport.tcp import listener as module
module.RETRY_SECONDS = 0.01

async def main():
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen("127.0.0.1:0")
        await node.start_worker("echo", Echo())
        node.flow_controls.add_consumer("echo", listener.flow_control_id)
        client = await tcp.connect(listener.socket_address)
        await node.send_and_receive(route(client, "echo"), b"")
        failures = []
        module.log.warning = lambda *words: failures.append(words)
        waiting = socket.socket()
        waiting.setblocking(False)
        used = max(client._fd, waiting.fileno(), *(c._fd for c in tcp.connections))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            waiting.connect(("127.0.0.1", listener.port))
        except BlockingIOError:
            pass
        while len(failures) < 2:
            await asyncio.sleep(0.001)
        assert await node.send_and_receive(route(client, "echo"), b"served") == b"served"
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        assert await asyncio.get_running_loop().sock_recv(waiting, 1) == b"\\x01"
        waiting.close()

asyncio.run(main())
print("done")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (result.stdout, result.returncode) == ("done\n", 0), result.stderr


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EPERM])
def test_accepting_fails(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynchronous
    async def check() -> None:
        async with served() as here:

            class Failing:
                def __init__(self, inner: socket.socket) -> None:
                    self.inner = inner

                def accept(self) -> Any:
                    raise OSError(number, "no")

                def __getattr__(self, name: str) -> Any:
                    return getattr(self.inner, name)

            inner = here.listener._socket
            here.listener._socket = Failing(inner)  # type: ignore[assignment] # what it uses of a socket
            here.listener._on_readable()
            here.listener._try_again()
            here.listener._socket = inner
            async with raw_peer(here) as peer:
                assert await peer.echo("x", "echoer") == "x"
            await here.listener.close()
            here.listener._try_again()

    check()


@asynchronous
async def test_reading_and_writing_fail() -> None:
    async with served() as here:
        for role in ("read", "write", "backlog"):
            recorder = Recorder()
            async with Node() as node, dialled_peer(node) as (connection, peer):
                assert await peer.read_version() == 1
                await node.start_worker("recorder", recorder)
                sock = connection._socket
                connection._socket = Broken(sock, role)  # type: ignore[assignment] # what it uses of a socket
                if role == "read":
                    await peer.write(b"\x00")
                    assert await peer.is_closed()
                else:
                    for _ in range(3):
                        await node.send(route(connection, "x"), bytes(20_000)) if not connection.is_closed else None
                await until(lambda: connection.is_closed)
        assert here.tcp.connections == ()


class Broken:
    """A socket that fails at the first reading or writing, or takes a part and then fails."""

    def __init__(self, inner: socket.socket, role: str) -> None:
        self.inner = inner
        self.role = role

    def recv_into(self, buffer: memoryview) -> int:
        if self.role == "read":
            raise ConnectionResetError
        return self.inner.recv_into(buffer)

    def send(self, data: bytes) -> int:
        if self.role == "backlog":
            self.role = "write"
            return 1
        raise BrokenPipeError

    def close(self) -> None:
        self.inner.close()
