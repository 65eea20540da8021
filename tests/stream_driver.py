"""Feeds a stream decoder the same bytes in every way a network may cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

import pytest

from ockam.errors import DecodeError

Item = TypeVar("Item")
Feed: TypeAlias = Callable[[bytes], Iterable[Item]]
"""Takes the next bytes of the stream, and returns the items that they complete."""


def decode_stream(make: Callable[[], Feed[Item]], items: Sequence[bytes], expected: Sequence[Item]) -> None:
    """Check that a decoder gives `expected`, one per item, however the stream of `items` is cut.

    Args:
        make: returns a fresh decoder.
        items: the encoding of each item; the stream is all of them in a row.
        expected: what they decode to; an item that decodes to nothing (a heartbeat) has none.
    """
    stream = b"".join(items)
    wanted = list(expected)
    assert _fed(make, [stream]) == wanted, "whole"
    assert _fed(make, [stream[at : at + 1] for at in range(len(stream))]) == wanted, "byte by byte"
    assert _fed(make, items) == wanted, "item by item"
    for at in _cuts(len(stream)):
        assert _fed(make, [stream[:at], stream[at:]]) == wanted, f"cut at {at}"
    # An item that has begun but not ended is no item, and spoils none before it.
    for at in _cuts(len(items[0])):
        assert _fed(make, [stream + items[0][:at]]) == wanted, f"{at} trailing bytes"
        feed = make()
        assert [*feed(stream + items[0][:at]), *feed(items[0][at:])] == [*wanted, *_fed(make, [items[0]])]


def refuse_stream(make: Callable[[], Feed[Item]], stream: bytes) -> None:
    """Check that a decoder raises DecodeError, however `stream` is cut."""
    pieces: list[list[bytes]] = [[stream], [stream[at : at + 1] for at in range(len(stream))]]
    pieces += [[stream[:at], stream[at:]] for at in _cuts(len(stream))]
    for cut in pieces:
        with pytest.raises(DecodeError):
            _fed(make, cut)


def _fed(make: Callable[[], Feed[Item]], pieces: Iterable[bytes]) -> list[Item]:
    feed = make()
    return [item for piece in pieces for item in feed(piece)]


def _cuts(size: int) -> Iterable[int]:
    """Every cut of a short stream; of a long one the first and last 64, and some between."""
    if size <= 256:
        return range(1, size)
    return [*range(1, 65), *range(65, size - 64, size // 64), *range(size - 64, size)]
