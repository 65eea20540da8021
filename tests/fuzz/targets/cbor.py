# Invariant: reading any type from any bytes gives a value or a DecodeError, never moves past the end, and a value
# that was read is read back from its own encoding. Skipping terminates, however deep the nesting and whatever
# length is announced.
"""The CBOR decoder, one reader at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ockam.encoding import cbor
from ockam.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

READERS: tuple[tuple[Callable[[cbor.Decoder], Any], Callable[[Any], bytes]], ...] = (
    (cbor.Decoder.uint, cbor.encode_uint),
    (cbor.Decoder.int, cbor.encode_int),
    (cbor.Decoder.bytes, cbor.encode_bytes),
    (cbor.Decoder.text, cbor.encode_text),
    (cbor.Decoder.bool, cbor.encode_bool),
)


def read_items(items: cbor.Items, decoder: cbor.Decoder) -> None:
    while items.next():
        decoder.skip()
    items.close()


def check(data: bytes) -> None:
    for read, encode in READERS:
        try:
            value = read(cbor.Decoder(data))
        except DecodeError:
            continue
        assert read(cbor.Decoder(encode(value))) == value
    for enter in (cbor.Decoder.array, cbor.Decoder.map):
        decoder = cbor.Decoder(data)
        try:
            read_items(enter(decoder), decoder)
        except DecodeError:
            continue
        assert 0 < decoder.position <= len(data)
    decoder = cbor.Decoder(data)
    decoder.skip()
    assert 0 < decoder.position <= len(data)
    assert decoder.remaining() == len(data) - decoder.position
