# Invariant: a message of the local link is refused with a DecodeError, or is the one encoding of what it gives.
"""Commit, nonce and reveal between enroller and enrollee."""

from __future__ import annotations

from ockam.enrollment.link import Commit, Nonce, Reveal
from ockam.errors import DecodeError


def check(data: bytes) -> None:
    accepted = 0
    for kind in (Commit, Nonce, Reveal):
        try:
            message = kind.decode(data)
        except DecodeError:
            continue
        assert message.encode() == data
        accepted += 1
    if not accepted:
        raise DecodeError
    assert accepted == 1, "one message is of two kinds"
