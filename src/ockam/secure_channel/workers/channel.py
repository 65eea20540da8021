"""An established channel: the encryptor, the address that stands for the channel in a route.

The worker is a plain function on the path of every message (see "Performance" in ARCHITECTURE.md): where the remote
route begins with a connection of this node, a message is encrypted inside the frame that goes to the socket.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol, TypedDict, Unpack

from ockam.core.message import SECURE_CHANNEL_IDENTIFIER, LocalMessage
from ockam.core.route import EMPTY_ROUTE, Route, RouteLike
from ockam.core.route import route as make_route
from ockam.errors import OckamError
from ockam.runtime.errors import UnknownAddress
from ockam.runtime.mailbox import AddressMetadata, Busy, Mailbox
from ockam.secure_channel.encryptor import FRAME_OVERHEAD, IN_PLACE_FROM, NONCE_SIZE, Encryptor
from ockam.secure_channel.errors import NonceOverflow, UnknownChannelMsgDestination
from ockam.secure_channel.messages import (
    PAYLOAD_TAIL,
    Close,
    RefreshCredentials,
    encode_payload,
    payload_head,
)
from ockam.secure_channel.workers.api import ApiAddress

if TYPE_CHECKING:
    from ockam.core.access_control import AccessControl
    from ockam.core.address import Address
    from ockam.core.flow_control import FlowControlId
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.noise import Role
    from ockam.secure_channel.workers.end import SecureChannelEnd

__all__ = ["OpenStream", "SecureChannel", "StreamOptions"]

log = logging.getLogger("ockam.secure_channel")

_NONCE_ROOM: Final = bytes(NONCE_SIZE)
_TAG_ROOM: Final = bytes(FRAME_OVERHEAD - NONCE_SIZE)


class StreamOptions(TypedDict, total=False):
    """What `Node.open_stream` takes besides the route, where it is explained."""

    timeout: float | None
    limit: int
    incoming: AccessControl
    outgoing: AccessControl


class OpenStream(Protocol):
    """Opens a byte stream to the worker at the end of a route. Streams are a layer above; the node hands this down."""

    async def __call__(
        self, route: Route, /, **options: Unpack[StreamOptions]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open it."""
        ...


class SecureChannel:
    """An established secure channel. Put it into a route to send through it.

    Attributes:
        address: the encryptor.
        their_identifier: whom the peer has proven to be.
    """

    def __init__(
        self,
        end: SecureChannelEnd,
        address: Address,
        remote_route: Route,
        their_identifier: Identifier,
        encryptor: Encryptor,
    ) -> None:
        self._end = end
        self._runtime = end.runtime
        self._table = end.runtime.table
        self.their_identifier = their_identifier
        self.peer_has_closed = False
        self._encryptor: Encryptor | None = encryptor
        self._closed = end.runtime.loop.create_future()
        metadata = AddressMetadata(
            is_terminal=True, attributes={SECURE_CHANNEL_IDENTIFIER: their_identifier.value.hex()}
        )
        receive = _refuse_message if end.is_key_exchange_only else self._receive
        self._mailbox = Mailbox(address, receive, metadata=metadata)
        self._encryptor_api: ApiAddress | None = None
        self._decryptor_api: ApiAddress | None = None
        self._set_route(remote_route)
        self._record = end.runtime.add_worker([self._mailbox], on_stop=end.stop)

    @property
    def address(self) -> Address:
        """The encryptor's address, which stands for the channel in routes."""
        return self._mailbox.address

    @property
    def decryptor_address(self) -> Address:
        """The address that the peer sends to."""
        return self._end.decryptor_remote.address

    @property
    def identifier(self) -> Identifier:
        """Our own identity in this channel."""
        return self._end.identifier

    @property
    def flow_control_id(self) -> FlowControlId:
        """Messages from the peer reach only consumers of it (or, for a responder, of the listener's)."""
        return self._end.flow_control_id

    @property
    def role(self) -> Role:
        """Who opened the channel."""
        return self._end.role

    @property
    def remote_route(self) -> Route:
        """The route to the peer's decryptor."""
        return self._remote_route

    @property
    def their_decryptor_address(self) -> Address:
        """The address of the peer that we send to."""
        return self._remote_route.recipient

    @property
    def is_key_exchange_only(self) -> bool:
        """Whether it only encrypts and decrypts for others."""
        return self._end.is_key_exchange_only

    @property
    def encryptor_api(self) -> Address:
        """Where workers of this node have bytes encrypted (`ApiResponse`); it is there from the first look at it."""
        if self._encryptor_api is None:
            self._encryptor_api = ApiAddress(self._runtime, self.encrypt)
        return self._encryptor_api.address

    @property
    def decryptor_api(self) -> Address:
        """Where workers of this node have frames decrypted (`ApiResponse`); it is there from the first look at it."""
        if self._decryptor_api is None:
            self._decryptor_api = ApiAddress(self._runtime, self._end.decrypt)
        return self._decryptor_api.address

    @property
    def is_closed(self) -> bool:
        """Whether nothing passes any more."""
        return self._closed.done()

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return a frame for the peer's `decrypt`: these bytes and nothing else. It takes a nonce of the channel.

        Raises:
            UnknownAddress: the channel has ended.
            NonceOverflow: all nonces are used.
        """
        if self._encryptor is None:
            raise UnknownAddress(self.address)
        try:
            return self._encryptor.seal(plaintext)
        except NonceOverflow:
            self._runtime.stop_soon(self.address)
            raise

    def decrypt(self, frame: bytes) -> bytes:
        """Return what the peer has encrypted. In a channel that is not key-exchange-only each frame opens once.

        Raises:
            UnknownAddress: the channel has ended.
            PeerError: the frame is not one of this channel, or its nonce is outside of the window.
        """
        return self._end.decrypt(frame)

    def update_remote_node_route(self, new_route: RouteLike) -> None:
        """Reach the same peer over another route from now on (initiator). The peer learns the way back by itself.

        Args:
            new_route: the hops before the peer's decryptor.
        """
        remote_route = make_route(new_route).append(self._remote_route.recipient)
        self._end.consume_from(remote_route)
        self._set_route(remote_route)

    def follow(self, return_route: Route) -> None:
        """Answer over the route that the peer's latest message came (responder)."""
        self._set_route(return_route.append(self._remote_route.recipient))

    async def open_stream(
        self, to: RouteLike, **options: Unpack[StreamOptions]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a byte stream through the channel: `Node.open_stream` with `route(channel, to)`.

        Args:
            to: the route from the peer's node on: the name of a stream server, or a TCP outlet, as a rule.

        Raises:
            TimedOut: no confirmation in time. One that refuses may say nothing.
            StreamRefused: the other end does not take the stream.
        """
        return await self._end.open_stream(make_route(self, to), **options)

    async def close(self) -> None:
        """Tell the peer, as far as possible, and end the channel."""
        if not self.is_closed:
            await self._end.stop()
            self._runtime.flush()

    async def wait_closed(self) -> None:
        """Wait until the channel has ended, by either side."""
        await asyncio.shield(self._closed)

    def end(self) -> None:
        """Send the closing message unless the peer has, and take the encryptor away."""
        if self.is_closed:
            return
        encryptor, self._encryptor = self._encryptor, None
        self._runtime.remove(self._record)
        for api in (self._encryptor_api, self._decryptor_api):
            if api is not None:
                api.remove()
        self._closed.set_result(None)
        # A key-exchange-only peer takes no messages, this one neither.
        if encryptor is None or self.peer_has_closed or self.is_key_exchange_only:
            return
        try:
            sealed = encryptor.seal(Close().encode())
            self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, self._mailbox.route, sealed))
        except OckamError as error:
            log.debug("the peer could not be told that the channel ends: %s", error)

    def refresh(self, message: RefreshCredentials) -> None:
        """Present a new credential to the peer.

        Raises:
            OckamError: it could not be sent.
        """
        if self._encryptor is not None:
            sealed = self._encryptor.seal(message.encode())
            self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, self._mailbox.route, sealed))

    # ---- the encryptor -----------------------------------------------------------------------------------------------

    def _set_route(self, remote_route: Route) -> None:
        self._remote_route = remote_route
        # The connection takes its own address off; ciphertext leaves with an empty return route.
        self._first = remote_route.next.value
        self._onward_after_first = remote_route.tail()
        self._frame_routes: bytes | None = None

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        """Encrypt one message and send it to the peer."""
        encryptor = self._encryptor
        if encryptor is None:
            raise UnknownAddress(self.address)
        try:
            next_hop = self._table.get(self._first)
            sink = next_hop.frame_sink if next_hop is not None else None
            onward_route, payload = message.onward_route.tail(), message.payload
            if sink is None:
                sealed = encryptor.seal(encode_payload(onward_route, message.return_route, payload))
                return self._runtime.forward(self._mailbox, LocalMessage(self._remote_route, EMPTY_ROUTE, sealed))
            routes = self._frame_routes
            if routes is None:
                routes = self._frame_routes = sink.frame_routes(self._onward_after_first, EMPTY_ROUTE)
            size = len(payload)
            if size < IN_PLACE_FROM:
                sealed = encryptor.seal(encode_payload(onward_route, message.return_route, payload))
                return sink.send_frame(b"".join((sink.frame_head(routes, len(sealed)), sealed, sink.frame_tail)))
            inner = payload_head(onward_route, message.return_route, size)
            sealed_size = len(inner) + size + len(PAYLOAD_TAIL) + FRAME_OVERHEAD
            head = sink.frame_head(routes, sealed_size)
            # One buffer for the whole frame, one copy of the payload, encrypted where it lies.
            frame = bytearray().join((head, _NONCE_ROOM, inner, payload, PAYLOAD_TAIL, _TAG_ROOM, sink.frame_tail))
            encryptor.seal_into(frame, len(head), len(head) + sealed_size)
            return sink.send_frame(frame)
        except OckamError as error:
            log.warning("a message could not be sent through a secure channel: %s", error)
            if isinstance(error, NonceOverflow):
                self._runtime.stop_soon(self.address)
            raise

    def __repr__(self) -> str:
        return f"SecureChannel({self.address}, peer {self.their_identifier})"


def _refuse_message(message: LocalMessage, source: Mailbox) -> None:
    """Nothing is sent as a message through a key-exchange-only channel."""
    raise UnknownChannelMsgDestination
