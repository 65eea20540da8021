"""The rows of "Errors on the receive side" of the reference's behaviour, each with a bare socket as the peer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ockam.core.access_control import ALLOW_ALL
from ockam.core.message import decode_body
from ockam.core.route import Route, route
from ockam.encoding.cbor import encode_array_head, encode_bytes
from ockam.node import Node
from ockam.transport.framing import MAX_FRAME_BYTES, FrameReader, MessageTooLong, encode_frame
from ockam.transport.tcp import connection as connection_module
from tests.asynchronous import asynchronous, settle, until
from tests.runtime.running import Recorder
from tests.transport.tcp.raw_peers import dialled_peer, raw_peer, served

if TYPE_CHECKING:
    from tests.interop.raw import RawConnection

HELLO = bytes.fromhex("0c48656c6c6f204f636b616d21")
TO_ECHOER = bytes.fromhex("00000023 84 81 8200466563686f6572 81 820043617070 4d 0c48656c6c6f204f636b616d21 627b7d")
FROM_ECHOER = bytes.fromhex("00000023 84 81 820043617070 81 8200466563686f6572 4d 0c48656c6c6f204f636b616d21 627b7d")


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


async def stays(peer: RawConnection) -> None:
    assert await peer.echo("still here", "echoer") == "still here"


# ---- what closes -----------------------------------------------------------------------------------------------------

ROUTES = bytes.fromhex("81 8200466563686f6572 81 820043617070")

CLOSING = {
    "more than 16 MiB": (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
    "as much as can be said": b"\xff\xff\xff\xff",
    "nothing": framed(b""),
    "no array": framed(b"\x00"),
    "cut": framed(b"\x84" + ROUTES),
    "cut in the payload": framed(b"\x84" + ROUTES + b"\x4d\x0c"),
    "two elements": framed(b"\x82" + ROUTES),
    "garbage": framed(b"\xff" * 16),
    "text as payload": framed(b"\x84" + ROUTES + b"\x61a\xf6"),
    "indefinite payload": framed(b"\x84" + ROUTES + b"\x5f\x41a\xff\xf6"),
    "null as payload": framed(b"\x84" + ROUTES + b"\xf6\xf6"),
    "number as tracing": framed(b"\x84" + ROUTES + b"\x41a\x07"),
    "bytes as tracing": framed(b"\x84" + ROUTES + b"\x41a\x41a"),
    "indefinite tracing": framed(b"\x84" + ROUTES + b"\x41a\x7f\x61a\xff"),
    "tracing that is no UTF-8": framed(b"\x84" + ROUTES + b"\x41a\x61\xff"),
    "no tracing where it is announced": framed(b"\x84" + ROUTES + b"\x41a"),
    "a route that is none": framed(b"\x84\x07\x80\x40\xf6"),
    "an address that is none": framed(b"\x84\x81\x82\x00\x61a\x80\x40\xf6"),
    "too many hops": framed(b"\x84" + encode_array_head(2000) + b"\x82\x00\x41a" * 2000 + b"\x80\x40\xf6"),
}


@pytest.mark.parametrize("frame", CLOSING.values(), ids=CLOSING)
def test_a_frame_that_closes_the_connection(frame: bytes) -> None:
    @asynchronous
    async def check() -> None:
        async with served() as here, raw_peer(here) as peer:
            await stays(peer)
            recorder = Recorder()
            await here.node.start_worker("recorder", recorder)
            here.open_to_peers("recorder")
            good = encode_frame(route("recorder"), route("raw"), HELLO)
            await peer.write(good + frame + good)
            assert await peer.is_closed()
            assert here.tcp.connections == ()
            # What came before it in the same segment is delivered, and nothing that came after it.
            assert await recorder.next() == HELLO
            await settle()
            assert recorder.messages.empty()

    check()


@pytest.mark.parametrize("frame", [CLOSING["garbage"], CLOSING["more than 16 MiB"]])
def test_a_dialled_connection_closes_on_the_same_frames(frame: bytes) -> None:
    @asynchronous
    async def check() -> None:
        async with Node() as node, dialled_peer(node) as (connection, peer):
            assert await peer.read_version() == 1
            await peer.write(frame)
            assert await peer.is_closed()
            assert connection.is_closed

    check()


@pytest.mark.parametrize("version", [b"\x00", b"\x02", b"\x84", b"\x00\x00\x00\x23"])
def test_another_protocol_version_closes(version: bytes) -> None:
    @asynchronous
    async def check() -> None:
        async with served() as here, raw_peer(here, version) as peer:
            assert await peer.is_closed()
        async with Node() as node, dialled_peer(node, version) as (connection, peer):
            assert await peer.read_version() == 1
            assert await peer.is_closed()
            assert connection.is_closed

    check()


@asynchronous
async def test_the_version_byte_comes_unprompted_in_both_roles() -> None:
    async with served() as here, raw_peer(here, b"") as peer:
        await peer.write(b"\x01" + TO_ECHOER)  # and frames may follow at once
        assert (await peer.receive())[2] == HELLO
    async with Node() as node, dialled_peer(node, b"") as (_, peer):
        assert await peer.read_version() == 1


@asynchronous
async def test_a_peer_that_closes_ends_the_connection() -> None:
    async with served() as here:
        recorder = Recorder()
        await here.node.start_worker("recorder", recorder)
        start = here.node.statistics()
        for sent in (b"", b"\x01", b"\x01" + TO_ECHOER, b"\x01" + TO_ECHOER[:7]):
            reader, writer = await asyncio.open_connection(*here.listener.socket_address.split(":"))
            writer.write(sent)
            writer.write_eof()
            await reader.read()  # to the end: the node closes, too
            writer.close()
            await writer.wait_closed()
        now = here.node.statistics()
        assert (now["workers"], now["addresses"]) == (start["workers"], start["addresses"])
        assert here.tcp.connections == ()


def test_a_peer_that_says_no_version_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "VERSION_TIMEOUT_SECONDS", 0.01)

    @asynchronous
    async def check() -> None:
        async with served() as here, raw_peer(here, b"") as peer:
            assert await peer.is_closed()
        async with served() as here, raw_peer(here) as peer:
            await stays(peer)
            assert not here.tcp.connections[0].is_closed

    check()


# ---- what is dropped, and the connection stays -----------------------------------------------------------------------

DROPPED = {
    "first hop of another type": encode_frame(Route.parse("1#127.0.0.1:4000 => 0#echoer"), route("raw"), HELLO),
    "undecodable body": encode_frame(route("echoer"), route("raw"), b"\xff"),
    "empty body": encode_frame(route("echoer"), route("raw"), b""),
    "first hop unknown": encode_frame(route("nobody"), route("raw"), HELLO),
    "not allowed by flow control": encode_frame(route("private"), route("raw"), HELLO),
    "the node's own address": encode_frame(route("app"), route("raw"), HELLO),
    "heartbeat of 3": bytes.fromhex("00000004 83808040"),
    "heartbeat of 4, null": bytes.fromhex("00000005 84808040f6"),
    "heartbeat of 4, text": bytes.fromhex("00000007 84808040627b7d"),
    "no way back": encode_frame(route("echoer"), Route(), b"\xff"),
    "unknown behind a hop": encode_frame(route("hop", "nobody"), route("raw"), HELLO),
    "a circle": encode_frame(route(*["hop"] * 1000), route("raw"), HELLO),
}


@pytest.mark.parametrize("frame", DROPPED.values(), ids=DROPPED)
def test_a_message_that_is_dropped_without_a_word(frame: bytes) -> None:
    @asynchronous
    async def check() -> None:
        async with served() as here, raw_peer(here) as peer:
            await peer.write(frame)
            await stays(peer)  # and nothing came before that answer

    check()


@asynchronous
async def test_only_consumers_of_the_listener_or_the_connection_are_reachable() -> None:
    async with served() as here, raw_peer(here) as peer:
        await stays(peer)
        (connection,) = here.tcp.connections
        here.node.flow_controls.add_consumer("private", connection.flow_control_id)
        assert await peer.echo("now", "private") == "now"
        here.node.flow_controls.remove_consumer("private", connection.flow_control_id)
        here.node.flow_controls.remove_consumer("echoer", here.listener.flow_control_id)
        await peer.write(encode_frame(route("private"), route("raw"), HELLO) + TO_ECHOER)
        assert (await peer.echo("left", "hop", "echoer")) == "left"  # later hops are not checked


# ---- however it comes ------------------------------------------------------------------------------------------------


@asynchronous
async def test_the_exact_bytes_of_the_reference() -> None:
    async with served() as here, raw_peer(here, b"") as peer:
        await peer.write(b"\x01" + TO_ECHOER)
        onward, back, payload = await peer.receive()
        (connection,) = here.tcp.connections
        assert encode_frame(onward, back, payload) == FROM_ECHOER
        whole = bytes.fromhex(
            "00000041 84 81 82 00 46 6563686f6572 81 82 00 58 20"
            "3031323334353637383961626364656630313233343536373839616263646566 4d 0c48656c6c6f204f636b616d21"
        )
        tails = {b"\x62{}": (0x41, 0x84), b"\xf6": (0x3F, 0x84), b"": (0x3E, 0x83)}
        for tail, (size, head) in tails.items():
            await peer.write(size.to_bytes(4, "big") + bytes((head,)) + whole[5:] + tail)
            onward, _, payload = await peer.receive()
            assert (str(onward), payload) == ("0#0123456789abcdef0123456789abcdef", HELLO)
        traced = b'{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":""}'
        await peer.write(framed(b"\x84" + whole[5:] + b"\x78" + bytes((len(traced),)) + traced))
        assert (await peer.receive())[2] == HELLO
        for element in (b"\x07", b"\x82\x01\x02"):
            await peer.write(framed(b"\x85" + whole[5:] + b"\xf6" + element))
            assert (await peer.receive())[2] == HELLO
        await peer.write(framed(b"\x9f" + whole[5:] + b"\xf6\xff"))
        assert (await peer.receive())[2] == HELLO
        await peer.write(framed(b"\x84\x9f\x9f\x00\x46echoer\xff\xff\x81\x82\x00\x43raw\x41\x00\xf6"))
        assert (await peer.receive())[2] == b"\x00"
        assert connection.statistics()["frames_in"] == 9


@asynchronous
async def test_byte_by_byte_and_many_frames_at_once() -> None:
    async with served() as here, raw_peer(here, b"") as peer:
        for byte in b"\x01" + TO_ECHOER * 3:
            await peer.write(bytes((byte,)))
        for _ in range(3):
            assert (await peer.receive())[2] == HELLO
        many = b"".join(encode_frame(route("echo"), route("raw"), b"%d" % number) for number in range(5000))
        await peer.write(many)
        assert [(await peer.receive())[2] for _ in range(5000)] == [b"%d" % number for number in range(5000)]


@asynchronous
async def test_frames_of_every_size_up_to_16_mib() -> None:
    async with served() as here, raw_peer(here) as peer:
        for size in (4095, 4096, 65535, 65536, 256 * 1024 - 40, 256 * 1024, 3 * 1024 * 1024):
            body = (b"%07d" % size) * (size // 7 + 1)
            await peer.send(route("echo"), route("raw"), body[:size])
            assert (await peer.receive())[2] == body[:size]
        overhead = len(encode_frame(route("echo"), route("raw"), bytes(70000))) - 70000 - 4
        largest = encode_frame(route("echo"), route("raw"), bytes(MAX_FRAME_BYTES - overhead))
        assert len(largest) == 4 + MAX_FRAME_BYTES
        await peer.write(largest)
        await peer.write(TO_ECHOER)
        _onward, _back, payload = await peer.receive()
        assert payload == bytes(MAX_FRAME_BYTES - overhead)
        assert (await peer.receive())[2] == HELLO


@asynchronous
async def test_the_buffer_grows_with_the_bytes_and_not_by_announcement() -> None:
    async with served() as here, raw_peer(here) as peer:
        await stays(peer)
        (connection,) = here.tcp.connections
        await peer.write(MAX_FRAME_BYTES.to_bytes(4, "big") + b"\x84" + ROUTES + b"\x5a\x00\xff\xff\x00" + bytes(1000))
        await until(lambda: connection.statistics()["bytes_in"] >= 1000)
        assert len(connection._buffer) == connection_module.RECEIVE_BUFFER_BYTES
    async with served() as here, raw_peer(here) as peer:
        await peer.send(route("echo"), route("raw"), bytes(8 * 1024 * 1024))
        await peer.receive()
        (connection,) = here.tcp.connections
        assert len(connection._buffer) > 8 * 1024 * 1024
        await stays(peer)
        assert len(connection._buffer) == connection_module.RECEIVE_BUFFER_BYTES  # given back


@asynchronous
async def test_an_outgoing_message_that_is_too_big_fails_for_its_sender_only() -> None:
    async with served() as here, raw_peer(here) as peer:
        await stays(peer)
        (connection,) = here.tcp.connections
        with pytest.raises(MessageTooLong, match="message length exceeded"):
            await here.node.send(route(connection, "raw"), bytes(MAX_FRAME_BYTES))
        await here.node.send(route(connection, "raw"), b"fits")
        assert (await peer.receive())[2] == b"fits"


class Defective(FrameReader):
    def split(self, buffer: bytearray, view: memoryview, position: int, end: int) -> int:
        raise ValueError("a defect")


@asynchronous
async def test_an_error_of_this_node_closes_the_connection_and_nothing_else() -> None:
    async with served() as here, raw_peer(here) as peer, raw_peer(here) as other:
        await stays(peer)
        connection = here.tcp.connections[0]
        connection._reader = Defective(connection.address, connection._deliver)
        await peer.write(TO_ECHOER)
        assert await peer.is_closed()
        await stays(other)


# ---- recorded between two processes of the reference -----------------------------------------------------------------

DATA = Path(__file__).parents[2] / "vectors" / "data" / "frames-live.json"
SESSIONS: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))["sessions"]


@pytest.mark.parametrize("session", SESSIONS, ids=[session["name"] for session in SESSIONS])
def test_recorded_frames_are_delivered_as_annotated(session: dict[str, Any]) -> None:
    @asynchronous
    async def check() -> None:
        for direction in sorted({item["direction"] for item in session["items"]}):
            items = [item for item in session["items"] if item["direction"] == direction]
            async with served() as here, raw_peer(here, b"") as peer:
                recorder = Recorder()
                frames = [item for item in items if item.get("onward")]
                first, *others = sorted({item["onward"][0] for item in frames} | {"0#echo"})
                await here.node.stop_address("echo")
                here.open_to_peers(first, *others)
                await here.node.start_worker(
                    first, recorder, additional=[(other, ALLOW_ALL, ALLOW_ALL) for other in others]
                )
                await peer.write(b"".join(bytes.fromhex(item["hex"]) for item in items))
                for item in frames:
                    message = await recorder.messages.get()
                    (connection,) = here.tcp.connections
                    assert message.onward_route == Route.parse(" => ".join(item["onward"]))
                    assert message.return_route.addresses[0] == connection.address
                    assert message.return_route.tail() == Route.parse(" => ".join(item["return"]))
                    assert bytes(message.payload).hex() == item["payload"]
                    if item["body"].startswith("bare string '"):
                        assert f"bare string '{decode_body(message.payload, str)}'" == item["body"]

    check()


def test_encodings_used_above_are_what_they_seem() -> None:
    assert encode_frame(route("echoer"), route("app"), HELLO) == TO_ECHOER
    assert encode_bytes(b"a") == b"\x41a"
