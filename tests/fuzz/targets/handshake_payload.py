# Invariant: the payload of a handshake message is refused with a DecodeError, or reads back as equal from its own
# encoding, in which everything signed is the bytes that were read.
"""Identity and credentials, as a handshake carries them."""

from __future__ import annotations

from ockam.secure_channel.identity_payload import IdentityAndCredentials


def check(data: bytes) -> None:
    payload = IdentityAndCredentials.decode(data)
    assert IdentityAndCredentials.decode(payload.encode()) == payload
