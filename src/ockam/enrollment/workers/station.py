"""The enroller's side of a local link: a worker that devices reach over a channel between fresh identities.

    device                              station
      channel to `api` =================
      offer, commit        ----------->  worker `enroller`
               nonce       <-----------
      reveal               ----------->
               both show the six digits, both people confirm
               bundle      <-----------  the approval is on its way to the service

Nothing of a device is used before its code is confirmed. A link that the station ends is closed without a word.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ockam.core.address import Address
from ockam.core.message import Routed, peer_identifier
from ockam.encoding.cbor import Decoder
from ockam.enrollment.enrollee import retry_delay
from ockam.enrollment.errors import ServiceUnreachable
from ockam.enrollment.link import LINK_NONCE_SIZE, Commit, EnrollerLink, LinkParties, Reveal
from ockam.enrollment.messages import EnrolleeOffer
from ockam.enrollment.workers.host import API, ENROLLER
from ockam.errors import OckamError
from ockam.identity.identifier import Identifier
from ockam.runtime.worker import Worker
from ockam.secure_channel.options import SecureChannelListenerOptions
from ockam.secure_channel.workers.listener import SecureChannelListener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ockam.core.route import Route
    from ockam.enrollment.workers.enroller import Enroller
    from ockam.enrollment.workers.host import Host
    from ockam.runtime.context import Context
    from ockam.secure_channel.workers.handshake import ChannelServices
    from ockam.transport.tcp.listener import TcpListener

__all__ = ["EnrollerStation"]

log = logging.getLogger("ockam.enrollment")

# Chosen by us: devices that a station may be talking with at once.
MAX_LINKS: Final = 64


@dataclass(slots=True)
class _Link:
    """One device on the line."""

    state: EnrollerLink
    offer: EnrolleeOffer | None = None
    is_revealed: bool = field(default=False)


class EnrollerStation(Worker[bytes]):
    """Serves devices until it is closed. Made by `Enroller.start_station`.

    Attributes:
        identifier: of the station on this link; fresh, no trust yet.
        served: how many devices got a bundle.
    """

    def __init__(
        self,
        host: Host,
        enroller: Enroller,
        confirm: Callable[[str, EnrolleeOffer], Awaitable[bool]],
        attributes: Mapping[str, str],
        expires_in: int | None,
        *,
        approve: bool,
    ) -> None:
        self._host = host
        self._enroller = enroller
        self._confirm = confirm
        self._attributes = attributes
        self._expires_in = expires_in
        self._approve = approve
        self._services: ChannelServices = host.fresh_services()
        self._links: dict[bytes, _Link] = {}
        self._channels: SecureChannelListener | None = None
        self._forwarding: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self.identifier: Identifier | None = None
        self.served = 0

    async def start(self, listener: TcpListener) -> None:
        """Begin to serve devices, and to forward what an earlier run has left."""
        self.identifier = await self._services.identities.create_identity()
        options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        self._channels = SecureChannelListener(self._services, self.identifier, Address.local(API), options)
        await self._host.context.start_worker(ENROLLER, self)
        self._host.runtime.flow_controls.add_consumer(ENROLLER, self._channels.flow_control_id)
        if self._approve:
            self._more.set()
            self._forwarding = self._host.runtime.new_task(self._forward())

    async def close(self) -> None:
        """Serve no more devices; what is queued stays on the disk."""
        if self._forwarding is not None:
            self._forwarding.cancel()
        if self._channels is not None:
            await self._channels.close()
            await self._host.context.stop_address(ENROLLER)

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        """Take one link message of a device: an offer, a commitment or what reveals it. Unauthenticated."""
        peer = peer_identifier(message)
        if peer is None:
            return
        try:
            link = self._link(peer)
            match _tag(message.body):
                case 1 if link.offer is None:
                    link.offer = EnrolleeOffer.decode(message.body)
                case Commit.TAG:
                    await ctx.send(message.return_route, link.state.on_commit(Commit.decode(message.body)).encode())
                case Reveal.TAG if link.offer is not None and not link.is_revealed:
                    link.is_revealed = True
                    code = link.state.on_reveal(self._parties(peer, link.offer), Reveal.decode(message.body))
                    ctx.runtime.new_task(self._serve(peer, link.offer, code, message.return_route))
                case _:
                    log.warning("a link message came at the wrong time and was dropped")
        except OckamError as error:
            log.warning("the link with a device was ended: %s", error)
            await self._end(peer)

    def _link(self, peer: bytes) -> _Link:
        link = self._links.get(peer)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                self._forget_closed()
            link = self._links[peer] = _Link(EnrollerLink(self._host.random(LINK_NONCE_SIZE)))
        return link

    def _forget_closed(self) -> None:
        open_now = {channel.their_identifier.value for channel in self._services.registry.channels}
        for peer in [peer for peer in self._links if peer not in open_now]:
            del self._links[peer]
        if len(self._links) >= MAX_LINKS:
            raise OckamError("too many devices are on the line")

    def _parties(self, peer: bytes, offer: EnrolleeOffer) -> LinkParties:
        assert self.identifier is not None  # set before any message can come
        return LinkParties(peer, self.identifier.value, offer.eik)

    async def _serve(self, peer: bytes, offer: EnrolleeOffer, code: str, return_route: Route) -> None:
        try:
            if not await self._confirm(code, offer):
                log.info("the code of a device was not confirmed")
                await self._end(peer)
                return
            if self._approve:
                # On the disk before the device gets anything; most often also at the service before it asks there.
                await self._enroller.queue([offer], attributes=self._attributes, expires_in=self._expires_in)
                self._more.set()
            bundle = await self._enroller.take_bundle(offer)
            await self._host.context.send(return_route, bundle.encode())
            self.served += 1
        except OckamError as error:
            log.warning("a device could not be served: %s", error)
            await self._end(peer)

    async def _end(self, peer: bytes) -> None:
        self._links.pop(peer, None)
        for channel in self._services.registry.of_peer(Identifier(peer)):
            await channel.close()

    async def _forward(self) -> None:
        """Send queued approvals as soon as the service can be reached."""
        attempt = 0
        while True:
            await self._more.wait()
            self._more.clear()
            try:
                flushed = await self._enroller.flush_queue()
                attempt = 0
                for offer in flushed.refused:
                    log.warning("the service refused %s: %s", offer.enrollment_identifier.hex()[:20], offer.reason)
            except ServiceUnreachable as error:
                log.info("approvals wait until the service can be reached: %s", error)
                delay = retry_delay(attempt, self._host.random(1)[0] / 255)
                attempt += 1
                self._host.runtime.loop.call_later(delay, self._more.set)
            except OckamError as error:
                log.warning("approvals could not be forwarded: %s", error)


def _tag(body: bytes) -> int:
    decoder = Decoder(body)
    decoder.array().require()
    return decoder.uint(8)
