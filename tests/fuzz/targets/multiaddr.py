# Invariant: bytes are refused, or are the one encoding of the address they give; its text gives the same address
# again. Any text is refused, or has a canonical form that reads back as itself.
"""MultiAddr, binary and text."""

from __future__ import annotations

import contextlib

from ockam.multiaddr import InvalidMultiAddr, MalformedMultiAddr, MultiAddr, UnresolvableMultiAddr, resolve

REFUSAL = MalformedMultiAddr


def check(data: bytes) -> None:
    with contextlib.suppress(InvalidMultiAddr):
        text = str(MultiAddr.parse(data.decode(errors="surrogateescape")))
        assert str(MultiAddr.parse(text)) == text
    address = MultiAddr.from_binary(data)
    assert address.binary == data
    assert MultiAddr.parse(str(address)) == address
    with contextlib.suppress(UnresolvableMultiAddr):
        resolve(address)
