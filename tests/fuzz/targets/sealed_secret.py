# Invariant: bytes give an opened key ring, an opened secret or a VaultError; no cost in a header makes it slow; a
# ring that opened opens again from its own encoding.
"""Key rings and sealed secrets, as read from a store that somebody else may have written to."""

from __future__ import annotations

from ockam.testing import FixedRandom
from ockam.vault import VaultError
from ockam.vault.software.sealing import KeyRing, SealingKey

REFUSAL = VaultError

KEY = SealingKey.from_key(bytes(range(32)))


def check(data: bytes) -> None:
    ring = KeyRing.create(FixedRandom("sealed"))
    try:
        ring = KeyRing.decode(data, KEY)
    except VaultError:
        ring.open(b"place", data)
    else:
        secret = ring.seal(b"place", b"secret")
        assert KeyRing.decode(ring.encode(KEY), KEY).open(b"place", secret) == b"secret"
