from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import ockam
from ockam import (
    Echoer,
    Misuse,
    NotFound,
    Processor,
    RelayServiceOptions,
    TimedOut,
    route,
)
from ockam.core.access_control import ALLOW_ALL
from ockam.errors import AlreadyExists
from ockam.runtime.errors import NodeStopping, UnknownAddress
from ockam.storage.errors import HomeInUse
from ockam.sync import Context, Node
from ockam.testing import FixedClock, FixedRandom
from ockam.transport.errors import PeerNotFound
from tests.sync.talking import connected

if TYPE_CHECKING:
    from pathlib import Path

# What there is only asynchronously, and why.
NOT_HERE = {
    "runtime": "for parts of the library",
    "channel_services": "for parts of the library",
    "secure_channels": "for parts of the library",
    "identities": "use `run`",
    "home": "given by the program",
    "database": "given by the program",
    "secrets": "for parts of the library",
    "policies": "use `run`",
    "clock": "given by the program",
    "random": "given by the program",
    "delayed_event": "needs the loop; use `run`",
    "start_persisted_secure_channel_decryptor": "its result is for the loop; use `run`",
    "create_enrollment_service": "use `run`",
    "create_enroller": "use `run`",
    "create_enrollee": "use `run`",
}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_it_has_the_methods_of_the_asynchronous_node() -> None:
    later = public(ockam.Node) - public(Node) - set(NOT_HERE)
    # Names that are new in `ockam.Node`: give them a blocking form, or a reason.
    assert later == set()


@pytest.mark.parametrize("name", sorted(public(ockam.Node) & public(Node)))
def test_its_methods_take_the_same_arguments(name: str) -> None:
    ours, theirs = getattr(Node, name), getattr(ockam.Node, name)
    if isinstance(theirs, property):
        assert isinstance(ours, property)
        return

    def arguments(function: object) -> list[tuple[str, object, object]]:
        assert callable(function)
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert arguments(ours) == arguments(theirs)


def test_it_is_made_with_the_same_arguments() -> None:
    ours, theirs = (inspect.signature(cls).parameters for cls in (Node, ockam.Node))
    assert {name: p.default for name, p in theirs.items()} == {
        name: p.default for name, p in ours.items() if name != "worker_threads"
    }


def test_a_channel_between_two_nodes() -> None:
    with connected() as pair:
        pair.server.start_worker("echoer", Echoer())
        pair.server.flow_controls.add_consumer("echoer", pair.channels.flow_control_id)
        assert pair.channel.their_identifier == pair.bob
        assert pair.channel.identifier == pair.alice
        assert pair.channel.remote_route.next == pair.connection.address
        assert pair.client.send_and_receive(route(pair.channel, "echoer"), "hello", reply=str) == "hello"
        assert pair.client.send_and_receive(route(pair.channel, "echoer"), "hello") == b"\x05hello"

        # Over another connection.
        tcp = pair.client.create_tcp_transport()
        another = tcp.connect(f"127.0.0.1:{pair.listener.port}", timeout=10)
        assert {connection.address for connection in tcp.connections} == {pair.connection.address, another.address}
        pair.channel.update_remote_node_route(another)
        tcp.disconnect(pair.connection)
        assert pair.connection.is_closed
        assert pair.client.send_and_receive(route(pair.channel, "echoer"), "again", reply=str) == "again"
        assert another.statistics()["frames_out"] >= 1
        assert another.receiver_address != another.address
        assert another.flow_control_id != pair.connection.flow_control_id
        assert repr(another).startswith("TcpConnection")

        pair.server.flow_controls.remove_consumer("echoer", pair.channels.flow_control_id)
        with pytest.raises(TimedOut):
            pair.client.send_and_receive(route(pair.channel, "echoer"), "hello", timeout=0.05)

        waiting = threading.Thread(target=pair.channel.wait_closed)
        waiting.start()
        pair.channel.close()
        waiting.join(10)
        assert not waiting.is_alive()
        assert pair.channel.is_closed
        another.close()
        pair.channels.close()
        pair.listener.close()
        assert [listener.address for listener in pair.server.create_tcp_transport().listeners] == [
            pair.listener.address
        ]
        assert pair.channels.identifier == pair.bob
        assert str(pair.channels.address) == "0#api"
        for made in (pair.channel, pair.channels, pair.listener):
            assert repr(made).startswith(type(made).__name__)
        assert pair.client.statistics() == {"workers": 1, "addresses": 1, "tasks": 0, "secure_channels": 0}


def test_identities_and_credentials() -> None:
    with Node(clock=FixedClock(), random=FixedRandom("sync")) as node:
        office, alice = node.create_identity("office"), node.ensure_identity("alice")
        assert node.identity_named("alice") == alice == node.ensure_identity("alice")
        assert node.identity_named("nobody") is None
        with pytest.raises(AlreadyExists):
            node.create_identity("alice")
        credential = node.issue_credential(office, alice, {"team": "robots"}, ttl_seconds=60)
        assert node.verify_credential(credential, alice, [office]).attributes["team"] == "robots"
        history = node.export_identity(alice)
        attestation = node.run(node.asynchronous.identities.secure_channel_purpose_key, alice).attestation
        node.verify_purpose_key_attestation(attestation.encode(), alice)
        with Node(clock=FixedClock()) as other:
            assert other.import_identity(history, alice) == alice


def test_a_relay() -> None:
    with Node() as cloud, Node() as robot, Node() as app:
        listener = cloud.create_tcp_transport().listen("127.0.0.1:0")
        ids = [listener.flow_control_id]
        service = cloud.create_relay_service(RelayServiceOptions(service_consumer_of=ids, relays_consumer_of=ids))
        connection = robot.create_tcp_transport().connect(listener.socket_address)
        robot.start_worker("echoer", Echoer())
        robot.flow_controls.add_consumer("echoer", connection.flow_control_id)
        relay = robot.create_relay(route(connection), "robot", timeout=10)
        assert service.relays == (relay.remote_address,)
        assert relay.name == "robot"
        assert relay.remote_route.recipient == relay.remote_address
        to_cloud = app.create_tcp_transport().connect(listener.socket_address)
        hops = route(to_cloud, "forward_to_robot", "echoer")
        assert app.send_and_receive(hops, "hi", reply=str) == "hi"
        assert relay.address in robot.list_workers()
        relay.close()
        assert relay.address not in robot.list_workers()


def test_messages_and_contexts() -> None:
    with Node() as node:
        node.send("app", "to myself")
        message = node.receive(str)
        assert (message.body, message.sender) == ("to myself", node.context.address)
        with pytest.raises(TimedOut):
            node.receive(timeout=0.01)
        context = node.new_detached("other", incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        assert isinstance(context, Context)
        context.send(route("app"), b"bytes")
        context.send_from_address("app", b"from", "other")
        assert [node.receive().body, node.receive().body] == [b"bytes", b"from"]
        context.send("other", "again")
        received = context.receive(str)
        assert received.body == "again"
        context.forward(received.local_message)
        assert context.receive(str).body == "again"
        third = context.new_detached()
        assert third.is_worker_registered_at(third.address)
        third.stop()
        context.stop()
        assert "app" in repr(node.context)
        with pytest.raises(UnknownAddress):
            node.stop_address("other")


class Once(Processor):
    def __init__(self) -> None:
        self.done = threading.Event()

    async def process(self, ctx: ockam.Context) -> bool:
        self.done.set()
        return False


def test_a_processor_runs_on_the_loop() -> None:
    with Node() as node:
        processor = Once()
        node.start_processor("once", processor)
        assert processor.done.wait(10)


# ---- errors, threads, life -------------------------------------------------------------------------------------------


def test_errors_are_those_of_the_asynchronous_node() -> None:
    with Node() as node:
        with pytest.raises(NotFound, match="No such alias: 0#nobody"):
            node.send("nobody", "hello")
        with pytest.raises(PeerNotFound):
            node.create_tcp_transport().connect("127.0.0.1:1")
        with pytest.raises(TypeError):
            node.send("app", 3)  # type: ignore[arg-type]  # what a program may do by mistake


def test_it_lives_once() -> None:
    before = threading.active_count()
    node = Node()
    with pytest.raises(Misuse, match="not started"):
        node.send("app", "")
    with pytest.raises(Misuse, match="not running"):
        node.create_identity()
    node.start()
    with pytest.raises(Misuse, match="started already"):
        node.start()
    assert threading.active_count() == before + 1
    node.close()
    node.close()
    assert threading.active_count() == before
    with pytest.raises(Misuse, match="not running"):
        node.list_workers()
    Node().close()


def test_a_home_is_for_one_node_and_is_let_go(tmp_path: Path) -> None:
    with Node(home=tmp_path / "home") as node:
        me = node.ensure_identity("me")
        before = threading.active_count()
        with pytest.raises(HomeInUse):
            Node(home=tmp_path / "home").start()
        assert threading.active_count() == before
    with Node(home=tmp_path / "home") as node:
        assert node.identity_named("me") == me


def test_a_loop_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("too many open files")

    before = threading.active_count()
    monkeypatch.setattr(asyncio, "new_event_loop", fail)
    monkeypatch.setattr(asyncio.events, "new_event_loop", fail)
    with pytest.raises(OSError, match="too many open files"):
        Node().start()
    assert threading.active_count() == before


def test_on_its_own_loop_it_refuses() -> None:
    with Node() as node:

        async def blocking() -> None:
            node.send("app", "")

        async def ending() -> None:
            node.shutdown()

        with pytest.raises(Misuse, match="would wait for itself"):
            node.run(blocking)
        with pytest.raises(Misuse, match="would wait for itself"):
            node.run(ending)
        node.send("app", "still works")


def test_in_a_thread_with_another_loop_it_works_as_in_a_notebook() -> None:
    async def cell() -> str:
        with Node() as node:
            node.start_worker("echoer", Echoer())
            return node.send_and_receive("echoer", "from a cell", reply=str)

    assert asyncio.run(cell()) == "from a cell"


def test_calls_of_other_threads_end_with_the_node() -> None:
    errors: list[BaseException] = []
    with Node() as node:
        waits = node.new_detached("waits", incoming=ALLOW_ALL)

        def wait() -> None:
            try:
                waits.receive(timeout=None)
            except BaseException as error:
                errors.append(error)

        async def never() -> None:
            await asyncio.Event().wait()

        def hang() -> None:
            try:
                node.run(never)
            except BaseException as error:
                errors.append(error)

        threads = [
            threading.Thread(target=wait),
            threading.Thread(target=hang),
            threading.Thread(target=node.wait_stopped),
        ]
        for thread in threads:
            thread.start()
        while node.asynchronous.runtime.is_stopping or not waits._context._waiters:
            node.list_workers()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(errors) <= 2
    assert all(isinstance(error, NodeStopping) for error in errors)


PROGRAM = """
import threading
from ockam.sync import Node, Worker

class Waits(Worker[bytes]):
    def shutdown(self, ctx):
        print("worker ended", flush=True)

with Node() as node:
    node.start_worker("waits", Waits())
    node.send("waits", b"")
    try:
        print("waiting", flush=True)
        node.receive(timeout=None)
    except KeyboardInterrupt:
        print("interrupted", node.send("app", "works"), node.receive(bytes).body[1:].decode(), flush=True)
    node.wait_stopped()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_ctrl_c_interrupts_what_waits() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    os.kill(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "interrupted None works\n"
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert out == "worker ended\n"
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode == -signal.SIGINT


def test_a_forgotten_node_does_not_keep_a_program() -> None:
    program = "from ockam.sync import Node; node = Node(); node.start(); print(len(node.list_workers()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "1\n"
