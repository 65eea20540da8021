"""Messages between device, enroller and service. All are read strictly: one encoding, nothing follows.

EnrolleeOffer       [1, eik bytes32, pet_name text / null]          text form `ockam-offer:1:`
EnrollmentMessage   [1, bundle_id bytes16, x3dh bytes176, identity bytes]
  identity, opened  [ChangeHistory, PurposeKeyAttestation, proof Signature]
Answer              [1, nonce bytes12, bytes]
  opened            [0, Accepted] or [1, [reason uint, text, service_time uint]]
Accepted            [CredentialAndPurposeKey, ChangeHistory / null, [* text], relay name / null, ttl, service_time]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Final, TypeAlias

from ockam.encoding.cbor import (
    NULL,
    Decoder,
    Items,
    decode_exactly,
    encode_array,
    encode_array_head,
    encode_bytes,
    encode_struct,
    encode_text,
    encode_uint,
)
from ockam.enrollment.attributes import check_pet_name
from ockam.enrollment.errors import InvalidField
from ockam.enrollment.text_form import decode_text_form, encode_text_form
from ockam.errors import DecodeError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.purpose_key import PurposeKeyAttestation
from ockam.vault.signatures import Signature, read_signature

# Fixed by the protocol.
VERSION: Final = 1
OFFER_PREFIX: Final = "ockam-offer:1:"
BUNDLE_ID_SIZE: Final = 16
X3DH_SIZE: Final = 176
ANSWER_NONCE_SIZE: Final = 12
MAX_MESSAGE_BYTES: Final = 16 * 1024
# Chosen by us.
_MAX_PET_NAME_BYTES: Final = 4 * 64
_MAX_ROUTES: Final = 64


@dataclass(frozen=True, slots=True)
class EnrolleeOffer:
    """What a device shows to be enrolled: its enrollment key and a name for people."""

    eik: bytes
    pet_name: str | None = None

    @property
    def enrollment_identifier(self) -> bytes:
        """SHA-256 of the enrollment key, 32 bytes."""
        return sha256(self.eik).digest()

    def encode(self) -> bytes:
        """Return the CBOR form."""
        name = None if self.pet_name is None else encode_text(self.pet_name)
        return encode_struct(encode_uint(VERSION), encode_bytes(self.eik), name)

    @property
    def text(self) -> str:
        """The text form, for files, stdin and QR codes."""
        return encode_text_form(OFFER_PREFIX, self.encode())

    @classmethod
    def read(cls, decoder: Decoder) -> EnrolleeOffer:
        """Read one from unauthenticated CBOR."""
        fields = decoder.array()
        _require_version(fields, decoder)
        fields.require()
        eik = decoder.bytes(32)
        name = decoder.text(_MAX_PET_NAME_BYTES) if fields.optional() else None
        fields.close()
        try:
            # Before anyone sees it: a name is shown on terminals.
            check_pet_name(name)
        except InvalidField as error:
            raise DecodeError(error.message) from None
        return cls(eik, name)

    @classmethod
    def decode(cls, data: bytes) -> EnrolleeOffer:
        """Read strictly from unauthenticated bytes; an absent name may be left out or be null.

        Raises:
            DecodeError: anything else.
        """
        if data[-1:] == NULL and data[:1] == b"\x83":
            data = b"\x82" + data[1:-1]
        return decode_exactly(data, cls.read, cls.encode)

    @classmethod
    def parse(cls, text: str) -> EnrolleeOffer:
        """Read the text form; raise `DecodeError`."""
        return cls.decode(decode_text_form(OFFER_PREFIX, text))


@dataclass(frozen=True, slots=True)
class EnrollmentMessage:
    """What a device sends to the worker `enrollment`.

    Attributes:
        x3dh: 176 bytes of the key agreement.
        identity: sealed change history, attestation and proof.
    """

    bundle_id: bytes
    x3dh: bytes = field(repr=False)
    identity: bytes = field(repr=False)

    @property
    def ek(self) -> bytes:
        """The ephemeral public key, 32 bytes."""
        return self.x3dh[:32]

    @property
    def enrollment_identifier(self) -> bytes:
        """SHA-256 of the enrollment key as the message claims it, 32 bytes."""
        return self.x3dh[32:64]

    def encode(self) -> bytes:
        """Return the CBOR form; its SHA-256 is the message's id."""
        return encode_array(
            encode_uint(VERSION), encode_bytes(self.bundle_id), encode_bytes(self.x3dh), encode_bytes(self.identity)
        )

    @classmethod
    def read(cls, decoder: Decoder) -> EnrollmentMessage:
        """Read one from unauthenticated CBOR."""
        fields = decoder.array()
        _require_version(fields, decoder)
        fields.require()
        bundle_id = decoder.bytes(BUNDLE_ID_SIZE)
        fields.require()
        x3dh = decoder.bytes(X3DH_SIZE)
        fields.require()
        identity = decoder.bytes()
        fields.close()
        return cls(bundle_id, x3dh, identity)

    @classmethod
    def decode(cls, data: bytes) -> EnrollmentMessage:
        """Read strictly from unauthenticated bytes.

        Raises:
            DecodeError: another shape or version, or more than 16 KiB.
        """
        if len(data) > MAX_MESSAGE_BYTES:
            raise DecodeError("an enrollment message has at most 16 KiB")
        return decode_exactly(data, cls.read, cls.encode)


def message_id(data: bytes) -> bytes:
    """Return the id of an encoded enrollment message: its SHA-256, 32 bytes."""
    return sha256(data).digest()


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """The inside of `EnrollmentMessage.identity`; not verified."""

    change_history: ChangeHistory
    attestation: PurposeKeyAttestation
    proof: Signature

    def encode(self) -> bytes:
        """Return the plaintext."""
        return encode_array(self.change_history.encode(), self.attestation.encode(), self.proof.encode())

    @classmethod
    def read(cls, decoder: Decoder) -> DeviceIdentity:
        """Read one from unauthenticated CBOR."""
        fields = decoder.array()
        fields.require()
        change_history = ChangeHistory.read(decoder)
        fields.require()
        attestation = PurposeKeyAttestation.read(decoder)
        fields.require()
        proof = read_signature(decoder)
        fields.close()
        return cls(change_history, attestation, proof)

    @classmethod
    def decode(cls, data: bytes) -> DeviceIdentity:
        """Read strictly from unauthenticated bytes; raise `DecodeError`."""
        return decode_exactly(data, cls.read, cls.encode)


@dataclass(frozen=True, slots=True)
class SealedAnswer:
    """What travels back to the device."""

    nonce: bytes
    ciphertext: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return encode_array(encode_uint(VERSION), encode_bytes(self.nonce), encode_bytes(self.ciphertext))

    @classmethod
    def read(cls, decoder: Decoder) -> SealedAnswer:
        """Read one from unauthenticated CBOR."""
        fields = decoder.array()
        _require_version(fields, decoder)
        fields.require()
        nonce = decoder.bytes(ANSWER_NONCE_SIZE)
        fields.require()
        ciphertext = decoder.bytes()
        fields.close()
        return cls(nonce, ciphertext)

    @classmethod
    def decode(cls, data: bytes) -> SealedAnswer:
        """Read strictly from unauthenticated bytes; raise `DecodeError`."""
        return decode_exactly(data, cls.read, cls.encode)


class RejectReason(IntEnum):
    """Why an enrollment message that opened is rejected."""

    INVALID_KEY_SIGNATURE = 1
    INVALID_IDENTITY = 2
    INVALID_TIMES = 3
    IDENTITY_NOT_ALLOWED = 4


REJECT_TEXTS: Final = {
    RejectReason.INVALID_KEY_SIGNATURE: "enrollment key",
    RejectReason.INVALID_IDENTITY: "device identity",
    RejectReason.INVALID_TIMES: "device clock",
    RejectReason.IDENTITY_NOT_ALLOWED: "identity not allowed",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The device is a member.

    Attributes:
        service_history: only when longer than the bundle's, which it extends.
        member_routes: MultiAddrs of the service's listener for members, in order of preference.
        relay_name: the name the device may register a relay by, as it is in its credential.
        credential_ttl: seconds.
        service_time: seconds since 1970.
    """

    credential: CredentialAndPurposeKey
    service_history: ChangeHistory | None
    member_routes: tuple[str, ...]
    relay_name: str | None
    credential_ttl: int
    service_time: int

    def encode(self) -> bytes:
        """Return the CBOR form, without the enum around it."""
        return encode_array(
            self.credential.encode(),
            NULL if self.service_history is None else self.service_history.encode(),
            encode_texts(self.member_routes),
            NULL if self.relay_name is None else encode_text(self.relay_name),
            encode_uint(self.credential_ttl),
            encode_uint(self.service_time),
        )

    @classmethod
    def read(cls, decoder: Decoder) -> Accepted:
        """Read one from CBOR that opened, so that the service wrote it."""
        fields = decoder.array()
        fields.require()
        credential = CredentialAndPurposeKey.read(decoder)
        history = ChangeHistory.read(decoder) if fields.optional() else None
        fields.require()
        routes = read_texts(decoder)
        relay_name = decoder.text(256) if fields.optional() else None
        fields.require()
        ttl = decoder.uint()
        fields.require()
        service_time = decoder.uint()
        fields.close()
        return cls(credential, history, routes, relay_name, ttl, service_time)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The message opened, but the device is not accepted with it.

    Attributes:
        reason: a `RejectReason`, or a number that this version does not know.
        text: fixed text of the service.
        service_time: seconds since 1970.
    """

    reason: int
    text: str
    service_time: int

    @classmethod
    def because(cls, reason: RejectReason, now: int) -> Rejected:
        """Return the reject with the fixed text of `reason`."""
        return cls(reason, REJECT_TEXTS[reason], now)

    def encode(self) -> bytes:
        """Return the CBOR form, without the enum around it."""
        return encode_array(encode_uint(self.reason), encode_text(self.text), encode_uint(self.service_time))

    @classmethod
    def read(cls, decoder: Decoder) -> Rejected:
        """Read one from CBOR that opened."""
        fields = decoder.array()
        fields.require()
        reason = decoder.uint(32)
        fields.require()
        text = decoder.text(1024)
        fields.require()
        service_time = decoder.uint()
        fields.close()
        return cls(reason, text, service_time)


Answer: TypeAlias = Accepted | Rejected


def encode_answer(answer: Answer) -> bytes:
    """Return the plaintext of an answer: `[0, Accepted]` or `[1, Rejected]`."""
    return encode_array(encode_uint(0 if isinstance(answer, Accepted) else 1), answer.encode())


def decode_answer(data: bytes) -> Answer:
    """Read an opened answer strictly; raise `DecodeError`."""
    return decode_exactly(data, _read_answer, encode_answer)


def encode_texts(texts: tuple[str, ...]) -> bytes:
    """Return an array of texts."""
    return b"".join((encode_array_head(len(texts)), *map(encode_text, texts)))


def read_texts(decoder: Decoder) -> tuple[str, ...]:
    """Read an array of at most 64 texts from unauthenticated CBOR."""
    items = decoder.array()
    texts: list[str] = []
    while items.next():
        if len(texts) == _MAX_ROUTES:
            raise DecodeError(f"more than {_MAX_ROUTES} routes")
        texts.append(decoder.text(1024))
    return tuple(texts)


def _read_answer(decoder: Decoder) -> Answer:
    match decoder.enum():
        case 0:
            return Accepted.read(decoder)
        case 1:
            return Rejected.read(decoder)
        case _:
            raise DecodeError("neither accepted nor rejected")


def _require_version(fields: Items, decoder: Decoder) -> None:
    fields.require()
    if decoder.uint(8) != VERSION:
        raise DecodeError("another version of the enrollment messages")
