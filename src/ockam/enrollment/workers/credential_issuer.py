"""Credentials for enrolled devices that ask the worker `credential_issuer` over a channel (`ockam.authority`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.enrollment.issuing import issue_member_credential
from ockam.enrollment.pending import State
from ockam.identity.change_history import ChangeHistory
from ockam.identity.verification import verify_change_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.authority.credential_issuer import Issue
    from ockam.enrollment.repository import EnrollmentRepository
    from ockam.enrollment.service import EnrollmentService
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier

__all__ = ["issue_to_enrolled"]


def issue_to_enrolled(service: EnrollmentService, repository: EnrollmentRepository, now: Callable[[], int]) -> Issue:
    """Return what issues credentials to enrolled devices."""

    async def issue(identifier: Identifier) -> CredentialAndPurposeKey | None:
        member = await repository.member(identifier)
        if member is None or member.state is not State.ENROLLED:
            return None
        # It holds what it was sent, or has lost it: either way the stored answer is of no more use.
        await repository.device_spoke(identifier)
        keys = service.keys
        device = verify_change_history(ChangeHistory.decode(member.history), keys.verifier, identifier)
        return await issue_member_credential(keys, device, member.attributes, service.settings.credential_ttl, now())

    return issue
