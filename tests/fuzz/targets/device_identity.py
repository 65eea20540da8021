# Invariant: what a device says about itself is refused with a DecodeError, or reads back as equal from its own
# encoding.
"""The opened identity of an enrollment message."""

from __future__ import annotations

from ockam.enrollment.messages import DeviceIdentity


def check(data: bytes) -> None:
    identity = DeviceIdentity.decode(data)
    assert DeviceIdentity.decode(identity.encode()) == identity
