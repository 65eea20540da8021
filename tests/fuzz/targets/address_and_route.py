# Invariant: bytes give a route or a DecodeError in CBOR and in BARE, and text gives a route or an OckamError; a
# route that was read is read back from its own encoding, in both.
"""Addresses and routes."""

from __future__ import annotations

import contextlib

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.encoding.bare import Reader
from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError, OckamError


def check(data: bytes) -> None:
    with contextlib.suppress(OckamError):
        text = data.decode(errors="replace")
        assert Address.parse(str(Address.parse(text))) == Address.parse(text)
        Route.parse(text)
    with contextlib.suppress(DecodeError):
        bare_route = Route.read_bare(Reader(data))
        assert Route.read_bare(Reader(bare_route.encode_bare())) == bare_route
    with contextlib.suppress(DecodeError):
        address = Address.read(Decoder(data))
        assert Address.read(Decoder(address.encode())) == address
    route = Route.read(Decoder(data))
    assert Route.read(Decoder(route.encode())) == route
    str(route)
