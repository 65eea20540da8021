"""A mailbox: one address of a worker, with its access controls and what happens to a message for it.

What happens is a plain function. Transports, channels and relays do their work in it and call on directly; for workers
of the application it puts the message into a queue. It returns None, or a `Busy` when the destination wants its senders
to wait: the sender of the application awaits it, a connection stops reading until it is writable again. So one slow
reader slows exactly those that write to it, across any number of hops on this node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from ockam.core.access_control import ALLOW_ALL, AccessControl
from ockam.core.route import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ockam.core.address import Address
    from ockam.core.message import LocalMessage

__all__ = ["AddressMetadata", "Busy", "FrameSink", "Mailbox", "Receive"]


class Busy(Protocol):
    """Something that has more than it wants to hold."""

    def wait_writable(self) -> Awaitable[None]:
        """Wait until there is room again, or until nothing will ever be taken any more."""


class FrameSink(Protocol):
    """The sending half of a transport, for one that builds whole frames itself (performance: one buffer, one copy)."""

    def frame_routes(self, onward_route: Route, return_route: Route) -> bytes:
        """Return how a frame with these routes begins; the own address is off the onward route already."""

    def frame_head(self, routes: bytes, payload_size: int) -> bytes:
        """Return everything of a frame before its payload."""

    @property
    def frame_tail(self) -> bytes:
        """Everything of a frame after its payload."""

    def send_frame(self, frame: bytes | bytearray) -> Busy | None:
        """Send one whole frame."""


Receive: TypeAlias = "Callable[[LocalMessage, Mailbox], Busy | None]"
"""Takes the message and the mailbox that sent it."""


@dataclass(frozen=True, slots=True)
class AddressMetadata:
    """What is known of an address on this node; never sent.

    Attributes:
        is_terminal: messages leave the node, or its protection, here: a connection's sender, a channel's encryptor.
    """

    is_terminal: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


_ONE_RANDOM_ADDRESS: Final = b"\x81\x82\x00\x58\x20"
"""How a route to one worker with a random name begins; its 32 characters follow."""


class Mailbox:
    """One address of a worker. Slots and no dataclass: two are touched per message."""

    __slots__ = ("address", "deferred", "frame_sink", "incoming", "metadata", "outgoing", "receive", "route")

    def __init__(
        self,
        address: Address,
        receive: Receive,
        *,
        incoming: AccessControl = ALLOW_ALL,
        outgoing: AccessControl = ALLOW_ALL,
        metadata: AddressMetadata | None = None,
        frame_sink: FrameSink | None = None,
        checks_incoming: bool = True,
    ) -> None:
        self.address = address
        self.receive = receive
        self.outgoing = outgoing
        self.metadata = metadata
        self.frame_sink = frame_sink
        value = address.value
        # One is made per request: a random address is spelt without a detour.
        spelling = _ONE_RANDOM_ADDRESS + value if len(value) == 32 and address.transport_type == 0 else None
        self.route = Route((address,), spelling)
        self.incoming = incoming
        # A worker with a queue of its own asks its incoming control when it takes a message out (the reference does).
        self.deferred = not checks_incoming
