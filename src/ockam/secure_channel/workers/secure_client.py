"""A client of a node that is asked now and then: one channel per request, closed with its connection afterwards.

Source: reference ockam_node secure_client.rs; there, too, the responder is pinned by a trust policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.core.request import Request, Response
from ockam.core.route import route as make_route
from ockam.secure_channel.noise import Role
from ockam.secure_channel.options import DEFAULT_TIMEOUT_SECONDS
from ockam.secure_channel.workers.handshake import HandshakeWorker, Terms

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from ockam.core.request import Method
    from ockam.core.route import Route
    from ockam.identity.identifier import Identifier
    from ockam.runtime.context import Context
    from ockam.secure_channel.trust_policy import TrustPolicy
    from ockam.secure_channel.workers.handshake import ChannelServices

__all__ = ["SecureClient"]


class SecureClient:
    """Asks workers behind the listener at the end of a route.

    Args:
        context: sends the requests.
        services: make the channels.
        connect: gives the route, with a connection open if one is needed, and closes that afterwards.
        identifier: our own.
        trust_policy: who may answer.
        channel_timeout: seconds for the channel.
        request_timeout: seconds for the answer.
    """

    def __init__(
        self,
        context: Context,
        services: ChannelServices,
        connect: Callable[[], AbstractAsyncContextManager[Route]],
        identifier: Identifier,
        trust_policy: TrustPolicy,
        *,
        channel_timeout: float = DEFAULT_TIMEOUT_SECONDS,
        request_timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        self._context = context
        self._services = services
        self._connect = connect
        self._terms = Terms(identifier, trust_policy, None, None, channel_timeout)
        self._timeout = request_timeout

    async def ask(self, worker: str, method: Method, path: str, body: bytes | None = None) -> Response:
        """Send one request and return the response.

        Raises:
            TimedOut: no channel, or no answer, in time.
            OckamError: nobody is there, or not who is trusted.
        """
        async with self._connect() as resolved:
            channel = await HandshakeWorker(self._services, self._terms, Role.INITIATOR).initiate(resolved)
            try:
                number = int.from_bytes(self._services.runtime.random(4), "big") or 1
                request = Request(path, method, body, number).encode()
                return await self._context.send_and_receive(
                    make_route(channel, worker), request, reply=Response, timeout=self._timeout
                )
            finally:
                await channel.close()
