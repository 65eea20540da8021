# Invariant: a byte stream is split into the same messages however it arrives (whole, byte by byte, by a reader that
# has seen the routes before), each the same as `decode_frame` says, up to the first frame that is refused with a
# DecodeError.
"""The frames of the TCP transport."""

from __future__ import annotations

from typing import TypeAlias

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.errors import DecodeError
from ockam.transport.framing import FrameReader, decode_frame, encode_frame

HOP = Address(0, b"hop")
MAX_STEPS = 600  # bytes that are fed one by one

Messages: TypeAlias = list[tuple[Route, Route, bytes]]


class Receiver:
    """A reader and what it delivered."""

    def __init__(self) -> None:
        self.messages: Messages = []
        self.reader = FrameReader(HOP, self.deliver)

    def deliver(self, onward_route: Route, return_route: Route, payload: bytes | bytearray | memoryview) -> None:
        self.messages.append((onward_route, return_route, bytes(payload)))

    def feed(self, data: bytes, step: int) -> tuple[Messages, bool]:
        """Return the messages of this stream, and whether none of it was refused."""
        self.messages = []
        buffer = bytearray(data)
        view = memoryview(buffer)
        position = 0
        try:
            for end in [*range(step, len(data), step), len(data)]:
                position = self.reader.split(buffer, view, position, end)
                assert position <= end
        except DecodeError:
            return self.messages, False
        return self.messages, True


def reference(data: bytes) -> tuple[Messages, bool]:
    """Read frame by frame, with nothing remembered."""
    messages: Messages = []
    position = 0
    try:
        while len(data) - position >= 4:
            size = int.from_bytes(data[position : position + 4], "big")
            if size > 16 * 1024 * 1024:
                raise DecodeError
            start, position = position + 4, position + 4 + size
            if position > len(data):
                break
            onward_route, return_route, first, last = decode_frame(data, start, position)
            if onward_route.addresses:
                messages.append((onward_route, return_route.prepend(HOP), data[first:last]))
    except DecodeError:
        return messages, False
    return messages, True


def check(data: bytes) -> None:
    expected = reference(data)
    receiver = Receiver()
    assert receiver.feed(data, max(1, len(data))) == expected
    assert receiver.feed(data, 3) == expected, "with routes remembered"
    if len(data) <= MAX_STEPS:
        assert Receiver().feed(data, 1) == expected
    messages, complete = expected
    if not complete:
        raise DecodeError
    for onward_route, return_route, payload in messages:
        frame = encode_frame(onward_route, return_route.tail(), payload)
        assert reference(frame) == ([(onward_route, return_route, payload)], True)
