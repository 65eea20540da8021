"""The worker `credential_issuer`: a fresh credential for every enrolled device that asks over a channel.

POST `/` or `/credential`, no body -> CredentialAndPurposeKey. Who asks is known by the channel, not by a credential:
one that has expired does not lock its owner out.

Source: reference ockam_api authenticator/credential_issuer/.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ockam.core.message import Routed, peer_identifier
from ockam.core.request import Method, Request, Response, Status
from ockam.enrollment.issuing import issue_member_credential
from ockam.enrollment.pending import State
from ockam.errors import OckamError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.identifier import Identifier
from ockam.identity.verification import verify_change_history
from ockam.runtime.worker import Worker

if TYPE_CHECKING:
    from ockam.enrollment.repository import EnrollmentRepository
    from ockam.enrollment.service import EnrollmentService
    from ockam.runtime.context import Context

__all__ = ["CredentialIssuer"]

log = logging.getLogger("ockam.enrollment")


class CredentialIssuer(Worker[Request]):
    """Issues credentials to enrolled devices."""

    def __init__(self, service: EnrollmentService, repository: EnrollmentRepository) -> None:
        self._service = service
        self._repository = repository

    async def handle_message(self, ctx: Context, message: Routed[Request]) -> None:
        """Answer one request."""
        peer = peer_identifier(message)
        if peer is None:
            return
        identifier = Identifier(peer)
        try:
            response = await self._respond(identifier, message.body, ctx.runtime.clock())
        except OckamError as error:
            log.error("no credential could be issued to %s: %s", identifier, error)
            response = Response.failure(message.body, Status.INTERNAL_SERVER_ERROR, "no credential could be issued")
        await ctx.send(message.return_route, response.encode())

    async def _respond(self, identifier: Identifier, request: Request, now: int) -> Response:
        if request.method is not Method.POST or request.path.strip("/") not in ("", "credential"):
            return Response.failure(request, Status.NOT_FOUND, "POST / is expected")
        member = await self._repository.member(identifier)
        if member is None or member.state is not State.ENROLLED:
            log.warning("%s asked for a credential, and is not enrolled", identifier)
            return Response.failure(request, Status.FORBIDDEN, "unauthorized member")
        # It holds what it was sent, or has lost it: either way the stored answer is of no more use.
        await self._repository.device_spoke(identifier)
        keys = self._service.keys
        device = verify_change_history(ChangeHistory.decode(member.history), keys.verifier, identifier)
        ttl = self._service.settings.credential_ttl
        credential = await issue_member_credential(keys, device, member.attributes, ttl, now)
        return Response.ok(request, credential.encode())
