"""Frames of the TCP transport, pure: bytes to routes and payload, and back.

    connection, each direction     01, then frames
    frame                          LEN u32 big-endian, CBOR array of LEN bytes
    CBOR array                     [onward_route, return_route, payload bytes, tracing text]

Four elements are always written (Elixir peers refuse any other number); three, four or more are read, with a tracing
element that is text or null. The receiver pushes the address of its own sending worker in front of the return route.

`FrameReader` remembers how the routes it saw last were spelt, so that a frame with the same routes is a comparison of
bytes and not a parse. Only parsing is remembered; every frame still passes the router, access and flow control.

Source: reference ockam_transport_tcp/src/workers/, ockam_transport_core/src/transport_message.rs.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

from ockam.core.message import Payload
from ockam.core.route import Route
from ockam.encoding.cbor import EMPTY_ARRAY, Decoder
from ockam.errors import DecodeError, Kind, Misuse, Origin

if TYPE_CHECKING:
    from ockam.core.address import Address

__all__ = [
    "FRAME_TAIL",
    "MAX_FRAME_BYTES",
    "PROTOCOL_VERSION",
    "Deliver",
    "FrameReader",
    "FrameTooLong",
    "MessageTooLong",
    "decode_frame",
    "encode_frame",
    "frame_head",
    "frame_routes",
]

# Fixed by the protocol.
PROTOCOL_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
"""Largest LEN; equal is allowed."""
LENGTH_BYTES: Final = 4

# Chosen by us.
MAX_REMEMBERED_ROUTES: Final = 256
MAX_REMEMBERED_SPELLING_BYTES: Final = 1024
"""Longer spellings are parsed each time, so that a peer cannot make us keep more than 256 KiB of them."""
VIEW_FROM_BYTES: Final = 4096
"""Smaller payloads are copied out of the receive buffer at once; a view of larger ones is passed on."""

FRAME_TAIL: Final = b"\x62{}"
"""The tracing element of a reference node without telemetry: the text `{}`."""

_LENGTH: Final = Struct(">I")
_HEAD_2: Final = Struct(">BB")
_HEAD_3: Final = Struct(">BH")
_HEAD_5: Final = Struct(">BI")
_OUTER_HEAD: Final = b"\x84"
_KEY_BYTES: Final = 40

Deliver: TypeAlias = Callable[[Route, Route, Payload], None]
"""Takes onward route, return route (own hop pushed), payload: bytes, or a view that is valid until it returns."""


class FrameTooLong(DecodeError):
    """A frame of more than 16 MiB is announced."""

    default_origin = Origin.TRANSPORT
    default_kind = Kind.UNSUPPORTED


class MessageTooLong(Misuse):
    """message length exceeded: a message does not fit into a frame of 16 MiB. Send it in parts."""

    default_origin = Origin.TRANSPORT
    default_kind = Kind.UNSUPPORTED


def frame_routes(onward_route: Route, return_route: Route) -> bytes:
    """Return how a frame with these routes begins, after its length."""
    return _OUTER_HEAD + onward_route.cbor + return_route.cbor


def frame_head(routes: bytes, payload_size: int) -> bytes:
    """Return everything of a frame that stands before its payload.

    Args:
        routes: from `frame_routes`.
        payload_size: in bytes.

    Raises:
        MessageTooLong: the frame would have more than 16 MiB.
    """
    if payload_size < 24:
        head = bytes((0x40 | payload_size,))
    elif payload_size < 0x100:
        head = _HEAD_2.pack(0x58, payload_size)
    elif payload_size < 0x10000:
        head = _HEAD_3.pack(0x59, payload_size)
    elif payload_size <= MAX_FRAME_BYTES:
        head = _HEAD_5.pack(0x5A, payload_size)
    else:
        raise MessageTooLong
    size = len(routes) + len(head) + payload_size + len(FRAME_TAIL)
    if size > MAX_FRAME_BYTES:
        raise MessageTooLong
    return _LENGTH.pack(size) + routes + head


def encode_frame(onward_route: Route, return_route: Route, payload: Payload) -> bytes:
    """Return the whole frame, length included.

    Raises:
        MessageTooLong: it would have more than 16 MiB.
    """
    return b"".join((frame_head(frame_routes(onward_route, return_route), len(payload)), payload, FRAME_TAIL))


def decode_frame(data: bytes | bytearray | memoryview, position: int, end: int) -> tuple[Route, Route, int, int]:
    """Return onward route, return route, and where the payload starts and ends, of one unauthenticated frame body.

    Raises:
        DecodeError: not such an array.
    """
    decoder = Decoder(data, position, end)
    fields = decoder.array()
    fields.require()
    onward_route = Route.read(decoder)
    fields.require()
    return_route = Route.read(decoder)
    fields.require()
    start, stop = decoder.bytes_range()
    if fields.optional():
        decoder.text()
    fields.close()
    return onward_route, return_route, start, stop


class _Remembered:
    """Routes by the bytes that spell them: the latest one, and some more by their first 40 bytes."""

    __slots__ = ("entries", "latest", "route")

    def __init__(self, empty: Route) -> None:
        # What the peer sends is compared with `latest` from the first frame on, so it must be a true spelling.
        self.latest = EMPTY_ARRAY
        self.route = empty
        self.entries: dict[bytes, tuple[bytes, Route]] = {}

    def find(self, data: bytearray, position: int, end: int) -> bool:
        """Make the route spelt at `position` the latest one; False if it is not remembered."""
        entry = self.entries.get(bytes(data[position : position + _KEY_BYTES]))
        # The key is only a hint: the whole spelling is compared, inside the frame.
        if entry is None or not data.startswith(entry[0], position, end):
            return False
        self.latest, self.route = entry
        return True

    def add(self, spelling: bytes, route: Route, following: bytes) -> None:
        """Remember that `spelling` is `route`."""
        self.latest, self.route = spelling, route
        if len(spelling) > MAX_REMEMBERED_SPELLING_BYTES:
            return
        if len(self.entries) >= MAX_REMEMBERED_ROUTES:
            self.entries.clear()
        self.entries[(spelling + following)[:_KEY_BYTES]] = (spelling, route)


class FrameReader:
    """Splits a receive buffer into frames and hands each on.

    Args:
        hop: address of this node's sending worker of the same connection, pushed on every return route.
        deliver: called once per frame, in order.
    """

    __slots__ = ("_deliver", "_hop", "_onward", "_return")

    def __init__(self, hop: Address, deliver: Deliver) -> None:
        self._hop = hop
        self._deliver = deliver
        self._onward = _Remembered(Route())
        self._return = _Remembered(Route((hop,)))

    def needed(self, buffer: bytearray, position: int, end: int) -> int:
        """Return how many bytes the frame that begins at `position` has, length included; 4 if not known yet.

        Raises:
            FrameTooLong: more than 16 MiB are announced.
        """
        if end - position < LENGTH_BYTES:
            return LENGTH_BYTES
        size: int = _LENGTH.unpack_from(buffer, position)[0]
        if size > MAX_FRAME_BYTES:
            raise FrameTooLong
        return LENGTH_BYTES + size

    def split(self, buffer: bytearray, view: memoryview, position: int, end: int) -> int:
        """Deliver every whole frame in `buffer[position:end]` (unauthenticated); return where the rest begins.

        Args:
            buffer: the receive buffer.
            view: a memoryview of it.
            position: where the first frame begins.
            end: where what was received ends.

        Raises:
            DecodeError: a frame is too long or not what a frame may be; the connection has to be closed.
        """
        onward, back = self._onward, self._return
        while end - position >= LENGTH_BYTES:
            (size,) = _LENGTH.unpack_from(buffer, position)
            if size > MAX_FRAME_BYTES:
                raise FrameTooLong
            start = position + LENGTH_BYTES
            stop = start + size
            if stop > end:
                break
            if size and buffer[start] == 0x84:
                at = start + 1
                if buffer.startswith(onward.latest, at, stop) or onward.find(buffer, at, stop):
                    at += len(onward.latest)
                else:
                    at = self._walk(onward, buffer, at, stop, hop=None)
                onward_route = onward.route
                if buffer.startswith(back.latest, at, stop) or back.find(buffer, at, stop):
                    at += len(back.latest)
                else:
                    at = self._walk(back, buffer, at, stop, hop=self._hop)
                return_route = back.route
                first, last = self._payload(buffer, at, stop)
            else:
                onward_route, return_route, first, last = decode_frame(buffer, start, stop)
                return_route = return_route.prepend(self._hop)
            # An empty onward route is a heartbeat.
            if onward_route.addresses:
                payload = bytes(view[first:last]) if last - first < VIEW_FROM_BYTES else view[first:last]
                self._deliver(onward_route, return_route, payload)
            position = stop
        return position

    @staticmethod
    def _walk(remembered: _Remembered, buffer: bytearray, at: int, stop: int, *, hop: Address | None) -> int:
        decoder = Decoder(buffer, at, stop)
        found = Route.read(decoder)
        if hop is not None:
            found = found.prepend(hop)
        after = decoder.position
        remembered.add(bytes(buffer[at:after]), found, bytes(buffer[after : after + _KEY_BYTES]))
        return after

    @staticmethod
    def _payload(buffer: bytearray, at: int, stop: int) -> tuple[int, int]:
        """Return where the payload of a four-element frame starts and ends; check what follows it."""
        head = buffer[at] if at < stop else 0
        if 0x40 <= head < 0x58:
            first = at + 1
            last = first + head - 0x40
        elif head == 0x58 and at + 2 <= stop:
            first = at + 2
            last = first + buffer[at + 1]
        elif head == 0x59 and at + 3 <= stop:
            first = at + 3
            last = first + (buffer[at + 1] << 8 | buffer[at + 2])
        else:
            decoder = Decoder(buffer, at, stop)
            first, last = decoder.bytes_range()
        if last + 3 == stop and buffer.startswith(FRAME_TAIL, last, stop):
            return first, last
        if last > stop:
            raise DecodeError("cut: more bytes are announced than are there")
        decoder = Decoder(buffer, last, stop)
        if decoder.is_null():
            return first, last
        decoder.text()
        return first, last
