"""Messages inside a node, and the bodies they carry.

A body has no type tag on the wire. `str` travels as a BARE string, `bytes` as they are, `None` as nothing; addresses
and routes are sent as BARE; any class with `encode()` and a class method `decode(bytes)` is a message type too.

Source: reference ockam_core/src/message.rs, ockam_core/src/routing/message/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast, runtime_checkable

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.encoding.bare import decode_string, encode_string
from ockam.encoding.cbor import Decoder, encode_bytes
from ockam.errors import DecodeError

__all__ = [
    "SECURE_CHANNEL_IDENTIFIER",
    "Body",
    "LocalInfo",
    "LocalMessage",
    "Message",
    "Payload",
    "RelayMessage",
    "Routed",
    "decode_body",
    "encode_body",
    "peer_identifier",
    "secure_channel_info",
]

Payload: TypeAlias = bytes | bytearray | memoryview

SECURE_CHANNEL_IDENTIFIER = "SECURE_CHANNEL_IDENTIFIER"
"""The kind of local information in which a decryptor says whom a message came from."""


@runtime_checkable
class Message(Protocol):
    """A message type of the application: it encodes itself, and its class decodes it."""

    def encode(self) -> bytes:
        """Return the body bytes."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the message that unauthenticated `data` holds, or raise DecodeError."""


Body: TypeAlias = "str | bytes | bytearray | memoryview | Address | Route | Message | None"

M = TypeVar("M")


def encode_body(body: Body) -> Payload:
    """Return the bytes that carry `body`.

    Raises:
        TypeError: not a message type.
    """
    if isinstance(body, str):
        return encode_string(body)
    if isinstance(body, memoryview):
        # The size of a payload is its length: not so with a view of wider items.
        return body if body.itemsize == 1 and body.contiguous else bytes(body)
    if isinstance(body, bytes | bytearray):
        return body
    if body is None:
        return b""
    if isinstance(body, Address | Route):
        return body.encode_bare()
    if isinstance(body, Message):
        return body.encode()
    raise TypeError(f"a {type(body).__name__} is no message: use str, bytes, None or a class with encode and decode")


def decode_body(payload: Payload, body_type: type[M]) -> M:
    """Return what unauthenticated `payload` holds, read as `body_type`.

    Raises:
        DecodeError: it does not hold such a body.
    """
    result: object
    if body_type is str:
        result = decode_string(payload)
    elif body_type is bytes:
        result = payload if type(payload) is bytes else bytes(payload)
    elif body_type is type(None):
        result = None
    else:
        decode = getattr(body_type, "decode", None)
        if decode is None:
            raise TypeError(f"{body_type.__name__} is no message type: it needs a class method decode(bytes)")
        result = decode(bytes(payload))
    return cast("M", result)


@dataclass(frozen=True, slots=True)
class LocalInfo:
    """A note that a worker of this node puts on a message for later workers; it never leaves the node."""

    kind: str
    data: bytes


class LocalMessage:
    """A message on its way through this node: routes, payload, and local notes.

    Mutable, with slots, and not a dataclass: one is made per message (see "Performance" in ARCHITECTURE.md). Whoever
    receives it owns it.

    On delivery the onward route still begins with the address of the worker that receives it.
    """

    __slots__ = ("local_info", "onward_route", "payload", "return_route")

    def __init__(
        self, onward_route: Route, return_route: Route, payload: Payload, local_info: tuple[LocalInfo, ...] = ()
    ) -> None:
        self.onward_route = onward_route
        self.return_route = return_route
        self.payload = payload
        self.local_info = local_info

    def step_forward(self, address: Address) -> LocalMessage:
        """Take the first hop off the onward route and put `address` in front of the return route."""
        self.onward_route = self.onward_route.tail()
        self.return_route = Route((address, *self.return_route.addresses))
        return self

    def own_payload(self) -> None:
        """Copy the payload unless nobody can change it: a view of a receive buffer ends with the call that has it."""
        payload = self.payload
        if type(payload) is not bytes and (type(payload) is not memoryview or type(payload.obj) is not bytes):
            self.payload = bytes(payload)

    def __repr__(self) -> str:
        return f"LocalMessage({self.onward_route} | {self.return_route} | {len(self.payload)} bytes)"


class RelayMessage:
    """What an access control sees: who sent (trustworthy), to whom, and the message."""

    __slots__ = ("destination", "message", "source")

    def __init__(self, source: Address, destination: Address, message: LocalMessage) -> None:
        self.source = source
        self.destination = destination
        self.message = message


class Routed(Generic[M]):
    """A message as a worker receives it.

    Attributes:
        address: the worker's own address that was hit; also the first hop of `onward_route`.
        source: the worker on this node that handed the message over.
        onward_route: where it goes, this worker first.
        return_route: where an answer goes.
        payload: the body bytes.
        body: the decoded body.
    """

    __slots__ = ("address", "body", "local_info", "onward_route", "payload", "return_route", "source")

    def __init__(self, address: Address, source: Address, message: LocalMessage, body: M) -> None:
        self.address = address
        self.source = source
        self.onward_route = message.onward_route
        self.return_route = message.return_route
        self.payload = message.payload
        self.local_info = message.local_info
        self.body = body

    @property
    def sender(self) -> Address:
        """The worker that first sent the message: the last hop of the return route."""
        return self.return_route.recipient

    @property
    def local_message(self) -> LocalMessage:
        """The message itself, to be forwarded."""
        return LocalMessage(self.onward_route, self.return_route, self.payload, self.local_info)

    def __repr__(self) -> str:
        return f"Routed({self.onward_route} | {self.return_route} | {len(self.payload)} bytes)"


def secure_channel_info(identifier: bytes) -> LocalInfo:
    """Return the note that says which identity (32 bytes) a message came from."""
    return LocalInfo(SECURE_CHANNEL_IDENTIFIER, encode_bytes(identifier))


def peer_identifier(message: LocalMessage | Routed[Any]) -> bytes | None:
    """Return the 32 bytes of the identity that `message` came from over a secure channel, or None.

    Only a decryptor of this node writes that note; nothing that comes from outside can.
    """
    for info in message.local_info:
        if info.kind == SECURE_CHANNEL_IDENTIFIER:
            try:
                return Decoder(info.data).bytes(32)
            except DecodeError:
                return None
    return None
