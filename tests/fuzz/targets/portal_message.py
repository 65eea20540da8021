# Invariant: any bytes are a portal message or a DecodeError; a message is read back from its own encoding, and a view
# is read as its bytes are.
"""The messages of portals and streams."""

from __future__ import annotations

from ockam.portal import decode_portal_message


def check(data: bytes) -> None:
    message = decode_portal_message(data)
    assert decode_portal_message(memoryview(data)) == message
    encoded = message.encode()
    assert len(encoded) <= len(data) + 2  # a short suffix is not written
    assert decode_portal_message(encoded) == message
