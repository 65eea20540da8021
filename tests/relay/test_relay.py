"""Relays of every kind, over sockets: three nodes, or a node and a bare socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ockam.core.access_control import ALLOW_ALL
from ockam.core.address import Address
from ockam.core.message import LocalMessage, Routed, encode_body
from ockam.core.route import Route, route
from ockam.errors import Kind, Origin, TimedOut
from ockam.node import Node
from ockam.relay.messages import InvalidRelayName
from ockam.relay.workers import service as service_module
from ockam.relay.workers.relay import Relay
from ockam.relay.workers.service import RelayService, RelayServiceOptions
from ockam.runtime import Echoer, NodeStopping
from ockam.secure_channel.options import SecureChannelListenerOptions
from ockam.transport.framing import encode_frame
from tests.asynchronous import asynchronous, settle, until
from tests.interop.raw import RawConnection
from tests.runtime.running import Recorder
from tests.transport.tcp.raw_peers import dialled_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.relay.workers.remote import RemoteRelay
    from ockam.transport.tcp import TcpListener, TcpTransport

ANY_PORT = "127.0.0.1:0"


class Middle:
    """The node that everybody can reach."""

    def __init__(self, node: Node, tcp: TcpTransport, listener: TcpListener, service: RelayService) -> None:
        self.node = node
        self.tcp = tcp
        self.listener = listener
        self.service = service

    @property
    def address(self) -> str:
        return self.listener.socket_address


@asynccontextmanager
async def middle(**options: object) -> AsyncIterator[Middle]:
    """A node with a relay service as nodes of the reference have it."""
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(ANY_PORT)
        given: dict[str, object] = {
            "prefix": "forward_to_",
            "aliases": ["static_forwarding_service"],
            "service_consumer_of": [listener.flow_control_id],
            "relays_consumer_of": [listener.flow_control_id],
        }
        service = await node.create_relay_service(RelayServiceOptions(**(given | options)))  # type: ignore[arg-type]
        yield Middle(node, tcp, listener, service)


@asynccontextmanager
async def raw(there: Middle) -> AsyncIterator[RawConnection]:
    async with RawConnection.open(there.address) as peer:
        assert await peer.read_version() == 1
        yield peer


@asynccontextmanager
async def registered(there: Middle, name: str | None = "bob") -> AsyncIterator[tuple[Node, RemoteRelay]]:
    """A node whose worker `echoer` can be reached through a relay."""
    async with Node() as node:
        connection = await (await node.create_tcp_transport()).connect(there.address)
        await node.start_worker("echoer", Echoer())
        node.flow_controls.add_consumer("echoer", connection.flow_control_id)
        yield node, await node.create_relay(route(connection), name)


async def ask(there: Middle, *hops: str, timeout: float = 5.0) -> str:
    async with Node() as node:
        connection = await (await node.create_tcp_transport()).connect(there.address)
        return await node.send_and_receive(route(connection, *hops), "Hello Ockam!", reply=str, timeout=timeout)


# ---- registering and being reached -----------------------------------------------------------------------------------


@asynchronous
async def test_a_node_is_reached_through_a_named_relay() -> None:
    async with middle() as there, registered(there) as (node, relay):
        assert relay.remote_address == Address.local("forward_to_bob")
        assert relay.remote_route.recipient == relay.remote_address
        assert there.service.relays == (Address.local("forward_to_bob"),)
        assert await ask(there, "forward_to_bob", "echoer") == "Hello Ockam!"
        with pytest.raises(TimedOut):
            await ask(there, "forward_to_bob", "app", timeout=0.05)  # not opened to that connection
        await relay.close()
        await relay.close()
        assert node.runtime.record_of(relay.address) is None


@asynchronous
async def test_a_node_is_reached_through_a_relay_of_any_name() -> None:
    async with middle() as there, registered(there, None) as (_, relay), registered(there, None) as (_, other):
        assert relay.remote_address is not None
        name = relay.remote_address.value.decode()
        assert len(name) == len("forward_to_") + 32
        assert relay.remote_address != other.remote_address
        assert await ask(there, name, "echoer") == "Hello Ockam!"


@asynchronous
async def test_a_channel_over_a_relay() -> None:
    async with middle() as there, registered(there) as (bob_node, _), Node() as alice_node:
        bob, alice = await bob_node.create_identity(), await alice_node.create_identity()
        (connection,) = (await bob_node.create_tcp_transport()).connections
        channels = await bob_node.create_secure_channel_listener(
            bob, "bob_listener", SecureChannelListenerOptions(consumer_of=[connection.flow_control_id])
        )
        await bob_node.start_worker("secret", Echoer())
        bob_node.flow_controls.add_consumer("secret", channels.flow_control_id)
        channel = await alice_node.create_secure_channel(
            alice, route(f"1#{there.address}", "forward_to_bob", "bob_listener")
        )
        for number in range(100):
            body = str(number) * 50
            assert await alice_node.send_and_receive(route(channel, "secret"), body, reply=str) == body


@asynchronous
async def test_a_relay_registered_over_a_channel() -> None:
    async with Node() as there, Node() as node:
        hub = await there.create_identity()
        listener = await (await there.create_tcp_transport()).listen(ANY_PORT)
        channels = await there.create_secure_channel_listener(
            hub, "api", SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        )
        service = await there.create_relay_service(
            RelayServiceOptions(
                prefix="forward_to_",
                aliases=["static_forwarding_service"],
                service_consumer_of=[channels.flow_control_id],
                relays_consumer_of=[listener.flow_control_id],
            )
        )
        bob = await node.create_identity()
        channel = await node.create_secure_channel(bob, route(f"1#{listener.socket_address}", "api"))
        await node.start_worker("echoer", Echoer())
        node.flow_controls.add_consumer("echoer", channel.flow_control_id)
        await node.create_relay(route(channel), "bob")
        assert service.relays
        async with Node() as asker:
            connection = await (await asker.create_tcp_transport()).connect(listener.socket_address)
            hops = route(connection, "forward_to_bob", "echoer")
            assert await asker.send_and_receive(hops, "hi", reply=str) == "hi"


# ---- the service -----------------------------------------------------------------------------------------------------

REQUEST = bytes.fromhex(
    "00000049 838182 00 5819 7374617469635f666f7277617264696e675f73657276696365 8182 00 5820"
    + "6333" * 16
    + "44 03626f62"
)
CONFIRMATION = bytes.fromhex(
    "81 82 00 5820" + "6333" * 16 + "8182 00 4e 666f72776172645f746f5f626f62 4f 0e666f72776172645f746f5f626f62"
)
R = route("c3" * 16)


async def register(peer: RawConnection, name: str, service: str = "static_forwarding_service", own: Route = R) -> None:
    await peer.send(route(service), own, bytes(encode_body(name)))


@asynchronous
async def test_the_exact_bytes_of_a_registration() -> None:
    async with middle() as there, raw(there) as peer:
        await peer.write(REQUEST)
        onward, back, payload = await peer.receive()
        assert onward.cbor + back.cbor + b"\x4f" + payload == CONFIRMATION
        # What comes then leaves without the registering worker, and with the return route as it was.
        async with raw(there) as asker:
            await asker.send(route("forward_to_bob", "echo"), route("d1"), b"\x02hi")
            onward, back, payload = await peer.receive()
            assert (onward, payload) == (route("echo"), b"\x02hi")
            assert (len(back), back.recipient) == (2, Address.local("d1"))
            await peer.send(back, route("echo"), b"\x02yo")
            onward, back, payload = await asker.receive()
            assert (onward, payload, back.recipient) == (route("d1"), b"\x02yo", Address.local("echo"))


async def confirmed(peer: RawConnection) -> str:
    onward, back, payload = await peer.receive()
    assert onward.addresses[0] in R.addresses
    assert bytes(encode_body(back.recipient.value.decode())) == payload
    return back.recipient.value.decode()


@asynchronous
async def test_names_that_cannot_be_are_not_answered() -> None:
    async with middle() as there, raw(there) as peer:
        for name in ("", "a#b", "0#x", "#", "a" * 129, "a\nb", "\x00"):
            await register(peer, name)
        await peer.send(route("forwarding_service"), R, b"\xff")
        await register(peer, "ünï cödé")
        assert await confirmed(peer) == "forward_to_ünï cödé"
        assert len(there.service.relays) == 1


@asynchronous
async def test_the_service_under_its_names_and_prefix() -> None:
    async with middle(prefix="", aliases=["other"]) as there, raw(there) as peer:
        await register(peer, "lost")  # nobody is at static_forwarding_service
        for service in ("forwarding_service", "other"):
            await register(peer, f"at_{service}", service)
            assert await confirmed(peer) == f"at_{service}"
        await register(peer, "register", "forwarding_service")
        assert len(await confirmed(peer)) == 32


@asynchronous
async def test_a_name_is_had_by_the_last_to_register_it() -> None:
    async with middle() as there, raw(there) as first, raw(there) as second:
        await register(first, "bob")
        assert await confirmed(first) == "forward_to_bob"
        await register(second, "bob")
        assert await confirmed(second) == "forward_to_bob"
        async with raw(there) as asker:
            await asker.send(route("forward_to_bob", "echo"), route("d1"), b"to whom?")
            assert (await second.receive())[2] == b"to whom?"
        assert len(there.service.relays) == 1
        await there.node.stop_address("forward_to_bob")
        await register(first, "bob")
        assert await confirmed(first) == "forward_to_bob"


@asynchronous
async def test_the_place_of_another_worker_cannot_be_taken() -> None:
    async with middle(prefix="") as there, raw(there) as peer:
        recorder = Recorder()
        await there.node.start_worker("precious", recorder)
        await register(peer, "mine", "forwarding_service")
        assert await confirmed(peer) == "mine"
        await there.node.stop_address("mine")
        await there.node.start_worker("mine", recorder)  # its former place is another's now
        for name in ("precious", "app", "forwarding_service", "static_forwarding_service", "mine"):
            await register(peer, name, "forwarding_service")
        await register(peer, "free", "forwarding_service")
        assert await confirmed(peer) == "free"
        await there.node.send("precious", b"still there")
        assert await recorder.next() == b"still there"


@asynchronous
async def test_who_may_have_which_name() -> None:
    asked: list[str] = []

    async def authorize(message: Routed[str], name: str) -> bool:
        asked.append(name)
        if name == "broken":
            raise ValueError
        return name == "bob"

    async with middle(authorize=authorize) as there, raw(there) as peer:
        for name in ("alice", "broken", "register", "bob"):
            await register(peer, name)
        assert await confirmed(peer) == "forward_to_bob"
        assert (asked[0], asked[1], asked[3]) == ("alice", "broken", "bob")
        assert len(asked[2]) == 32
        assert len(there.service.relays) == 1


def test_the_number_of_relays_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MAX_RELAYS", 3)

    @asynchronous
    async def check() -> None:
        async with middle() as there:
            async with raw(there) as gone:
                for number in range(3):
                    await register(gone, f"gone{number}")
                    await confirmed(gone)
                await register(gone, "one too many")
                await register(gone, "gone0")  # that one is there already
                assert await confirmed(gone) == "forward_to_gone0"
                assert len(there.service.relays) == 3
                await there.node.stop_address("forward_to_gone1")
            await until(lambda: not there.tcp.connections)
            async with raw(there) as peer:  # nobody is behind the relays any more: they give way
                await register(peer, "new")
                assert await confirmed(peer) == "forward_to_new"
                assert list(there.service.relays) == [Address.local("forward_to_new")]
                assert not there.node.context.is_worker_registered_at("forward_to_gone0")

    check()


@asynchronous
async def test_a_registration_from_inside_the_node() -> None:
    async with middle() as there:
        answers = there.node.new_detached("own", incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        await answers.send("forwarding_service", "inside")
        assert (await answers.receive(str)).body == "forward_to_inside"
        await there.node.send("forward_to_inside", b"through it")
        assert (await answers.receive()).body == b"through it"


@asynchronous
async def test_a_relay_that_leads_to_itself_is_harmless() -> None:
    async with middle() as there, raw(there) as peer:
        request = LocalMessage(route("forwarding_service"), route("forward_to_x", "y"), bytes(encode_body("x")))
        await there.node.context.forward(request)
        await settle()
        await register(peer, "ok")
        assert await confirmed(peer) == "forward_to_ok"
        circular = there.node.new_detached("own", incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        await there.node.start_worker("circle", Relay(route("circle")))
        await circular.send(route("circle", "beyond"), b"")
        await register(peer, "still")
        assert await confirmed(peer) == "forward_to_still"


# ---- the tutorial relay ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def tutorial(relay: type[Relay] = Relay) -> AsyncIterator[tuple[RawConnection, RawConnection, Middle]]:
    """A bare asker, a bare responder, and between them a node with `forward_to_responder`."""
    async with middle() as there, dialled_peer(there.node) as (onward, responder), raw(there) as asker:
        assert await responder.read_version() == 1
        await there.node.start_worker("forward_to_responder", relay(route(onward)))
        there.node.flow_controls.add_consumer("forward_to_responder", there.listener.flow_control_id)
        yield asker, responder, there


D_I = Address.local("d1" * 16)
HELLO = bytes.fromhex("0c48656c6c6f204f636b616d21")


@asynchronous
async def test_the_three_node_trace_hop_by_hop() -> None:
    async with tutorial() as (asker, responder, there):
        t1 = bytes.fromhex(
            "00000058 84 82 820054666f72776172645f746f5f726573706f6e646572 8200466563686f6572 81 82005820"
            + "6431" * 16
            + "4d0c48656c6c6f204f636b616d21627b7d"
        )
        assert t1 == encode_frame(route("forward_to_responder", "echoer"), route(D_I), HELLO)
        await asker.write(t1)
        onward, back, payload = await responder.receive()
        (m_in,) = (c.address for c in there.tcp.connections if c.mode.value == "incoming")
        (m_out,) = (c.address for c in there.tcp.connections if c.mode.value == "outgoing")
        t2 = encode_frame(onward, back, payload)
        assert t2 == bytes.fromhex(
            "00000065 84 81 8200466563686f6572 82 82005820"
            + m_in.value.hex()
            + "82005820"
            + "6431" * 16
            + "4d0c48656c6c6f204f636b616d21627b7d"
        )
        await responder.send(back, onward, payload)  # T3, as an echoer does
        onward, back, payload = await asker.receive()
        assert encode_frame(onward, back, payload) == bytes.fromhex(
            "00000065 84 81 82005820"
            + "6431" * 16
            + "82 82005820"
            + m_out.value.hex()
            + "8200466563686f65724d0c48656c6c6f204f636b616d21627b7d"
        )
        # From now on both ends know the way without the relay's name (messages 3 of a channel go like this).
        await asker.send(back, route(D_I), b"\x01a")
        onward, back, payload = await responder.receive()
        assert (onward, back, payload) == (route("echoer"), route(m_in, D_I), b"\x01a")


@asynchronous
async def test_a_handshake_and_a_channel_hop_by_hop() -> None:
    async with tutorial() as (asker, responder, there):
        (m_in,) = (c.address for c in there.tcp.connections if c.mode.value == "incoming")
        (m_out,) = (c.address for c in there.tcp.connections if c.mode.value == "outgoing")
        d_r = Address.local("d2" * 16)
        steps = [
            # who sends, what it sends, what comes out at the other end
            (asker, route("forward_to_responder", "bob_listener"), route(D_I)),
            (responder, route("bob_listener"), route(m_in, D_I)),
            (responder, route(m_in, D_I), route(d_r)),  # message 2
            (asker, route(D_I), route(m_out, d_r)),
            (asker, route(m_out, d_r), route(D_I)),  # message 3
            (responder, route(d_r), route(m_in, D_I)),
            (asker, route(m_out, d_r), Route()),  # ciphertext has an empty return route
            (responder, route(d_r), route(m_in)),
            (responder, route(m_in, D_I), Route()),
            (asker, route(D_I), route(m_out)),
        ]
        for sent, came in zip(steps[::2], steps[1::2], strict=True):
            await sent[0].send(sent[1], sent[2], b"opaque")
            assert await came[0].receive() == (came[1], came[2], b"opaque")


class WithoutBridging(Relay):
    def _open(self, previous: Address) -> None:
        """Open nothing."""


@asynchronous
async def test_without_bridging_of_flow_controls_the_answer_would_not_pass() -> None:
    async with tutorial(WithoutBridging) as (asker, responder, there):
        await asker.send(route("forward_to_responder", "echoer"), route(D_I), HELLO)
        onward, back, payload = await responder.receive()
        await responder.send(back, onward, payload)
        await responder.send(route("nobody"), onward, payload)
        (connection,) = (c for c in there.tcp.connections if c.mode.value == "outgoing")
        await until(lambda: connection.statistics()["frames_in"] >= 2)
        (incoming,) = (c for c in there.tcp.connections if c.mode.value == "incoming")
        assert incoming.statistics()["frames_out"] == 0


@asynchronous
async def test_a_relay_to_a_worker_of_its_node() -> None:
    async with Node() as node:
        recorder = Recorder()
        await node.start_worker("end", recorder)
        relay = Relay(route("end", "more"))
        await node.start_worker("relay", relay)
        for _ in range(2):
            await node.send(route("relay", "rest"), b"x")
            message = await recorder.messages.get()
            assert (message.onward_route, message.return_route) == (route("end", "more", "rest"), route("app"))
        assert relay.next_hop == Address.local("end")


def test_what_a_relay_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ockam.relay.workers.relay.MAX_REMEMBERED", 3)

    @asynchronous
    async def check() -> None:
        async with Node() as node:
            recorder = Recorder()
            await node.start_worker("end", recorder)
            relay = Relay("end")
            await node.start_worker("relay", relay)
            for _ in range(10):
                context = node.new_detached(outgoing=ALLOW_ALL)
                await context.send("relay", b"")
                assert len(relay._previous) <= 3

    check()


# ---- the registering side against a bare service ---------------------------------------------------------------------


@asynccontextmanager
async def registering(
    name: str | None, timeout: float = 5.0
) -> AsyncIterator[tuple[Node, RawConnection, asyncio.Task[RemoteRelay], Route]]:
    async with Node() as node, dialled_peer(node) as (connection, service):
        assert await service.read_version() == 1
        await settle()
        task = asyncio.create_task(node.create_relay(route(connection), name, timeout=timeout))
        onward, back, payload = await service.receive()
        wanted = "static_forwarding_service" if name is not None else "forwarding_service"
        assert onward == route(wanted)
        assert payload == encode_body(name if name is not None else "register")
        yield node, service, task, back


@pytest.mark.parametrize(
    ("name", "address", "body"),
    [
        ("bob", "forward_to_bob", "forward_to_bob"),  # Rust
        ("bob", "forward_to_bob", "bob"),  # Elixir
        (None, "forward_to_0123", "forward_to_0123"),  # Rust
        (None, "FWD_0123", "register"),  # Elixir
    ],
)
def test_confirmations_in_every_style(name: str | None, address: str, body: str) -> None:
    @asynchronous
    async def check() -> None:
        async with registering(name) as (_, service, task, own):
            wrong = bytes(encode_body("somebody else"))
            right = bytes(encode_body(body))
            if name is not None:
                await service.send(own, route(address), wrong)
            await service.send(own, route(address), b"\xff")
            await service.send(own + route("x"), route(address), right)
            await service.send(own, Route((Address(1, b"127.0.0.1:1"),)), b"\xff")
            await service.send(own, route("hop", address), right)
            relay = await task
            assert relay.remote_address == Address.local(address)
            await service.send(own, route("another"), right)  # repeated: nothing
            assert relay.remote_address == Address.local(address)

    check()


@asynchronous
async def test_what_comes_through_a_relay_reaches_what_its_connection_may_reach() -> None:
    async with registering("bob") as (node, service, task, own):
        await service.send(own, route("forward_to_bob"), bytes(encode_body("bob")))
        relay = await task
        recorder, private = Recorder(), Recorder()
        await node.start_worker("open", recorder)
        await node.start_worker("private", private)
        (connection,) = (await node.create_tcp_transport()).connections
        node.flow_controls.add_consumer("open", connection.flow_control_id)
        for onward in (own + route("private"), own + own, own + own + route("open"), own + route("nobody")):
            await service.send(onward, route("d1"), b"refused")
        await service.send(own + route("open", "more"), route("e", "d1"), b"elixir")
        message = await recorder.messages.get()
        assert (message.body, message.onward_route) == (b"elixir", route("open", "more"))
        assert message.return_route == route(connection, "e", "d1")
        await service.send(route("open"), route("e", "d1"), b"rust")
        assert await recorder.next() == b"rust"
        assert private.messages.empty()
        assert relay.name == "bob"


@asynchronous
async def test_a_service_that_says_nothing() -> None:
    async with Node() as node, dialled_peer(node) as (connection, service):
        assert await service.read_version() == 1
        await settle()
        start = node.statistics()
        with pytest.raises(TimedOut, match=r"^timeout: 0\.02s") as error:
            await node.create_relay(route(connection), "bob", timeout=0.02)
        assert (error.value.origin, error.value.kind) == (Origin.NODE, Kind.TIMEOUT)
        with pytest.raises(InvalidRelayName):
            await node.create_relay(route(connection), "a#b")
        assert node.statistics() == start


@pytest.mark.parametrize("how", ["node", "relay", "task"])
def test_the_end_of_a_registration_under_way(how: str) -> None:
    @asynchronous
    async def check() -> None:
        async with registering("bob") as (node, _, task, own):
            if how == "node":
                await node.shutdown()
                with pytest.raises(NodeStopping):
                    await task
            elif how == "relay":
                await node.stop_address(own.next)
                with pytest.raises(TimedOut, match="closed before"):
                    await task
            else:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert node.runtime.record_of(own.next) is None

    check()


@asynchronous
async def test_a_failed_registration_does_not_leave_the_connection_it_made() -> None:
    async with middle(authorize=_nobody) as there, Node() as node:
        with pytest.raises(TimedOut):
            await node.create_relay(route(f"1#{there.address}"), "bob", timeout=0.05)
        assert (await node.create_tcp_transport()).connections == ()


async def _nobody(message: Routed[str], name: str) -> bool:
    return False
