"""The worker `credential_issuer`: a fresh credential for every member that asks over a secure channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.core.message import Routed, peer_identifier
from ockam.core.request import Request
from ockam.identity.identifier import Identifier
from ockam.runtime.worker import Worker

if TYPE_CHECKING:
    from ockam.authority.credential_issuer import CredentialIssuer
    from ockam.runtime.context import Context

__all__ = ["CredentialIssuerWorker"]


class CredentialIssuerWorker(Worker[Request]):
    """Carries the requests to a credential issuer. What comes over no channel gets no answer."""

    def __init__(self, issuer: CredentialIssuer) -> None:
        self._issuer = issuer

    async def handle_message(self, ctx: Context, message: Routed[Request]) -> None:
        """Answer one request."""
        peer = peer_identifier(message)
        if peer is not None:
            response = await self._issuer.respond(Identifier(peer), message.body)
            await ctx.send(message.return_route, response.encode())
