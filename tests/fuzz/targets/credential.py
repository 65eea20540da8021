# Invariant: a credential with its attestation, and the data in it, is refused with a DecodeError, or reads back as
# equal from its own encoding.
"""Credentials, not yet verified, and the data in them."""

from __future__ import annotations

from ockam.identity.credential import CredentialAndPurposeKey, CredentialData
from ockam.identity.versioned_data import VersionedData


def check(data: bytes) -> None:
    presented = CredentialAndPurposeKey.decode(data)
    assert CredentialAndPurposeKey.decode(presented.encode()) == presented
    inner = CredentialData.decode(VersionedData.decode(presented.credential.data).data)
    assert CredentialData.decode(inner.encode()) == inner
