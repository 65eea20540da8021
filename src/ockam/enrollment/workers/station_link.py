"""The device's side of a local link: see `station` for the messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ockam.core.access_control import ALLOW_ALL
from ockam.core.address import Address
from ockam.core.route import Route, route
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.errors import StationEnded
from ockam.enrollment.link import LINK_NONCE_SIZE, CodeNotConfirmed, EnrolleeLink, LinkParties, Nonce
from ockam.enrollment.workers.host import API, ENROLLER, ChannelEnded, Way, unless_closed
from ockam.runtime.errors import UnknownAddress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ockam.enrollment.messages import EnrolleeOffer
    from ockam.enrollment.workers.host import Host
    from ockam.secure_channel.workers.channel import SecureChannel

__all__ = ["receive_bundle"]

# Chosen by us.
LINK_SECONDS: Final = 30.0


async def receive_bundle(
    host: Host,
    station_address: str,
    offer: EnrolleeOffer,
    confirm: Callable[[str], Awaitable[bool]],
    wait: float | None,
) -> SignedEnrollmentBundle:
    """Get a bundle from the station; not verified yet.

    Args:
        host: the device's node.
        station_address: `host:port`, or a MultiAddr of its channel listener.
        offer: of the device.
        confirm: asked with the six digits.
        wait: seconds for the person at the station.
    """
    way = Way.parse(station_address)
    if not way.hops.addresses:
        way = Way(way.peer, Route((Address.local(API),)))
    services = host.fresh_services()
    identifier = await services.identities.create_identity()
    opened = await host.open_channel(way, identifier, None, timeout=LINK_SECONDS, services=services)
    channel = opened.channel
    try:
        async with asyncio.timeout(wait):
            return await _converse(host, channel, offer, confirm)
    except TimeoutError:
        raise StationEnded("the enroller did not answer in time: was the code confirmed there?") from None
    finally:
        await opened.close()


async def _converse(
    host: Host, channel: SecureChannel, offer: EnrolleeOffer, confirm: Callable[[str], Awaitable[bool]]
) -> SignedEnrollmentBundle:
    station = route(channel, ENROLLER)
    context = host.context.new_detached(incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
    host.runtime.flow_controls.add_consumer(context.address, channel.flow_control_id)
    parties = LinkParties(channel.identifier.value, channel.their_identifier.value, offer.eik)
    link = EnrolleeLink(parties, host.random(LINK_NONCE_SIZE))

    async def receive() -> bytes:
        return (await context.receive(timeout=None)).body

    try:
        await context.send(station, offer.encode())
        await context.send(station, link.commit().encode())
        nonce = Nonce.decode(await unless_closed(channel, receive()))
        reveal, code = link.on_nonce(nonce)
        await context.send(station, reveal.encode())
        # The station asks its person meanwhile; the bundle waits here until ours has agreed.
        if not await unless_closed(channel, confirm(code)):
            raise CodeNotConfirmed
        return SignedEnrollmentBundle.decode(await unless_closed(channel, receive()))
    except (ChannelEnded, UnknownAddress) as error:
        raise StationEnded from error
    finally:
        await context.stop()
