# Invariant: an attestation or its data is refused with a DecodeError, or reads back as equal from its own encoding.
"""Purpose key attestations, not yet verified, and the data in them."""

from __future__ import annotations

from ockam.identity.purpose_key import PurposeKeyAttestation, PurposeKeyAttestationData
from ockam.identity.versioned_data import VersionedData


def check(data: bytes) -> None:
    attestation = PurposeKeyAttestation.decode(data)
    assert PurposeKeyAttestation.decode(attestation.encode()) == attestation
    inner = PurposeKeyAttestationData.decode(VersionedData.decode(attestation.data).data)
    assert PurposeKeyAttestationData.decode(inner.encode()) == inner
