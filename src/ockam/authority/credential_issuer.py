"""What a credential issuer answers.

    POST `/` or `/credential`, no body -> CredentialAndPurposeKey of who asks

Who asks is known by the channel, not by a credential: one that has expired does not lock its owner out.

Source: reference ockam_api authenticator/credential_issuer/.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from ockam.core.request import Method, Request, Response, Status
from ockam.errors import OckamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ockam.authority.members import Members
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities

__all__ = ["CredentialIssuer", "Issue", "issue_to_members"]

log = logging.getLogger("ockam.authority")

Issue: TypeAlias = "Callable[[Identifier], Awaitable[CredentialAndPurposeKey | None]]"
"""Makes a fresh credential about a subject; None: it is no member."""


class CredentialIssuer:
    """Answers requests for credentials."""

    def __init__(self, issue: Issue) -> None:
        self._issue = issue

    async def respond(self, identifier: Identifier, request: Request) -> Response:
        """Return the response to a request of `identifier`; never raises an OckamError."""
        if request.method is not Method.POST or request.path.strip("/") not in ("", "credential"):
            return Response.failure(request, Status.NOT_FOUND, "POST / is expected")
        try:
            credential = await self._issue(identifier)
        except OckamError as error:
            log.error("no credential could be issued to %s: %s", identifier, error)
            return Response.failure(request, Status.INTERNAL_SERVER_ERROR, "no credential could be issued")
        if credential is None:
            log.warning("%s asked for a credential, and is no member", identifier)
            return Response.failure(request, Status.FORBIDDEN, "unauthorized member")
        return Response.ok(request, credential.encode())


def issue_to_members(identities: Identities, issuer: Identifier, members: Members, ttl_seconds: int) -> Issue:
    """Return what issues credentials to members, as one of our identities; their channels bring their histories."""

    async def issue(subject: Identifier) -> CredentialAndPurposeKey | None:
        attributes = await members.attributes(subject)
        if attributes is None:
            return None
        return await identities.issue_credential(issuer, subject, attributes, ttl_seconds)

    return issue
