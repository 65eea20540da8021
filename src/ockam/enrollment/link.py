"""The local link between enroller and enrollee: messages and the six digits that both people compare.

    commit  E -> R   [2, SHA-256("ockam enrollment commit" || X) ]   X = E's || R's identifier || EIK || nonce_E
    nonce   R -> E   [3, nonce_R bytes16]
    reveal  E -> R   [4, nonce_E bytes16]
    code = first 8 bytes, big-endian, of SHA-256("ockam enrollment code" || X || nonce_R) mod 10**6

E commits before it sees nonce_R, and R chooses nonce_R before it sees nonce_E: neither can grind for a code.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar, Final, Self, TypeAlias

from ockam.encoding.cbor import Decoder, decode_exactly, encode_array, encode_bytes, encode_uint
from ockam.errors import DecodeError, Misuse, PeerError

LINK_NONCE_SIZE: Final = 16


class CommitmentBroken(PeerError):
    """What the device revealed is not what it committed to. Someone is on the line: do not enroll over this link."""


class LinkOutOfOrder(PeerError):
    """A link message came at the wrong time."""


@dataclass(frozen=True, slots=True)
class _LinkMessage:
    TAG: ClassVar[int]
    SIZE: ClassVar[int]
    value: bytes

    def encode(self) -> bytes:
        """Return `[tag, bytes]`."""
        return encode_array(encode_uint(self.TAG), encode_bytes(self.value))

    @classmethod
    def read(cls, decoder: Decoder) -> Self:
        """Read one from unauthenticated CBOR."""
        fields = decoder.array()
        fields.require()
        if decoder.uint(8) != cls.TAG:
            raise DecodeError("another link message is expected")
        fields.require()
        value = decoder.bytes(cls.SIZE)
        fields.close()
        return cls(value)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read strictly from unauthenticated bytes; raise `DecodeError`."""
        return decode_exactly(data, cls.read, cls.encode)


class Commit(_LinkMessage):
    """E to R: the device's commitment, 32 bytes."""

    __slots__ = ()
    TAG = 2
    SIZE = 32


class Nonce(_LinkMessage):
    """R to E: the enroller's nonce, 16 bytes."""

    __slots__ = ()
    TAG = 3
    SIZE = LINK_NONCE_SIZE


class Reveal(_LinkMessage):
    """E to R: the device's nonce, 16 bytes."""

    __slots__ = ()
    TAG = 4
    SIZE = LINK_NONCE_SIZE


LinkMessage: TypeAlias = Commit | Nonce | Reveal


@dataclass(frozen=True, slots=True)
class LinkParties:
    """What the code binds: both channel identifiers (32 bytes each) and the device's enrollment key."""

    enrollee: bytes
    enroller: bytes
    eik: bytes

    def commitment(self, nonce_enrollee: bytes) -> bytes:
        """Return the 32 bytes that the device commits to."""
        return sha256(b"ockam enrollment commit" + self._x(nonce_enrollee)).digest()

    def code(self, nonce_enrollee: bytes, nonce_enroller: bytes) -> str:
        """Return six digits, leading zeros kept."""
        digest = sha256(b"ockam enrollment code" + self._x(nonce_enrollee) + nonce_enroller).digest()
        return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06}"

    def _x(self, nonce_enrollee: bytes) -> bytes:
        return self.enrollee + self.enroller + self.eik + nonce_enrollee


@dataclass(slots=True)
class EnrolleeLink:
    """The device's half: `commit`, then `on_nonce` gives the reveal and the code to show."""

    parties: LinkParties
    nonce: bytes = field(repr=False)
    _revealed: bool = False

    def commit(self) -> Commit:
        """Return the first message."""
        return Commit(self.parties.commitment(self.nonce))

    def on_nonce(self, message: Nonce) -> tuple[Reveal, str]:
        """Return the reveal to send and the code to show.

        Raises:
            LinkOutOfOrder: a second nonce: with it the enroller could choose the code.
        """
        if self._revealed:
            raise LinkOutOfOrder
        self._revealed = True
        return Reveal(self.nonce), self.parties.code(self.nonce, message.value)


@dataclass(slots=True)
class EnrollerLink:
    """The enroller's half: `on_commit` gives the nonce, `on_reveal` the code to show."""

    nonce: bytes = field(repr=False)
    _commit: Commit | None = None

    def on_commit(self, message: Commit) -> Nonce:
        """Take the commitment, once, and return the nonce to send.

        Raises:
            LinkOutOfOrder: a second commitment.
        """
        if self._commit is not None:
            raise LinkOutOfOrder
        self._commit = message
        return Nonce(self.nonce)

    def on_reveal(self, parties: LinkParties, message: Reveal) -> str:
        """Return the code to show.

        Raises:
            CommitmentBroken: the reveal does not match the commitment.
            LinkOutOfOrder: there was no commitment.
        """
        if self._commit is None:
            raise LinkOutOfOrder
        if not hmac.compare_digest(parties.commitment(message.value), self._commit.value):
            raise CommitmentBroken
        return parties.code(message.value, self.nonce)


class CodeNotConfirmed(Misuse):
    """The code was not confirmed. Compare the six digits on both sides, or give `--yes` on a closed line."""
