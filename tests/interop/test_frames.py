"""What a node does with frames of the TCP transport, good and bad: the reference's and ours do the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam.core import Route, route
from ockam.encoding.cbor import encode_array, encode_array_head, encode_bytes, encode_text
from tests.interop.nodes import responder
from tests.interop.raw import RawConnection

if TYPE_CHECKING:
    from tests.interop.reference import Reference

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("side", ["ours", "reference"])]

TO, BACK, BODY = route("plain_echoer").cbor, route("raw").cbor, encode_bytes(b"\x02hi")
TRACING = encode_text("{}")
NEXT = encode_array(TO, BACK, encode_bytes(b"\x04next"), TRACING)


def frame(*items: bytes) -> bytes:
    return framed(encode_array(*items))


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


GOOD = [
    pytest.param(frame(TO, BACK, BODY, TRACING), id="four elements"),
    pytest.param(frame(TO, BACK, BODY), id="three elements"),
    pytest.param(frame(TO, BACK, BODY, b"\xf6"), id="no tracing"),
    pytest.param(frame(TO, BACK, BODY, encode_text("any text")), id="other tracing"),
    pytest.param(frame(TO, BACK, BODY, TRACING, b"\x01"), id="five elements"),
    pytest.param(framed(b"\x9f" + TO + BACK + BODY + TRACING + b"\xff"), id="indefinite array"),
    pytest.param(framed(encode_array(TO, BACK, BODY, TRACING) + b"more"), id="bytes behind the array"),
    pytest.param(framed(b"\x9f" + TO + BACK + b"\x58\x03\x02hi" + TRACING + b"\xff"), id="payload size in two bytes"),
    pytest.param(frame(b"\x81\x82\x18\x00\x4c" + TO[-12:], BACK, BODY, TRACING), id="type in two bytes"),
]

SILENT = [
    pytest.param(frame(route("nowhere").cbor, BACK, BODY, TRACING), id="unknown worker"),
    pytest.param(frame(route("echoer").cbor, BACK, BODY, TRACING), id="worker not open to the listener"),
    pytest.param(frame(Route().cbor, BACK, BODY, TRACING), id="heartbeat"),
    pytest.param(frame(route("1#127.0.0.1:9").cbor, BACK, BODY, TRACING), id="first hop of a transport"),
    pytest.param(frame(TO, BACK, encode_bytes(b""), TRACING), id="empty body for a text"),
    pytest.param(frame(TO, BACK, encode_bytes(b"\x05hi"), TRACING), id="body is cut"),
    pytest.param(frame(TO, BACK, encode_bytes(b"\x01\xff"), TRACING), id="body is no UTF-8"),
]

BAD = [
    pytest.param(b"\0\0\0\0", id="empty frame"),
    pytest.param(b"\x01\0\0\x01", id="longer than 16 MiB"),
    pytest.param(b"\xff\xff\xff\xff", id="longest length"),
    pytest.param(framed(b"\x00"), id="no array"),
    pytest.param(framed(encode_array_head(2) + TO + BACK), id="two elements"),
    pytest.param(framed(b"\x84" + TO + BACK), id="cut"),
    pytest.param(frame(TO, BACK, BODY, b"\x01"), id="tracing is a number"),
    pytest.param(frame(TO, BACK, b"\x5f\x42\x01a\xff", TRACING), id="payload in chunks"),
    pytest.param(frame(TO, BACK, encode_text("hi"), TRACING), id="payload is a text"),
    pytest.param(frame(b"\x40", BACK, BODY, TRACING), id="route is bytes"),
    pytest.param(frame(b"\x81\x81\x00", BACK, BODY, TRACING), id="address of one element"),
    pytest.param(frame(b"\x81\x82\x19\x01\x00\x41a", BACK, BODY, TRACING), id="transport type beyond a byte"),
]


@pytest.mark.parametrize("data", GOOD)
def test_good_frames(side: str, reference: Reference, data: bytes) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, RawConnection.open(bob.address) as connection:
            assert await connection.read_version() == 1
            await connection.write(data)
            onward, _, payload = await connection.receive()
            assert (onward, payload) == (route("raw"), b"\x02hi")
            # the same byte by byte, and twice at once
            for i in range(len(data)):
                await connection.write(data[i : i + 1])
                await asyncio.sleep(0)
            await connection.write(data + data)
            for _ in range(3):
                assert (await connection.receive())[2] == b"\x02hi"

    asyncio.run(main())


@pytest.mark.parametrize("data", SILENT)
def test_frames_that_are_dropped_without_a_word(side: str, reference: Reference, data: bytes) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, RawConnection.open(bob.address) as connection:
            assert await connection.read_version() == 1
            await connection.write(data)
            assert await connection.echo("still there", "plain_echoer") == "still there"

    asyncio.run(main())


@pytest.mark.parametrize("data", BAD)
def test_frames_that_close_the_connection(side: str, reference: Reference, data: bytes) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob:
            async with RawConnection.open(bob.address) as connection:
                assert await connection.read_version() == 1
                await connection.write(data + framed(NEXT))
                assert await connection.is_closed()
            # and only that connection
            async with RawConnection.open(bob.address) as connection:
                assert await connection.read_version() == 1
                assert await connection.echo("another", "plain_echoer") == "another"

    asyncio.run(main())


@pytest.mark.parametrize("version", [b"\x00", b"\x02", b"\xff", b"GET / HTTP/1.1\r\n\r\n"])
def test_other_versions_close_the_connection(side: str, reference: Reference, version: bytes) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, RawConnection.open(bob.address, version) as connection:
            assert await connection.read_version() == 1
            assert await connection.is_closed()

    asyncio.run(main())


def test_the_version_is_sent_without_waiting_for_the_peers(side: str, reference: Reference) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, RawConnection.open(bob.address, b"") as connection:
            assert await connection.read_version() == 1

    asyncio.run(main())


def test_return_routes_name_the_connection(side: str, reference: Reference) -> None:
    async def main() -> None:
        async with responder(side, reference) as bob, RawConnection.open(bob.address) as connection:
            assert await connection.read_version() == 1
            await connection.send(route("hop", "plain_echoer"), route("raw", "further"), b"\x02hi")
            onward, back, payload = await connection.receive()
            assert (onward, back, payload) == (route("raw", "further"), route("hop", "plain_echoer"), b"\x02hi")
            # an empty return route still leads back to the connection
            await connection.send(route("plain_echoer"), Route(), b"\x02hi")
            assert await connection.receive() == (Route(), route("plain_echoer"), b"\x02hi")

    asyncio.run(main())
