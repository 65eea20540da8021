"""A change history, and the identity it proves once verified.

    ChangeHistory       array of Change, oldest first, at least one

`ChangeHistory` is what a peer sent; only `verification.verify_change_history` makes an `Identity` of it.

Source:
    reference ockam_identity/src/models/change_history.rs, identity/identity.rs, identity/verified_change.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING

from ockam.encoding.cbor import Decoder, encode_array
from ockam.encoding.hex import decode_hex
from ockam.identity.change import Change, ChangeData
from ockam.identity.identifier import ChangeHash, Identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.vault.keys import VerifyingPublicKey


@dataclass(frozen=True, slots=True)
class ChangeHistory:
    """Changes as received, not verified.

    Attributes:
        changes: oldest first; `data` of each is the bytes that were signed.
        encoded: the encoding. The signed data inside is as received; the arrays around it are in canonical form,
            as the reference forwards them.
    """

    changes: tuple[Change, ...]
    encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Encode once: a history is sent with every handshake."""
        object.__setattr__(self, "encoded", encode_array(*(change.encode() for change in self.changes)))

    def encode(self) -> bytes:
        """Return the encoding; 128 bytes for one Ed25519 change, 161 for one P-256 change."""
        return self.encoded

    def change_hashes(self) -> tuple[ChangeHash, ...]:
        """Return the SHA-256 of each change's signed data."""
        return tuple(ChangeHash(sha256(change.data).digest()) for change in self.changes)

    @classmethod
    def read(cls, decoder: Decoder) -> ChangeHistory:
        """Read a history. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape.
        """
        items = decoder.array()
        changes: list[Change] = []
        while items.next():
            changes.append(Change.read(decoder))
        return cls(tuple(changes))

    @classmethod
    def decode(cls, data: bytes) -> ChangeHistory:
        """Return the history at the start of unauthenticated `data`; what follows it is ignored.

        The number of changes is not signed: fewer changes of the same identity decode and verify too, as an older
        history. Use `decode_exactly` for a history that was handed over as a whole.

        Raises:
            DecodeError: another shape.
        """
        return cls.read(Decoder(data))

    @classmethod
    def decode_exactly(cls, data: bytes) -> ChangeHistory:
        """Return the history that unauthenticated `data` is, to its last byte.

        Raises:
            DecodeError: another shape, or bytes follow.
        """
        decoder = Decoder(data)
        history = cls.read(decoder)
        decoder.finish()
        return history

    @classmethod
    def parse(cls, text: str) -> ChangeHistory:
        """Return the history that hexadecimal `text` (either case) spells, to its last digit.

        Raises:
            DecodeError: not hexadecimal, another shape, or bytes follow.
        """
        return cls.decode_exactly(decode_hex(text.strip()))


class Comparison(Enum):
    """How a presented history relates to the known one."""

    EQUAL = "equal"
    NEWER = "newer"
    OLDER = "older"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class VerifiedChange:
    """A change whose signatures hold."""

    data: ChangeData
    change_hash: ChangeHash

    @property
    def primary_public_key(self) -> VerifyingPublicKey:
        """The key this change introduces."""
        return self.data.primary_public_key


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified change history. Made by `verify_change_history` alone.

    Two identities are equal if their whole histories are, signatures included.
    """

    identifier: Identifier
    changes: tuple[VerifiedChange, ...] = field(compare=False)
    change_history: ChangeHistory

    @property
    def latest_change(self) -> VerifiedChange:
        """The newest change."""
        return self.changes[-1]

    @property
    def latest_change_hash(self) -> ChangeHash:
        """The hash of the newest change."""
        return self.changes[-1].change_hash

    @property
    def latest_public_key(self) -> VerifyingPublicKey:
        """The key of the newest change."""
        return self.changes[-1].data.primary_public_key

    def export(self) -> bytes:
        """Return the encoded change history."""
        return self.change_history.encoded

    def __str__(self) -> str:
        return f"Identifier:     {self.identifier}\nChange history: {self.change_history.encoded.hex()}"


def compare(presented: Identity, known: Identity) -> Comparison:
    """Return how the presented identity's history relates to the known one's."""
    return compare_change_hashes(
        [change.change_hash for change in presented.changes], [change.change_hash for change in known.changes]
    )


def compare_change_hashes(presented: Sequence[ChangeHash], known: Sequence[ChangeHash]) -> Comparison:
    """Compare two histories by their hashes: one must be the beginning of the other, else they conflict."""
    # Reference: identity.rs `compare`: over the common length any difference is a conflict, then the length decides.
    if any(ours != theirs for ours, theirs in zip(presented, known, strict=False)):
        return Comparison.CONFLICT
    if len(presented) == len(known):
        return Comparison.EQUAL
    return Comparison.NEWER if len(presented) > len(known) else Comparison.OLDER
