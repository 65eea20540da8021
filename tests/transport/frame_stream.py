"""The frame reader as a stream decoder: what the TCP receiver does with its buffer, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ockam.core.address import Address
from ockam.transport.framing import FrameReader

if TYPE_CHECKING:
    from ockam.core.message import Payload
    from ockam.core.route import Route

HOP = Address.local("hop")
Frame: TypeAlias = tuple[str, str, bytes]
"""Onward route, return route (with the hop), payload."""


class FrameStream:
    """Called with the next bytes of a connection; returns the frames that they complete."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._rest = b""
        self._reader = FrameReader(HOP, self._deliver)

    def __call__(self, data: bytes) -> list[Frame]:
        # Garbage on both sides of the stream shows any read outside the bounds.
        buffer = bytearray(b"\x84" + self._rest + data + b"\x62{}\x40\x80")
        end = len(buffer) - 5
        self.frames = []
        position = self._reader.split(buffer, memoryview(buffer), 1, end)
        self._rest = bytes(buffer[position:end])
        return self.frames

    def _deliver(self, onward_route: Route, return_route: Route, payload: Payload) -> None:
        self.frames.append((str(onward_route), str(return_route), bytes(payload)))
