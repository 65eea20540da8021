# Invariant: a bundle, in either form, is refused as BundleRefused (a PeerError with a text for a person), or is the
# one encoding of what it gives; so are the signed contents in it.
"""Enrollment bundles, not yet verified."""

from __future__ import annotations

import contextlib

from ockam.encoding.cbor import decode_exactly
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle, route_is_usable
from ockam.enrollment.errors import BundleRefused
from ockam.identity.versioned_data import VersionedData

REFUSAL = BundleRefused


def check(data: bytes) -> None:
    with contextlib.suppress(BundleRefused):
        loaded = SignedEnrollmentBundle.load(data)
        assert SignedEnrollmentBundle.parse(loaded.text) == loaded
    signed = SignedEnrollmentBundle.decode(data)
    assert signed.encode() == data
    contents = signed.contents()
    assert contents.encode() == decode_exactly(signed.bundle, VersionedData.read, VersionedData.encode).data
    for route in contents.routes:
        route_is_usable(route)
