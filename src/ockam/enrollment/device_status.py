"""How far a device is, from what it has stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ockam.enrollment.enrollee_state import Enrolled, Offered, Waiting
from ockam.identity.credential import CredentialData
from ockam.identity.versioned_data import VersionedData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ockam.enrollment.enrollee_state import DeviceState
    from ockam.identity.identifier import Identifier

__all__ = ["EnrolleeStatus", "EnrolleeStep", "device_status"]


class EnrolleeStep(Enum):
    """How far the device is."""

    OFFERED = "offered"
    WAITING = "waiting"
    ENROLLED = "enrolled"


@dataclass(frozen=True, slots=True)
class EnrolleeStatus:
    """What the device knows of itself.

    Attributes:
        enrollment_identifier: SHA-256 of the enrollment key, 32 bytes.
        identifier: its identity, once it has one.
        service: of the bundle it waits with, or whose member it is.
        bundle_fingerprint: of the bundle it waits with.
        relay_name: of a member.
        attributes: in a member's credential.
        credential_expires_at: the last second in which a member's credential is valid.
    """

    step: EnrolleeStep
    enrollment_identifier: bytes
    pet_name: str | None
    identifier: Identifier | None
    service: Identifier | None
    bundle_fingerprint: str | None = None
    relay_name: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    credential_expires_at: int | None = None


def device_status(
    state: DeviceState, identifier: Identifier | None, expected_service: Identifier | None = None
) -> EnrolleeStatus:
    """Return what a stored state says.

    Args:
        state: its credential was verified before it was stored.
        identifier: the device's identity, if it has one.
        expected_service: the only service the device may enroll with, if one was given.
    """
    match state:
        case Enrolled():
            # Ours, and verified before it was stored.
            data = CredentialData.decode(VersionedData.decode(state.credential.credential.data).data)
            return EnrolleeStatus(
                EnrolleeStep.ENROLLED,
                state.enrollment_identifier,
                state.pet_name,
                identifier,
                state.service,
                relay_name=state.relay_name,
                attributes=data.subject_attributes.text(),
                credential_expires_at=data.expires_at,
            )
        case Waiting():
            offer, bundle = state.offered.offer, state.signed_bundle
            return EnrolleeStatus(
                EnrolleeStep.WAITING,
                offer.enrollment_identifier,
                offer.pet_name,
                identifier,
                bundle.contents().service,
                bundle.fingerprint,
            )
        case Offered():
            offered = state.offer.enrollment_identifier
            return EnrolleeStatus(EnrolleeStep.OFFERED, offered, state.pet_name, identifier, expected_service)
