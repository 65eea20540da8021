"""Keys on a token: how each kind is spelt, made, found and deleted. Everything here blocks.

A key is a private and a public object with one CKA_ID. Of keys made here it is SHA-256 of the public key, as the
software vault's handles are; keys made with other tools keep theirs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ockam.vault.errors import KeyNotFound
from ockam.vault.software.cache import LruCache

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ockam.vault.pkcs11.token import Pkcs11Token

__all__ = ["KeyKind", "TokenKeys"]

T = TypeVar("T")

LABEL: Final = "ockam"
FOUND_KEYS_LIMIT: Final = 1024
_TEMPORARY_ID_SIZE: Final = 16


class KeyKind(Enum):
    """Kinds of keys. CKA_EC_PARAMS is written as the first of its spellings, and read as any."""

    P256 = "P-256"
    ED25519 = "Ed25519"
    X25519 = "X25519"

    @property
    def key_type(self) -> str:
        """CKK_… of keys; SoftHSM keeps X25519 keys as EC_EDWARDS, python-pkcs11 has no EC_MONTGOMERY yet."""
        return "EC" if self is KeyKind.P256 else "EC_EDWARDS"

    @property
    def mechanisms(self) -> tuple[str, str]:
        """CKM_… that makes keys, and CKM_… that uses them."""
        match self:
            case KeyKind.P256:
                return "EC_KEY_PAIR_GEN", "ECDSA"
            case KeyKind.ED25519:
                return "EC_EDWARDS_KEY_PAIR_GEN", "EDDSA"
            case KeyKind.X25519:
                return "EC_EDWARDS_KEY_PAIR_GEN", "ECDH1_DERIVE"

    @property
    def parameters(self) -> tuple[bytes, ...]:
        """CKA_EC_PARAMS in DER: object identifier, or (PKCS#11 2.40 and 3.0) PrintableString."""
        match self:
            case KeyKind.P256:
                return (bytes.fromhex("06082a8648ce3d030107"),)
            case KeyKind.ED25519:
                return bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519", b"\x13\x07Ed25519"
            case KeyKind.X25519:
                return bytes.fromhex("06032b656e"), b"\x13\x0acurve25519", b"\x13\x06X25519"

    @property
    def point_size(self) -> int:
        """Bytes of a public key."""
        return 65 if self is KeyKind.P256 else 32


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key of the token: `private` is a handle, valid in one session."""

    kind: KeyKind
    public: bytes
    private: Any


class TokenKeys:
    """Keys of some kinds on one token.

    Args:
        token: where they are.
        kinds: others are not found.
    """

    def __init__(self, token: Pkcs11Token, kinds: Collection[KeyKind]) -> None:
        self._token = token
        self._kinds = kinds
        self._found: LruCache[tuple[int, bytes], FoundKey] = LruCache(FOUND_KEYS_LIMIT)

    def generate(self, kind: KeyKind) -> tuple[bytes, bytes]:
        """Make a key that never leaves the token; return its id and public key.

        Raises:
            VaultError: the token cannot, or is away.
        """
        pkcs11 = self._token.pkcs11
        with self._token.use() as session:
            domain = session.create_domain_parameters(
                pkcs11.KeyType[kind.key_type], {pkcs11.Attribute.EC_PARAMS: kind.parameters[0]}, local=True
            )
            public, private = domain.generate_keypair(
                mechanism=pkcs11.Mechanism[kind.mechanisms[0]],
                store=True,
                label=LABEL,
                id=os.urandom(_TEMPORARY_ID_SIZE),  # until the public key is known
                capabilities=self._capabilities(kind),
            )
            point = _point(public[pkcs11.Attribute.EC_POINT], kind)
            key_id = sha256(point).digest()
            private[pkcs11.Attribute.ID] = key_id
            public[pkcs11.Attribute.ID] = key_id
        return key_id, point

    def import_key(self, kind: KeyKind, secret: bytes, point: bytes) -> bytes:
        """Store a secret made elsewhere, for good; return its id. A key that is there already stays.

        Raises:
            VaultError: the token takes no such keys, or is away.
        """
        pkcs11 = self._token.pkcs11
        attribute = pkcs11.Attribute
        key_id = sha256(point).digest()
        use = {attribute.DERIVE: True} if kind is KeyKind.X25519 else {attribute.SIGN: True}
        check = {} if kind is KeyKind.X25519 else {attribute.VERIFY: True}
        common = {
            attribute.KEY_TYPE: pkcs11.KeyType[kind.key_type],
            attribute.EC_PARAMS: kind.parameters[0],
            attribute.ID: key_id,
            attribute.LABEL: LABEL,
            attribute.TOKEN: True,
        }
        private_only = {
            attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
            attribute.VALUE: secret,
            attribute.PRIVATE: True,
            attribute.SENSITIVE: True,
            attribute.EXTRACTABLE: False,
        }
        public_only = {
            attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY,
            attribute.EC_POINT: bytes((0x04, len(point))) + point,
            attribute.PRIVATE: False,
        }
        with self._token.use() as session:
            if self._search(session, key_id) is None:
                session.create_object(common | private_only | use)
                session.create_object(common | public_only | check)
        return key_id

    def find(self, key_id: bytes) -> FoundKey:
        """Return a key.

        Raises:
            KeyNotFound: not on the token.
            VaultError: the token is away.
        """
        with self._token.use() as session:
            return self._find(session, key_id)

    def use(self, key_id: bytes, action: Callable[[FoundKey], T]) -> T:
        """Do something with a private key, and return what `action` returns.

        Raises:
            KeyNotFound: not on the token.
            VaultError: the token cannot, or is away.
        """
        pkcs11 = self._token.pkcs11
        with self._token.use() as session:
            known = self._found.find((self._token.generation, key_id))
            try:
                return action(known or self._find(session, key_id))
            except (pkcs11.ObjectHandleInvalid, pkcs11.KeyHandleInvalid):
                if known is None:
                    raise
            # It was deleted, perhaps made anew, since we saw it.
            self._found.forget((self._token.generation, key_id))
            return action(self._find(session, key_id))

    def id_of(self, kind: KeyKind, point: bytes) -> bytes:
        """Return the id of the key with this public key; SHA-256 of it if there is none.

        Raises:
            VaultError: the token is away.
        """
        attribute, object_class = self._token.pkcs11.Attribute, self._token.pkcs11.ObjectClass
        key_id = sha256(point).digest()
        with self._token.use() as session:
            for encoded in (bytes((0x04, len(point))) + point, point):
                template = {attribute.CLASS: object_class.PUBLIC_KEY, attribute.EC_POINT: encoded}
                for public in list(session.get_objects(template)):
                    if _kind(public, attribute, (kind,)) is kind and public[attribute.ID]:
                        return bytes(public[attribute.ID])
        return key_id

    def delete(self, key_id: bytes) -> bool:
        """Destroy a key; True if there was one.

        Raises:
            VaultError: the token is away.
        """
        with self._token.use() as session:
            self._found.forget((self._token.generation, key_id))
            found = self._search(session, key_id)
            if found is None:
                self._token.check_present()
                return False
            found.private.destroy()
            for public in self._public_objects(session, key_id):
                public.destroy()
        return True

    def _find(self, session: Any, key_id: bytes) -> FoundKey:  # noqa: ANN401
        known = self._found.find((self._token.generation, key_id))
        if known is not None:
            return known
        found = self._search(session, key_id)
        if found is None:
            self._token.check_present()
            raise KeyNotFound
        self._found.keep((self._token.generation, key_id), found)
        return found

    def _search(self, session: Any, key_id: bytes) -> FoundKey | None:  # noqa: ANN401
        attribute, object_class = self._token.pkcs11.Attribute, self._token.pkcs11.ObjectClass
        for public in self._public_objects(session, key_id):
            kind = _kind(public, attribute, self._kinds)
            assert kind is not None  # `_public_objects` gives no others
            key_type = self._token.pkcs11.KeyType[kind.key_type]
            template = {attribute.CLASS: object_class.PRIVATE_KEY, attribute.KEY_TYPE: key_type, attribute.ID: key_id}
            for private in list(session.get_objects(template)):
                return FoundKey(kind, _point(public[attribute.EC_POINT], kind), private)
        return None

    def _public_objects(self, session: Any, key_id: bytes) -> list[Any]:  # noqa: ANN401
        pkcs11 = self._token.pkcs11
        attribute = pkcs11.Attribute
        if not key_id:  # would match every key without an id
            return []
        found = []
        for key_type in sorted({kind.key_type for kind in self._kinds}):
            template = {
                attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY,
                attribute.KEY_TYPE: pkcs11.KeyType[key_type],
                attribute.ID: key_id,
            }
            found += list(session.get_objects(template))
        return [public for public in found if _kind(public, attribute, self._kinds) is not None]

    def _capabilities(self, kind: KeyKind) -> Any:  # noqa: ANN401
        flag = self._token.pkcs11.MechanismFlag
        return flag.DERIVE if kind is KeyKind.X25519 else flag.SIGN | flag.VERIFY


def _kind(public: Any, attribute: Any, kinds: Collection[KeyKind]) -> KeyKind | None:  # noqa: ANN401
    parameters = public[attribute.EC_PARAMS]
    return next((kind for kind in kinds if parameters in kind.parameters), None)


def _point(value: bytes, kind: KeyKind) -> bytes:
    # CKA_EC_POINT is a DER OCTET STRING; some modules give the bytes alone.
    size = kind.point_size
    if len(value) == size + 2 and value[:2] == bytes((0x04, size)):
        return bytes(value[2:])
    return bytes(value)
