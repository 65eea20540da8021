"""How secrets are sealed: pure bytes to bytes, no store.

A passphrase or key file opens the key ring; the newest key of the ring seals secrets, every key of it opens them. So a
new passphrase costs one record, and a crash while secrets are sealed anew leaves all of them readable.

    key ring    magic 4  version 1  kind 1 = 1  kdf 1  cost 3  salt 16  commitment 32  nonce 12
                AES-256-GCM(wrapping key, nonce, AAD = all before, keys)      keys = 1 or 2 × (key id 4, key 32)
    secret      magic 4  version 1  kind 1 = 2  key id 4  nonce 12
                AES-256-GCM(key, nonce, AAD = first 10 bytes, length of place 2, place, secret)

    magic "OCKS"    version 1    place = what names the secret in its store: type and handle
    kdf 1   key file      wrapping key 32 ‖ commitment 32 = HKDF-SHA256(key, salt, info)      cost 00 00 00
    kdf 2   passphrase    the same = HKDF-SHA256(scrypt(passphrase, salt, N, r, p), salt, info)      cost log2(N) r p

The commitment makes a ring open under one passphrase only; AES-GCM alone does not promise that. Whether commitment,
tag or anything else was wrong is never told: it is one error.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ockam.errors import Misuse
from ockam.vault.errors import CannotUnseal, SealedSecretDamaged, SecretNotSealed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULT_COST", "KeyRing", "ScryptCost", "SealingKey", "is_sealed"]

SEALING_KEY_SIZE: Final = 32

_MAGIC: Final = b"OCKS"
_VERSION: Final = 1
_KIND_RING: Final = 1
_KIND_SECRET: Final = 2
_KDF_KEY: Final = 1
_KDF_PASSPHRASE: Final = 2
_INFO: Final = b"ockam sealed secrets v1"

_KEY_ID_SIZE: Final = 4
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_TAG_SIZE: Final = 16
_SALT_SIZE: Final = 16
_COMMITMENT_SIZE: Final = 32
_SECRET_HEADER_SIZE: Final = 6 + _KEY_ID_SIZE
_RING_HEADER_SIZE: Final = 6 + 1 + 3 + _SALT_SIZE + _COMMITMENT_SIZE + _NONCE_SIZE
_ENTRY_SIZE: Final = _KEY_ID_SIZE + _KEY_SIZE

MAX_KEYS: Final = 2
"""Keys of one ring: a second one only while secrets are being sealed anew."""


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What guessing a passphrase costs: 128 · r · N bytes of memory, p times.

    Args:
        log2_n: 10 … 20.
        r: 1 … 16.
        p: 1 … 16.
    """

    log2_n: int
    r: int
    p: int

    def __post_init__(self) -> None:
        """Check the limits, so that an altered header cannot ask for all memory of the machine."""
        if not (10 <= self.log2_n <= 20 and 1 <= self.r <= 16 and 1 <= self.p <= 16):
            raise Misuse("scrypt costs are log2_n 10 … 20, r 1 … 16, p 1 … 16")


DEFAULT_COST: Final = ScryptCost(log2_n=15, r=8, p=3)
"""32 MiB, three times: about 0.2 s on a small machine. Source: OWASP password storage cheat sheet, scrypt."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """What opens the secrets of a vault: the bytes of a key file, or a passphrase. Made by one of the two `from_…`."""

    _kdf: int
    _secret: bytes = field(repr=False)
    _cost: ScryptCost | None = None

    @classmethod
    def from_key(cls, key: bytes) -> SealingKey:
        """Return a key of 32 secret random bytes.

        Raises:
            Misuse: not 32 bytes.
        """
        if len(key) != SEALING_KEY_SIZE:
            raise Misuse("a sealing key has 32 bytes")
        return cls(_KDF_KEY, bytes(key))

    @classmethod
    def from_passphrase(cls, passphrase: str, cost: ScryptCost = DEFAULT_COST) -> SealingKey:
        """Return the key that a passphrase gives.

        Args:
            passphrase: any text; two ways to write one character are one (NFKC).
            cost: for rings that are made with it; one that exists keeps its own.

        Raises:
            Misuse: it is empty.
        """
        if not passphrase:
            raise Misuse("a passphrase must not be empty")
        return cls(_KDF_PASSPHRASE, unicodedata.normalize("NFKC", passphrase).encode(), cost)

    def _header(self, salt: bytes) -> bytes:
        cost = self._cost
        numbers = bytes(3) if cost is None else bytes((cost.log2_n, cost.r, cost.p))
        return _MAGIC + bytes((_VERSION, _KIND_RING, self._kdf)) + numbers + salt

    def _derive(self, header: bytes) -> tuple[bytes, bytes]:
        salt = header[-_SALT_SIZE:]
        secret = self._secret
        if self._kdf == _KDF_PASSPHRASE:
            log2_n, r, p = header[7:10]
            cost = ScryptCost(log2_n, r, p)
            secret = Scrypt(salt=salt, length=_KEY_SIZE, n=1 << cost.log2_n, r=cost.r, p=cost.p).derive(secret)
        derived = HKDF(hashes.SHA256(), _KEY_SIZE + _COMMITMENT_SIZE, salt, _INFO).derive(secret)
        return derived[:_KEY_SIZE], derived[_KEY_SIZE:]


def is_sealed(stored: bytes) -> bool:
    """Tell whether a stored secret is a sealed one; plain ones are 32 bytes long, these are longer."""
    return stored.startswith(_MAGIC) and len(stored) > SEALING_KEY_SIZE


class KeyRing:
    """The keys that seal secrets, newest first.

    Args:
        keys: id and key of each.
        random: returns that many random bytes.
    """

    def __init__(self, keys: tuple[tuple[bytes, bytes], ...], random: Callable[[int], bytes] = os.urandom) -> None:
        assert 1 <= len(keys) <= MAX_KEYS  # `create`, `decode` and `rotated` see to that
        self._keys = keys
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys}
        self._random = random

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def create(cls, random: Callable[[int], bytes] = os.urandom) -> KeyRing:
        """Return a ring of one new key."""
        return cls(((random(_KEY_ID_SIZE), random(_KEY_SIZE)),), random)

    def rotated(self) -> KeyRing:
        """Return a ring of a new key and, behind it, the newest of this one."""
        old_id = self._keys[0][0]
        key_id = self._random(_KEY_ID_SIZE)
        while key_id == old_id:
            key_id = self._random(_KEY_ID_SIZE)
        return KeyRing(((key_id, self._random(_KEY_SIZE)), self._keys[0]), self._random)

    def newest_only(self) -> KeyRing:
        """Return a ring of the newest key alone."""
        return KeyRing(self._keys[:1], self._random)

    def encode(self, sealing_key: SealingKey) -> bytes:
        """Return the ring sealed under `sealing_key`. Slow on purpose for a passphrase."""
        header = sealing_key._header(self._random(_SALT_SIZE))
        wrapping_key, commitment = sealing_key._derive(header)
        nonce = self._random(_NONCE_SIZE)
        head = header + commitment + nonce
        keys = b"".join(key_id + key for key_id, key in self._keys)
        return head + AESGCM(wrapping_key).encrypt(nonce, keys, head)

    @classmethod
    def decode(cls, data: bytes, sealing_key: SealingKey, random: Callable[[int], bytes] = os.urandom) -> KeyRing:
        """Open a ring. Slow on purpose for a passphrase. Takes unauthenticated bytes.

        Raises:
            CannotUnseal: another key, another kind of key, or altered bytes: they look alike, but for the kind, which
                the header says to everyone.
        """
        head, sealed = data[:_RING_HEADER_SIZE], data[_RING_HEADER_SIZE:]
        if not data.startswith(_MAGIC + bytes((_VERSION, _KIND_RING))) or len(head) < _RING_HEADER_SIZE:
            raise CannotUnseal("what should hold the keys to the secrets is not what this version writes")
        if head[6] != sealing_key._kdf:
            kind = {_KDF_KEY: "a key file", _KDF_PASSPHRASE: "a passphrase"}.get(head[6])
            raise CannotUnseal(f"the secrets are sealed with {kind}" if kind else None)
        header = head[: -_COMMITMENT_SIZE - _NONCE_SIZE]
        try:
            wrapping_key, commitment = sealing_key._derive(header)
        except Misuse:  # a cost beyond the limits
            raise CannotUnseal from None
        good = hmac.compare_digest(commitment, head[len(header) : -_NONCE_SIZE])
        try:
            keys = AESGCM(wrapping_key).decrypt(head[-_NONCE_SIZE:], sealed, head)
        except InvalidTag:
            raise CannotUnseal from None
        if not good or not keys or len(keys) % _ENTRY_SIZE or len(keys) > MAX_KEYS * _ENTRY_SIZE:
            raise CannotUnseal
        entries = (keys[start : start + _ENTRY_SIZE] for start in range(0, len(keys), _ENTRY_SIZE))
        return cls(tuple((entry[:_KEY_ID_SIZE], entry[_KEY_ID_SIZE:]) for entry in entries), random)

    def seal(self, place: bytes, secret: bytes) -> bytes:
        """Return `secret` sealed for its place."""
        key_id = self._keys[0][0]
        header = _MAGIC + bytes((_VERSION, _KIND_SECRET)) + key_id
        nonce = self._random(_NONCE_SIZE)
        return header + nonce + self._ciphers[key_id].encrypt(nonce, secret, _bound_to(header, place))

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the secret. Takes unauthenticated bytes.

        Raises:
            SecretNotSealed: it is not sealed at all.
            SealedSecretDamaged: altered, from another place, or sealed with a key that is not in the ring.
        """
        if not is_sealed(sealed):
            raise SecretNotSealed
        header, rest = sealed[:_SECRET_HEADER_SIZE], sealed[_SECRET_HEADER_SIZE:]
        cipher = self._ciphers.get(header[6:])
        if header[:6] != _MAGIC + bytes((_VERSION, _KIND_SECRET)) or cipher is None:
            raise SealedSecretDamaged
        try:
            return cipher.decrypt(rest[:_NONCE_SIZE], rest[_NONCE_SIZE:], _bound_to(header, place))
        except (InvalidTag, ValueError):  # ValueError: too short for nonce and tag
            raise SealedSecretDamaged from None


def _bound_to(header: bytes, place: bytes) -> bytes:
    return header + len(place).to_bytes(2, "big") + place
