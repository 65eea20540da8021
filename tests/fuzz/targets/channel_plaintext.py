# Invariant: a plaintext is refused with a DecodeError, or gives the same message to the plain decoder, to a reader
# that never saw its routes, to one that did, and to one that reads in place; and it reads back from its own
# encoding.
"""What a secure channel decrypts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.errors import DecodeError
from ockam.secure_channel.messages import Payload, PayloadReader, decode_message, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

ENCRYPTOR = Address(0, b"encryptor")
WARM = encode_payload(Route((Address(0, b"echoer"),)), Route((Address(0, b"app"),)), b"hello")


def comparable(delivery: Any) -> Any:
    """Payloads may come as a view of the plaintext."""
    if not isinstance(delivery, tuple):
        return delivery
    onward_route, return_route, payload = delivery
    return onward_route, return_route, bytes(payload)


def refused_by(read: Callable[[], object]) -> None:
    """The plain decoder refused: so must this one."""
    try:
        delivery = read()
    except DecodeError:
        return
    raise AssertionError(f"refused by the decoder, read as {delivery!r}")


def check(data: bytes) -> None:
    reader = PayloadReader(ENCRYPTOR)
    reader.read(WARM)
    try:
        message = decode_message(data)
    except DecodeError:
        refused_by(lambda: reader.read(data))
        refused_by(lambda: reader.read_in_place(memoryview(data)))
        raise
    expected: object = message
    if isinstance(message, Payload):
        expected = (message.onward_route, message.return_route.prepend(ENCRYPTOR), message.payload)
    assert comparable(reader.read(data)) == expected
    assert comparable(reader.read(data)) == expected, "with routes remembered"
    assert comparable(reader.read_in_place(memoryview(bytearray(data)))) == expected, "in place"
    assert decode_message(message.encode()) == message
