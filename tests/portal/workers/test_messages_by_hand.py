"""Streams whose other end says what the protocol allows, and what it does not."""

from __future__ import annotations

import asyncio
import logging

import pytest

from ockam import Address, Node, SecureChannelListenerOptions, StreamRefused, route
from ockam.core import LocalMessage, Route
from ockam.portal import Disconnect, Payload, Ping, Pong, PortalMessage
from ockam.portal.workers.transport import HELD_BYTES, StreamTransport
from tests.asynchronous import asynchronous, settle
from tests.portal.workers.talking import Accepted, ByHand, echo

NOT_NOW = [b"", b"\x04", b"\x03\x80", b"\x03\xff\xff\xff\xff\x0fcut", Ping(), Pong()]


async def inlet(node: Node) -> tuple[ByHand, asyncio.StreamReader, asyncio.StreamWriter]:
    """Take a stream in by hand."""
    outlet = ByHand(node, route("nobody yet"))
    opening = asyncio.create_task(node.open_stream(outlet.address))
    assert await outlet.receive() == Ping()
    await outlet.send(Pong())
    reader, writer = await opening
    return outlet, reader, writer


# ---- an outlet of ours ---------------------------------------------------------------------------------------------


@asynchronous
async def test_a_stream_by_hand() -> None:
    async with Node() as node:
        await node.start_stream_server("streams", echo)
        peer = ByHand(node, route("streams"))
        await peer.send(Ping())
        assert await peer.receive() == Pong()
        assert peer.route != route("streams")
        await peer.send(Payload(b"hello"))
        assert await peer.receive() == Payload(b"hello")
        await peer.send(Disconnect())
        await settle()
        # None comes back, and the worker is gone.
        assert node.runtime.record_of(peer.route.next) is None
        assert not node.runtime.removals


@asynchronous
@pytest.mark.parametrize("message", [*NOT_NOW[:4], Pong(), Payload(b"x"), Disconnect()])
async def test_a_server_takes_nothing_but_ping(message: PortalMessage | bytes) -> None:
    async with Node() as node:
        server = await node.start_stream_server("streams", echo)
        peer = ByHand(node, route("streams"))
        await peer.send(message)
        assert server.statistics() == {"streams": 0}
        await peer.send(Ping())
        assert await peer.receive() == Pong()


@asynchronous
@pytest.mark.parametrize("message", NOT_NOW)
async def test_what_may_not_come_changes_nothing(message: PortalMessage | bytes) -> None:
    async with Node() as node:
        await node.start_stream_server("streams", echo)
        peer = ByHand(node, route("streams"))
        await peer.send(Ping())
        assert await peer.receive() == Pong()
        await peer.send(message)
        await peer.send(Payload(b""))
        await peer.send(Payload(b"still there"))
        assert await peer.receive() == Payload(b"still there")


@asynchronous
async def test_a_route_that_goes_on_is_refused() -> None:
    async with Node() as node:
        server = await node.start_stream_server("streams", echo)
        peer = ByHand(node, route("streams"))
        await peer.send(Ping(), route("streams", "more"))
        assert server.statistics() == {"streams": 0}
        await peer.send(Ping())
        assert await peer.receive() == Pong()
        await peer.send(Payload(b"lost"), peer.route.append("more"))
        await peer.send(Payload(b"kept"))
        assert await peer.receive() == Payload(b"kept")


@asynchronous
async def test_a_ping_that_cannot_be_answered_is_dropped() -> None:
    async with Node() as node:
        server = await node.start_stream_server("streams", echo)
        context = node.context
        await context.forward(LocalMessage(route("streams"), Route(), b"\x00"))
        await context.forward(LocalMessage(route("streams"), route("nobody here"), b"\x00"))
        assert server.statistics() == {"streams": 0}
        assert not node.runtime.removals


@asynchronous
@pytest.mark.parametrize("size", [8 * 1024 * 1024, 700_000])
async def test_a_payload_may_be_larger_than_ours(size: int) -> None:
    async with Node() as node:
        await node.start_stream_server("streams", echo)
        peer = ByHand(node, route("streams"))
        await peer.send(Ping())
        await peer.receive()
        await peer.send(Payload(bytes(size)))
        received = 0
        while received < size:
            message = await peer.receive()
            assert isinstance(message, Payload)
            assert len(message.data) <= 512 * 1024
            received += len(message.data)


@asynchronous
async def test_a_missing_payload_is_a_reset() -> None:
    async with Node() as node:
        accepted = Accepted()
        await node.start_stream_server("streams", accepted)
        peer = ByHand(node, route("streams"))
        await peer.send(Ping())
        await peer.receive()
        reader, _writer = await accepted.next()
        await peer.send(Payload(b"first", 0))
        await peer.send(Payload(b"third", 2))
        with pytest.raises(ConnectionResetError, match="payload is missing"):
            await reader.read()
        assert await peer.receive() == Disconnect()


@asynchronous
async def test_others_may_not_talk_into_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ockam.portal")
    async with Node() as node:
        accepted = Accepted()
        alice, bob = await node.create_identity(), await node.create_identity()
        channels = await node.create_secure_channel_listener(bob, "api", SecureChannelListenerOptions())
        await node.start_stream_server("streams", accepted, consumer_of=[channels.flow_control_id])
        channel = await node.create_secure_channel(alice, "api")
        _reader, writer = await node.open_stream(route(channel, "streams"))
        other, other_writer = await accepted.next()
        transport = other_writer.transport
        assert isinstance(transport, StreamTransport)
        # Not through the channel; and somebody else's channel, even where flow control lets it through.
        node.flow_controls.add_consumer(transport.address, channels.flow_control_id)
        await node.send(transport.address, Payload(b"plain").encode())
        mallory = await node.create_secure_channel(await node.create_identity(), "api")
        await node.send(route(mallory, transport.address), Payload(b"mallory").encode())
        await node.send(route(mallory, transport.address), Disconnect().encode())
        await settle()
        writer.write(b"alice")
        assert await other.readexactly(5) == b"alice"
        assert caplog.text.count("came from somebody else") == 3


# ---- an inlet of ours ----------------------------------------------------------------------------------------------


@asynchronous
async def test_before_the_pong_everything_else_is_dropped() -> None:
    async with Node() as node:
        outlet = ByHand(node, route("nobody yet"))
        opening = asyncio.create_task(node.open_stream(outlet.address))
        assert await outlet.receive() == Ping()
        for message in (b"", Ping(), Payload(b"early")):
            await outlet.send(message)
        await settle()
        assert not opening.done()
        await outlet.send(Pong())
        reader, _writer = await opening
        await outlet.send(Payload(b"in time"))
        assert await reader.readexactly(7) == b"in time"


@asynchronous
async def test_a_pong_without_a_way_back_is_none() -> None:
    async with Node() as node:
        outlet = ByHand(node, route("nobody yet"))
        opening = asyncio.create_task(node.open_stream(outlet.address))
        await outlet.receive()
        await node.context.forward(LocalMessage(outlet.route, Route(), b"\x01"))
        await settle()
        assert not opening.done()
        await outlet.send(Disconnect())
        with pytest.raises(StreamRefused):
            await opening


@asynchronous
async def test_a_peer_that_disappears_is_a_reset() -> None:
    async with Node() as node:
        outlet, reader, _writer = await inlet(node)
        await outlet.send(Payload(b"some"))
        assert await reader.readexactly(4) == b"some"
        await outlet.stop()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert not node.runtime.removals


@asynchronous
async def test_a_disconnect_in_the_middle_of_writing_drops_the_rest() -> None:
    async with Node() as node:
        outlet, reader, writer = await inlet(node)
        writer.write(bytes(20_000_000))  # more than the peer's mailbox takes
        waiting = asyncio.create_task(writer.drain())
        await settle()
        assert not waiting.done()
        assert writer.transport.get_write_buffer_size() > 0
        await outlet.send(Disconnect())
        await waiting
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert await reader.read() == b""
        assert writer.transport.get_write_buffer_size() == 0
        await settle()
        assert node.statistics()["tasks"] == 0


@asynchronous
async def test_closing_sends_what_is_written_first() -> None:
    async with Node() as node:
        outlet, _reader, writer = await inlet(node)
        for _ in range(30):
            writer.write(bytes(300_000))
        writer.write(bytearray(1_000_000))
        writer.write(memoryview(bytes(80)).cast("Q"))
        writer.close()
        assert writer.is_closing()
        await outlet.send(Payload(b"too late for you"))
        received = 0
        while isinstance(message := await outlet.receive(), Payload):
            received += len(message.data)
        assert message == Disconnect()
        assert received == 30 * 300_000 + 1_000_000 + 80
        await writer.wait_closed()
        assert node.statistics()["tasks"] == 0


@asynchronous
async def test_what_a_full_reader_does_not_take_is_bounded() -> None:
    async with Node() as node:
        outlet, reader, writer = await inlet(node)
        transport = writer.transport
        assert isinstance(transport, StreamTransport)
        size = 1024 * 1024
        count = 0
        while count < 100:
            sending = asyncio.create_task(outlet.send(Payload(bytes(size))))
            await settle(5)
            count += 1
            if not sending.done():
                break
        # Twice the limit in the reader, and what is held.
        assert HELD_BYTES < count * size <= HELD_BYTES + 4 * size
        assert not transport.is_reading()
        assert await reader.readexactly(count * size) == bytes(count * size)
        await sending
        assert transport.is_reading()


@asynchronous
async def test_senders_are_let_go_when_the_stream_ends() -> None:
    async with Node() as node:
        outlet, _reader, writer = await inlet(node)
        sending = asyncio.create_task(outlet.send(Payload(bytes(3_000_000))))
        await settle()
        sending = asyncio.create_task(outlet.send(Payload(bytes(9_000_000))))
        await settle()
        assert not sending.done()
        writer.transport.abort()
        await sending


class Collecting(asyncio.Protocol):
    """Keeps what it gets, as it comes."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)


@asynchronous
async def test_the_transport_is_one_of_asyncio() -> None:
    async with Node() as node:
        outlet, _reader, writer = await inlet(node)
        transport = writer.transport
        assert isinstance(transport, StreamTransport)
        protocol = Collecting()
        transport.set_protocol(protocol)
        assert transport.get_protocol() is protocol
        transport.pause_reading()
        for piece in (b"one", b"two"):
            await outlet.send(Payload(piece))
        assert protocol.pieces == []
        transport.resume_reading()
        transport.resume_reading()
        await outlet.send(Payload(b"three"))  # not before those that wait
        await settle()
        assert protocol.pieces == [b"one", b"two", b"three"]
        writer.write(b"")
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        transport.set_write_buffer_limits(low=10)
        assert transport.get_write_buffer_limits() == (10, 40)
        with pytest.raises(ValueError, match="low"):
            transport.set_write_buffer_limits(high=1, low=2)
        assert "inlet, open" in repr(transport)
        writer.close()


@asynchronous
async def test_a_stopped_worker_is_an_end_of_both() -> None:
    async with Node() as node:
        outlet, reader, writer = await inlet(node)
        transport = writer.transport
        assert isinstance(transport, StreamTransport)
        await node.stop_address(transport.address)
        assert await outlet.receive() == Disconnect()
        with pytest.raises(ConnectionAbortedError):
            await reader.read()


def test_a_stream_that_outlives_its_loop_is_let_go() -> None:
    async def leave_open() -> asyncio.StreamWriter:
        node = Node()
        await node.start()
        outlet = ByHand(node, route("nobody yet"))
        opening = asyncio.create_task(node.open_stream(Address.local(outlet.address.value.decode())))
        await outlet.receive()
        await outlet.send(Pong())
        _, writer = await opening
        return writer

    writer = asyncio.run(leave_open())
    writer.transport.abort()
    assert writer.is_closing()
