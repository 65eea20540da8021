"""Streams between two nodes: over TCP and a channel, as programs use them."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING

import pytest

from ockam import (
    Hop,
    IdentityIdAccessControl,
    Node,
    SecureChannelListenerOptions,
    StreamRefused,
    TimedOut,
    route,
)
from ockam.portal.workers.transport import HELD_BYTES
from ockam.portal.workers.writing import HIGH_WATER_BYTES
from ockam.runtime.errors import AddressInUse, NodeStopping, UnknownAddress
from tests.asynchronous import asynchronous, settle
from tests.portal.workers.talking import Accepted, connected, echo

if TYPE_CHECKING:
    from tests.portal.workers.talking import Pair

PATTERN = bytes(range(251))


def pattern(size: int) -> bytes:
    """Bytes in which nothing can be missing or in another place unnoticed."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


async def wait_for_streams(pair: Pair, count: int) -> None:
    """Wait until the server has so many streams."""
    while pair.stream_server.statistics()["streams"] != count:
        await settle(1)


async def gone(pair: Pair) -> None:
    """Wait until nothing of any stream is left on either node."""
    await wait_for_streams(pair, 0)
    for node in (pair.server, pair.client):
        while node.runtime.removals or node.statistics()["tasks"]:
            await settle(1)


@asynchronous
async def test_bytes_come_back_in_order_and_nothing_is_left() -> None:
    async with connected() as pair:
        left = []
        for size in (1, 5000, 9_000_000):
            data = pattern(size)
            reader, writer = await pair.client.open_stream(pair.route)
            writer.write(data)
            assert await reader.readexactly(size) == data
            writer.close()
            await writer.wait_closed()
            await gone(pair)
            left.append((pair.client.statistics(), pair.server.statistics()))
        assert left == [left[0]] * 3
        assert left[0][0] == {"workers": 4, "addresses": 6, "tasks": 0, "secure_channels": 1}


@asynchronous
async def test_both_ends_know_who_is_at_the_other() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        _, other = await accepted.next()
        assert writer.get_extra_info("peer_identifier") == pair.bob
        assert other.get_extra_info("peer_identifier") == pair.alice
        assert writer.get_extra_info("peername", "none") == "none"
        assert writer.get_extra_info("remote_route").next == pair.channel.address
        # A protocol whose messages say where they end goes over it as over any other.
        other.write(b"220 hello\r\n250 ok\r\n")
        assert await reader.readline() == b"220 hello\r\n"
        assert await reader.readuntil(b"\n") == b"250 ok\r\n"
        other.writelines([b"a", b"b", bytearray(b"c"), memoryview(b"d")])
        assert await reader.readexactly(4) == b"abcd"


@asynchronous
async def test_a_channel_opens_streams_itself() -> None:
    async with connected() as pair:
        for to in ("streams", route("streams")):
            reader, writer = await pair.channel.open_stream(to, limit=1000)
            assert writer.get_extra_info("peer_identifier") == pair.bob
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
        await gone(pair)
        with pytest.raises(TimedOut):
            await pair.channel.open_stream("nothing there", timeout=0.05)
        await pair.channel.close()
        with pytest.raises(UnknownAddress):
            await pair.channel.open_stream("streams")


@asynchronous
async def test_many_streams_share_a_channel() -> None:
    async with connected() as pair:

        async def one(number: int) -> None:
            data = pattern(100_000 + number)
            reader, writer = await pair.client.open_stream(pair.route)
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
            writer.close()

        await asyncio.gather(*(one(number) for number in range(20)))
        await gone(pair)


@asynchronous
async def test_the_other_end_reads_to_the_end_however_late() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, _writer = await pair.client.open_stream(pair.route, limit=1000)
        _, other = await accepted.next()
        data = pattern(3_000_000)
        other.write(data)
        other.close()
        await other.wait_closed()
        await gone(pair)  # the workers have ended; what they have received has not
        assert await reader.read() == data
        assert reader.at_eof()


@asynchronous
async def test_a_slow_reader_slows_the_writer_down() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, _writer = await pair.client.open_stream(pair.route, limit=1000)
        _, other = await accepted.next()
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(600):
                other.write(pattern(100_000))
                written += 100_000
                await other.drain()
            other.close()

        writing = asyncio.create_task(write())
        before = -1
        while before != written:
            before = written
            await settle(2000)
        # What the reader's side keeps, what the kernel and the connections do, and what the writer's side keeps.
        assert written < HELD_BYTES + HIGH_WATER_BYTES + 30_000_000
        assert not writing.done()
        assert await reader.read() == pattern(100_000) * 600
        await writing
        await gone(pair)


@asynchronous
async def test_a_reader_that_is_let_go_ends_the_stream() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        other, _ = await accepted.next()
        transport = writer.transport
        transport.set_write_buffer_limits()
        writer.close()
        del reader, writer, transport
        gc.collect()
        assert await other.read() == b""


@asynchronous
async def test_after_the_end_writing_goes_nowhere_and_drain_says_so() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        _, other = await accepted.next()
        other.close()
        assert await reader.read() == b""
        await settle()
        writer.write(b"into the void")
        assert writer.is_closing()
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        writer.close()
        writer.transport.abort()
        await writer.wait_closed()


@asynchronous
async def test_there_is_no_half_close() -> None:
    async with connected() as pair:
        _, writer = await pair.client.open_stream(pair.route)
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError, match="half-close"):
            writer.write_eof()


@asynchronous
async def test_an_abort_ends_the_stream_at_once() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        _, writer = await pair.client.open_stream(pair.route)
        other, _ = await accepted.next()
        writer.transport.abort()
        assert await other.read() == b""
        await gone(pair)


# ---- who is not let in -----------------------------------------------------------------------------------------------


@asynchronous
async def test_a_server_holds_a_number_of_streams() -> None:
    async with connected(max_streams=1) as pair:
        _, writer = await pair.client.open_stream(pair.route)
        with pytest.raises(StreamRefused):
            await pair.client.open_stream(pair.route)
        writer.close()
        await wait_for_streams(pair, 0)
        _, writer = await pair.client.open_stream(pair.route)
        writer.close()


@asynchronous
async def test_a_server_that_is_closed_keeps_its_streams() -> None:
    async with connected() as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        async with pair.stream_server as server:
            assert not server.is_closed
        await server.close()
        await server.wait_closed()
        assert server.is_closed
        with pytest.raises(TimedOut, match="No stream was opened"):
            await pair.client.open_stream(pair.route, timeout=0.05)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        assert "1 streams" in repr(server)


@asynchronous
async def test_an_access_control_keeps_others_out() -> None:
    async with connected() as pair:
        control = IdentityIdAccessControl(pair.alice)
        channels = await pair.server.create_secure_channel_listener(
            pair.bob, "local_api", SecureChannelListenerOptions()
        )
        await pair.server.start_stream_server("mine", echo, consumer_of=[channels.flow_control_id], incoming=control)
        mallory = await pair.server.create_identity()
        channel = await pair.server.create_secure_channel(mallory, "local_api")
        with pytest.raises(TimedOut):
            await pair.server.open_stream(route(channel, "mine"), timeout=0.05)
        with pytest.raises(AddressInUse):
            await pair.server.start_stream_server("mine", echo)


@asynchronous
async def test_a_way_that_does_not_begin_is_an_error_at_once() -> None:
    async with connected() as pair:
        before = pair.client.statistics()
        with pytest.raises(UnknownAddress):
            await pair.client.open_stream("nowhere")
        assert pair.client.statistics() == before


@asynchronous
async def test_waiting_can_be_given_up() -> None:
    async with connected() as pair:
        await settle()
        before = pair.client.statistics()
        opening = asyncio.create_task(pair.client.open_stream(route(pair.channel, "nothing there"), timeout=None))
        await settle()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert pair.client.statistics() == before
        assert not pair.client.runtime.removals


# ---- who is gone -----------------------------------------------------------------------------------------------------


@asynchronous
async def test_the_end_of_the_connection_is_a_reset_on_both_sides() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        other, _ = await accepted.next()
        reading = asyncio.create_task(other.read())
        await pair.connection.close()
        for ended in (reader.read(), reading):
            with pytest.raises(ConnectionResetError):
                await ended
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        await gone(pair)


@asynchronous
async def test_the_end_of_the_channel_is_a_reset_on_both_sides() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, _writer = await pair.client.open_stream(pair.route)
        other, _ = await accepted.next()
        await pair.channel.close()
        for ended in (reader.read(), other.read()):
            with pytest.raises(ConnectionResetError):
                await ended
        await gone(pair)


@asynchronous
async def test_a_connection_that_ends_while_one_waits_is_a_reset() -> None:
    async with connected() as pair:
        opening = asyncio.create_task(pair.client.open_stream(route(pair.channel, "nothing there"), timeout=None))
        await settle()
        await pair.connection.close()
        with pytest.raises(ConnectionResetError):
            await opening


@asynchronous
async def test_a_node_that_stops_says_so_to_the_other_end() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, _writer = await pair.client.open_stream(pair.route)
        other, _ = await accepted.next()
        opening = asyncio.create_task(pair.client.open_stream(route(pair.channel, "nothing there"), timeout=None))
        await settle()
        await pair.client.shutdown()
        assert await other.read() == b""
        with pytest.raises(ConnectionAbortedError):
            await reader.read()
        with pytest.raises(NodeStopping):
            await opening


@asynchronous
async def test_a_channel_on_another_way_takes_its_streams_along() -> None:
    async with connected() as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        tcp = await pair.client.create_tcp_transport()
        another = await tcp.connect(pair.connection.socket_address)
        pair.channel.update_remote_node_route(another)
        writer.write(b"over the new one")
        assert await reader.readexactly(16) == b"over the new one"
        await pair.connection.close()
        await settle()
        writer.write(b"and again")
        assert await reader.readexactly(9) == b"and again"
        await another.close()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await gone(pair)


@asynchronous
async def test_writing_into_a_channel_that_has_ended_is_a_reset() -> None:
    accepted = Accepted()
    async with connected(accepted) as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        # As if nobody had noticed.
        pair.client.runtime.table.pop(pair.channel.address.value)
        writer.write(b"to nobody")
        with pytest.raises(ConnectionResetError, match="nothing can be sent"):
            await reader.read()


# ---- callbacks, routes -----------------------------------------------------------------------------------------------


@asynchronous
async def test_a_callback_that_fails_ends_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        raise ValueError("a mistake")

    async with connected(fail) as pair:
        reader, writer = await pair.client.open_stream(pair.route)
        writer.write(b"go")
        assert await reader.read() == b""
        assert "a mistake" in caplog.text
        await gone(pair)


@asynchronous
async def test_a_plain_callback_that_fails_ends_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ValueError("a mistake")

    async with connected(fail) as pair:
        reader, _writer = await pair.client.open_stream(pair.route)
        assert await reader.read() == b""
        assert "a mistake" in caplog.text
        await gone(pair)


@asynchronous
async def test_a_callback_ends_with_its_node() -> None:
    cancelled = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with connected(wait) as pair:
        reader, _writer = await pair.client.open_stream(pair.route)
        await pair.server.shutdown()
        assert cancelled.is_set()
        assert await reader.read() == b""


@asynchronous
async def test_a_callback_whose_peer_is_gone_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ockam.portal")
    async with connected() as pair:
        _reader, _writer = await pair.client.open_stream(pair.route)
        await pair.connection.close()
        await gone(pair)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "a stream of 0#streams ended" in caplog.text


@asynchronous
async def test_a_stream_to_a_socket_address_through_a_hop() -> None:
    async with Node() as server, Node() as client:
        listener = await (await server.create_tcp_transport()).listen("127.0.0.1:0")
        await server.start_worker("hop", Hop())
        server.flow_controls.add_consumer("hop", listener.flow_control_id)
        await server.start_stream_server("streams", echo)
        address = f"1#{listener.socket_address}"
        reader, writer = await client.open_stream(route(address, "hop", "streams"))
        assert writer.get_extra_info("peer_identifier") is None
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        (connection,) = (await client.create_tcp_transport()).connections
        with pytest.raises(TimedOut):
            await client.open_stream(route(address, "hop", "nothing there"), timeout=0.05)
        # The one that was opened in vain is closed again.
        assert (await client.create_tcp_transport()).connections == (connection,)
