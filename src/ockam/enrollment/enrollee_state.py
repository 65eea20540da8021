"""What a device must keep through a crash: one of three states, stored as a whole and replaced as a whole.

    Offered     [1, eik secret bytes32, pet_name / null, service_time]
    Waiting     [2, Offered, bundle bytes, message bytes, answer key bytes32]
    Enrolled    [3, enrollment identifier, pet_name / null, service, service history, credential, member routes,
                 relay name / null, credential ttl, service_time, clock set aside, routes]

The first two are secret. EK and the channel keys are in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from ockam.encoding.cbor import (
    NULL,
    Decoder,
    Items,
    decode_exactly,
    encode_array,
    encode_bool,
    encode_bytes,
    encode_text,
    encode_uint,
)
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.messages import EnrolleeOffer, encode_texts, message_id, read_texts
from ockam.enrollment.prekey_bundle import KEY_SIZE, SecretKey
from ockam.errors import DecodeError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.identifier import Identifier


class _Tag(IntEnum):
    OFFERED = 1
    WAITING = 2
    ENROLLED = 3


@dataclass(frozen=True, slots=True)
class Offered:
    """The device has an enrollment key and waits for a bundle.

    Attributes:
        eik_secret: 32 bytes.
        service_time: of a reject for wrong times, else 0; `clock_set_aside` is true with it.
    """

    eik_secret: bytes = field(repr=False)
    pet_name: str | None = None
    service_time: int = 0

    @property
    def offer(self) -> EnrolleeOffer:
        """What to show to an enroller."""
        return EnrolleeOffer(SecretKey(self.eik_secret).public, self.pet_name)

    @property
    def clock_set_aside(self) -> bool:
        """Whether the service found the device's clock to be wrong."""
        return self.service_time > 0

    def encode(self) -> bytes:
        """Return the form for storage. Secret."""
        return encode_array(
            encode_uint(_Tag.OFFERED),
            encode_bytes(self.eik_secret),
            _name(self.pet_name),
            encode_uint(self.service_time),
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message was made; it is sent, and sent again, until its answer comes.

    Attributes:
        bundle: the signed bundle it was made for, encoded.
        message: the bytes to send, always the same.
        answer_key: opens the answer, 32 bytes.
    """

    offered: Offered
    bundle: bytes = field(repr=False)
    message: bytes = field(repr=False)
    answer_key: bytes = field(repr=False)

    @property
    def message_id(self) -> bytes:
        """SHA-256 of the message."""
        return message_id(self.message)

    @property
    def signed_bundle(self) -> SignedEnrollmentBundle:
        """The bundle; it was verified when the message was made."""
        return SignedEnrollmentBundle.decode(self.bundle)

    def encode(self) -> bytes:
        """Return the form for storage. Secret."""
        return encode_array(
            encode_uint(_Tag.WAITING),
            self.offered.encode(),
            encode_bytes(self.bundle),
            encode_bytes(self.message),
            encode_bytes(self.answer_key),
        )


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The device is a member. No secret is left in here.

    Attributes:
        service_history: the authority that members verify each other by.
        service_time: the floor of the device's clock, seconds.
        routes: MultiAddrs of the worker `enrollment`, from the bundle; with `api` instead, ways to the service.
    """

    enrollment_identifier: bytes
    pet_name: str | None
    service: Identifier
    service_history: ChangeHistory
    credential: CredentialAndPurposeKey
    member_routes: tuple[str, ...]
    relay_name: str | None
    credential_ttl: int
    service_time: int
    clock_set_aside: bool
    routes: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the form for storage."""
        return encode_array(
            encode_uint(_Tag.ENROLLED),
            encode_bytes(self.enrollment_identifier),
            _name(self.pet_name),
            self.service.encode(),
            self.service_history.encode(),
            self.credential.encode(),
            encode_texts(self.member_routes),
            _name(self.relay_name),
            encode_uint(self.credential_ttl),
            encode_uint(self.service_time),
            encode_bool(self.clock_set_aside),
            encode_texts(self.routes),
        )


DeviceState: TypeAlias = Offered | Waiting | Enrolled


def decode_state(data: bytes) -> DeviceState:
    """Read a stored state.

    Raises:
        DecodeError: the storage was altered.
    """
    return decode_exactly(data, _read_state, lambda state: state.encode())


def _name(text: str | None) -> bytes:
    return NULL if text is None else encode_text(text)


def _read_state(decoder: Decoder) -> DeviceState:
    fields = decoder.array()
    fields.require()
    tag = decoder.uint(8)
    state: DeviceState
    match tag:
        case _Tag.OFFERED:
            fields.require()
            secret = decoder.bytes(KEY_SIZE)
            name = decoder.text() if fields.optional() else None
            fields.require()
            state = Offered(secret, name, decoder.uint())
        case _Tag.WAITING:
            fields.require()
            offered = _read_state(decoder)
            if not isinstance(offered, Offered):
                raise DecodeError("not a stored state")
            fields.require()
            bundle = decoder.bytes()
            fields.require()
            message = decoder.bytes()
            fields.require()
            state = Waiting(offered, bundle, message, decoder.bytes(32))
        case _Tag.ENROLLED:
            state = _read_enrolled(decoder, fields)
        case _:
            raise DecodeError("not a stored state")
    fields.close()
    return state


def _read_enrolled(decoder: Decoder, fields: Items) -> Enrolled:
    fields.require()
    enrollment_identifier = decoder.bytes(32)
    pet_name = decoder.text() if fields.optional() else None
    fields.require()
    service = Identifier.read(decoder)
    fields.require()
    history = ChangeHistory.read(decoder)
    fields.require()
    credential = CredentialAndPurposeKey.read(decoder)
    fields.require()
    member_routes = read_texts(decoder)
    relay_name = decoder.text() if fields.optional() else None
    fields.require()
    ttl = decoder.uint()
    fields.require()
    service_time = decoder.uint()
    fields.require()
    set_aside = decoder.bool()
    fields.require()
    routes = read_texts(decoder)
    return Enrolled(
        enrollment_identifier,
        pet_name,
        service,
        history,
        credential,
        member_routes,
        relay_name,
        ttl,
        service_time,
        set_aside,
        routes,
    )
