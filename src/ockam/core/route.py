"""Routes: the hops that a message still has to take, next one first.

    CBOR   array of addresses          [0#h1, 0#echoer] = 82 82004268 31 8200466563686f6572
    BARE   uint count, addresses       02 00026831 00066563686f6572
    text   0#h1 => 0#echoer

Source: reference ockam_core/src/routing/route.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ockam.core.address import Address, HasAddress
from ockam.core.errors import IncompleteRoute
from ockam.encoding.bare import Reader, encode_uint
from ockam.encoding.cbor import Decoder, encode_array_head
from ockam.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["EMPTY_ROUTE", "MAX_ROUTE_HOPS", "Route", "RouteLike", "route"]

MAX_ROUTE_HOPS = 1024
"""Chosen by us. The reference has no limit; no route that works comes near it."""


class Route:
    """An immutable sequence of addresses.

    Not a frozen dataclass: routes are on the path of every message, so the encoding and the tail are made once,
    when first asked for (see "Performance" in ARCHITECTURE.md).

    Attributes:
        addresses: the hops, next one first.
        spelling: the CBOR form, once somebody has asked for it by `cbor`. The path of a message looks here first.
    """

    __slots__ = ("_tail", "addresses", "spelling")

    addresses: tuple[Address, ...]

    def __init__(self, addresses: Iterable[Address] = (), encoded: bytes | None = None) -> None:
        self.addresses = tuple(addresses)
        self.spelling: bytes | None = encoded
        self._tail: Route | None = None

    @property
    def cbor(self) -> bytes:
        """The CBOR form."""
        encoded = self.spelling
        if encoded is None:
            pieces = [address.encode() for address in self.addresses]
            encoded = self.spelling = b"".join((encode_array_head(len(pieces)), *pieces))
        return encoded

    @property
    def next(self) -> Address:
        """The first hop.

        Raises:
            IncompleteRoute: the route is empty.
        """
        if not self.addresses:
            raise IncompleteRoute
        return self.addresses[0]

    @property
    def recipient(self) -> Address:
        """The last hop.

        Raises:
            IncompleteRoute: the route is empty.
        """
        if not self.addresses:
            raise IncompleteRoute
        return self.addresses[-1]

    @property
    def is_local(self) -> bool:
        """Whether every hop names a worker."""
        return all(address.transport_type == 0 for address in self.addresses)

    def tail(self) -> Route:
        """Return the route without its first hop.

        Raises:
            IncompleteRoute: the route is empty.
        """
        tail = self._tail
        if tail is None:
            if not self.addresses:
                raise IncompleteRoute
            tail = self._tail = Route(self.addresses[1:])
        return tail

    def without_recipient(self) -> Route:
        """Return the route without its last hop.

        Raises:
            IncompleteRoute: the route is empty.
        """
        if not self.addresses:
            raise IncompleteRoute
        return Route(self.addresses[:-1])

    def prepend(self, hop: RouteLike) -> Route:
        """Return the route with `hop`, or all its hops in their order, in front."""
        return route(hop) + self

    def append(self, hop: RouteLike) -> Route:
        """Return the route with `hop`, or all its hops in their order, at the end."""
        return self + route(hop)

    def contains(self, other: Route) -> bool:
        """Return whether `other` is a contiguous part of this route.

        Raises:
            IncompleteRoute: `other` is empty.
        """
        size = len(other.addresses)
        if not size:
            raise IncompleteRoute
        return any(
            self.addresses[start : start + size] == other.addresses for start in range(len(self.addresses) - size + 1)
        )

    @classmethod
    def parse(cls, text: str) -> Route:
        """Return the route that `text` spells: addresses joined by `=>`.

        Raises:
            InvalidAddress: one of them is not an address.
        """
        if not text.strip():
            return EMPTY_ROUTE
        return cls(Address.parse(piece.strip()) for piece in text.split("=>"))

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return self.cbor

    def encode_bare(self) -> bytes:
        """Return the BARE form."""
        return b"".join((encode_uint(len(self.addresses)), *(address.encode_bare() for address in self.addresses)))

    @classmethod
    def read(cls, decoder: Decoder) -> Route:
        """Return the route that comes next in unauthenticated CBOR."""
        addresses: list[Address] = []
        items = decoder.array()
        while items.next():
            if len(addresses) == MAX_ROUTE_HOPS:
                raise DecodeError(f"a route has more than {MAX_ROUTE_HOPS} hops")
            addresses.append(Address.read(decoder))
        return cls(addresses)

    @classmethod
    def read_bare(cls, reader: Reader) -> Route:
        """Return the route that comes next in unauthenticated BARE."""
        count = reader.uint()
        if count > MAX_ROUTE_HOPS:
            raise DecodeError(f"a route has more than {MAX_ROUTE_HOPS} hops")
        return cls([Address.read_bare(reader) for _ in range(count)])

    def __add__(self, other: Route | Address) -> Route:
        if isinstance(other, Address):
            return Route((*self.addresses, other))
        return Route(self.addresses + other.addresses) if isinstance(other, Route) else NotImplemented

    def __radd__(self, other: Address) -> Route:
        return Route((other, *self.addresses)) if isinstance(other, Address) else NotImplemented

    def __len__(self) -> int:
        return len(self.addresses)

    def __iter__(self) -> Iterator[Address]:
        return iter(self.addresses)

    def __eq__(self, other: object) -> bool:
        return self.addresses == other.addresses if isinstance(other, Route) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.addresses)

    def __str__(self) -> str:
        return " => ".join(str(address) for address in self.addresses)

    def __repr__(self) -> str:
        return f"Route({str(self)!r})"


EMPTY_ROUTE = Route()

RouteLike: TypeAlias = "str | Address | Route | HasAddress"
"""What `route` takes: text, an address, a whole route, or a connection or channel."""


def route(*hops: RouteLike) -> Route:
    """Return the route over these hops, in order.

    Args:
        hops: worker names or `type#name`, addresses, other routes, and objects with an `address`: connections,
            channels.

    Raises:
        InvalidAddress: a text that is not an address.
        TypeError: something that has no address.
    """
    if len(hops) == 1 and isinstance(hops[0], Route):
        return hops[0]
    addresses: list[Address] = []
    for hop in hops:
        if isinstance(hop, str):
            addresses.append(Address.parse(hop))
        elif isinstance(hop, Address):
            addresses.append(hop)
        elif isinstance(hop, Route):
            addresses.extend(hop.addresses)
        else:
            # Not isinstance(hop, HasAddress): checking a protocol takes 9 µs, and this runs for every channel opened.
            address = getattr(hop, "address", None)
            if isinstance(address, Address):
                addresses.append(address)
                continue
            raise TypeError(f"a {type(hop).__name__} has no address; a route is made of names, addresses and channels")
    return Route(addresses)
