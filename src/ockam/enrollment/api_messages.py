"""Bodies of the API of worker `enrollment_service`.

    POST /bundles       [count uint 1..1000, expires_in_seconds uint / null, request_id bytes16 / null]
                        -> [[* SignedEnrollmentBundle]]
    POST /enrollees     [[* [eik bytes32, pet_name / null, attributes {text=>text}, expires_in_seconds / null]]]
                        -> [[* EnrolleeRecord]]
    GET /enrollees      ?state=N&name=PREFIX&page=N -> [[* EnrolleeRecord]];   GET /enrollees/ID -> EnrolleeRecord
    PATCH /enrollees/ID [expires_in_seconds / null, attributes / null]
    EnrolleeRecord      [id bytes32, pet_name, state uint, added_by identifier, created_at, expires_at / null,
                         enrolled_at / null, identifier / null, attributes]

Read strictly, with one freedom: absent trailing fields may be left out (as we do) or be null.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, unquote

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
from ockam.enrollment.attributes import encode_attributes, sorted_attributes
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.errors import InvalidField
from ockam.enrollment.pending import MAX_BUNDLES_PER_REQUEST, MAX_ENTRIES_PER_REQUEST, State, reported_state, short_form
from ockam.errors import DecodeError
from ockam.identity.identifier import Identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ockam.enrollment.messages import EnrolleeOffer

T = TypeVar("T")

REQUEST_ID_SIZE: Final = 16
MAX_PAGE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class BundlesRequest:
    """Ask for bundles.

    Attributes:
        expires_in_seconds: None is the service's default, seven days.
        request_id: 16 random bytes; the same again gives the same bundles.
    """

    count: int
    expires_in_seconds: int | None = None
    request_id: bytes | None = None

    def encode(self) -> bytes:
        """Return the body."""
        return encode_struct(*self._fields())

    def _fields(self) -> tuple[bytes | None, ...]:
        request_id = None if self.request_id is None else encode_bytes(self.request_id)
        return encode_uint(self.count), _optional_uint(self.expires_in_seconds), request_id

    @classmethod
    def decode(cls, data: bytes) -> BundlesRequest:
        """Read an unauthenticated body; raise `InvalidField` or `DecodeError`."""
        return _decode_body(data, cls._read, cls._fields)

    @classmethod
    def _read(cls, decoder: Decoder) -> BundlesRequest:
        fields = decoder.array()
        count = _required("count", fields, decoder.uint)
        if not 1 <= count <= MAX_BUNDLES_PER_REQUEST:
            raise InvalidField("count", f"1 to {MAX_BUNDLES_PER_REQUEST} is allowed")
        expires_in = _optional("expires_in_seconds", fields, decoder.uint)
        request_id = _optional("request_id", fields, lambda: decoder.bytes(REQUEST_ID_SIZE))
        fields.close()
        return cls(count, expires_in, request_id)


@dataclass(frozen=True, slots=True)
class ApprovalEntry:
    """One device to approve.

    Attributes:
        eik: the enrollment key from its offer, 32 bytes.
        expires_in_seconds: None is the service's default, 0 never.
    """

    eik: bytes
    pet_name: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    expires_in_seconds: int | None = None

    @property
    def enrollment_identifier(self) -> bytes:
        """SHA-256 of the enrollment key, 32 bytes."""
        return sha256(self.eik).digest()

    @property
    def digest(self) -> bytes:
        """SHA-256 of all fields, by which the same entry is known again; the order of attributes does not count."""
        attributes = sorted_attributes(self.attributes)
        return sha256(ApprovalEntry(self.eik, self.pet_name, attributes, self.expires_in_seconds).encode()).digest()

    @classmethod
    def of_offer(
        cls, offer: EnrolleeOffer, attributes: Mapping[str, str], expires_in_seconds: int | None = None
    ) -> ApprovalEntry:
        """Return the entry that approves `offer`."""
        return cls(offer.eik, offer.pet_name, dict(attributes), expires_in_seconds)

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return encode_struct(*self._fields())

    def _fields(self) -> tuple[bytes | None, ...]:
        name = None if self.pet_name is None else encode_text(self.pet_name)
        expires_in = _optional_uint(self.expires_in_seconds)
        return encode_bytes(self.eik), name, encode_attributes(self.attributes), expires_in

    @classmethod
    def read(cls, decoder: Decoder) -> ApprovalEntry:
        """Read one from unauthenticated CBOR; raise `InvalidField` or `DecodeError`."""
        start = decoder.position
        fields = decoder.array()
        eik = _required("eik", fields, lambda: decoder.bytes(32))
        name = _optional("pet_name", fields, lambda: decoder.text(1024))
        attributes = _required("attributes", fields, lambda: read_attributes(decoder))
        expires_in = _optional("expires_in_seconds", fields, decoder.uint)
        fields.close()
        entry = cls(eik, name, attributes, expires_in)
        _check_canonical(bytes(decoder.data[start : decoder.position]), entry._fields())
        return entry


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """Approve 1 to 1000 devices: all or none."""

    entries: tuple[ApprovalEntry, ...]

    def encode(self) -> bytes:
        """Return the body."""
        return encode_list(entry.encode() for entry in self.entries)

    @classmethod
    def decode(cls, data: bytes) -> ApprovalRequest:
        """Read an unauthenticated body; raise `InvalidField` or `DecodeError`."""
        decoder = Decoder(data)
        request = cls(tuple(read_list(decoder, ApprovalEntry.read, MAX_ENTRIES_PER_REQUEST, "enrollees")))
        decoder.finish()
        if not request.entries:
            raise InvalidField("enrollees", f"1 to {MAX_ENTRIES_PER_REQUEST} are allowed")
        # Every entry was found canonical and nothing follows the last: only the heads of the lists are left.
        if not data.startswith(b"\x81" + encode_array_head(len(request.entries))):
            raise DecodeError("not the canonical encoding")
        return request


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """Extend or relabel a pending enrollee; None leaves as it is, expires_in_seconds 0 is never."""

    expires_in_seconds: int | None = None
    attributes: Mapping[str, str] | None = None

    def encode(self) -> bytes:
        """Return the body."""
        return encode_struct(*self._fields())

    def _fields(self) -> tuple[bytes | None, ...]:
        attributes = None if self.attributes is None else encode_attributes(self.attributes)
        return _optional_uint(self.expires_in_seconds), attributes

    @classmethod
    def decode(cls, data: bytes) -> PatchRequest:
        """Read an unauthenticated body; raise `InvalidField` or `DecodeError`."""
        return _decode_body(data, cls._read, cls._fields)

    @classmethod
    def _read(cls, decoder: Decoder) -> PatchRequest:
        fields = decoder.array()
        expires_in = _optional("expires_in_seconds", fields, decoder.uint)
        attributes = _optional("attributes", fields, lambda: read_attributes(decoder))
        fields.close()
        return cls(expires_in, attributes)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which records to list, 100 a page."""

    state: State | None = None
    name: str | None = None
    page: int = 0

    @property
    def path(self) -> str:
        """The path of the request, query included."""
        pairs = [("state", None if self.state is None else str(int(self.state))), ("name", self.name)]
        pairs.append(("page", str(self.page) if self.page else None))
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs if value is not None)
        return f"/enrollees?{query}" if query else "/enrollees"

    @classmethod
    def parse(cls, query: str) -> ListQuery:
        """Read the part of an unauthenticated path after `?`; raise `InvalidField`."""
        state, name, page = None, None, 0
        for pair in filter(None, query.split("&")):
            key, _, value = pair.partition("=")
            match key:
                case "state":
                    number = _query_number("state", value, max(State))
                    state = State(number)
                case "name":
                    name = unquote(value)
                case "page":
                    page = _query_number("page", value, MAX_PAGE)
                case _:
                    raise InvalidField("query", "state, name and page are allowed")
        return cls(state, name, page)


@dataclass(frozen=True, slots=True)
class EnrolleeRecord:
    """What the service knows of a device. `state` is as at the time of the answer."""

    id: bytes
    pet_name: str | None
    state: State
    added_by: Identifier
    created_at: int
    expires_at: int | None
    enrolled_at: int | None
    identifier: Identifier | None
    attributes: Mapping[str, str]

    @property
    def short(self) -> str:
        """The first 20 hex digits of the enrollment identifier, as people see it."""
        return short_form(self.id)

    def as_of(self, now: int) -> EnrolleeRecord:
        """Return the record with its state as it is at `now`."""
        state = reported_state(self.state, self.expires_at, now)
        return self if state is self.state else replace(self, state=state)

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return encode_array(
            encode_bytes(self.id),
            NULL if self.pet_name is None else encode_text(self.pet_name),
            encode_uint(self.state),
            self.added_by.encode(),
            encode_uint(self.created_at),
            _optional_uint(self.expires_at) or NULL,
            _optional_uint(self.enrolled_at) or NULL,
            NULL if self.identifier is None else self.identifier.encode(),
            encode_attributes(self.attributes),
        )

    @classmethod
    def read(cls, decoder: Decoder) -> EnrolleeRecord:
        """Read one from CBOR."""
        fields = decoder.array()
        fields.require()
        identifier = decoder.bytes(32)
        name = decoder.text(1024) if fields.optional() else None
        fields.require()
        state = decoder.uint(8)
        if state > max(State):
            raise DecodeError("unknown state of an enrollee")
        fields.require()
        added_by = Identifier.read(decoder)
        fields.require()
        created_at = decoder.uint()
        expires_at = decoder.uint() if fields.optional() else None
        enrolled_at = decoder.uint() if fields.optional() else None
        identity = Identifier.read(decoder) if fields.optional() else None
        fields.require()
        attributes = read_attributes(decoder)
        fields.close()
        return cls(identifier, name, State(state), added_by, created_at, expires_at, enrolled_at, identity, attributes)

    @classmethod
    def decode(cls, data: bytes) -> EnrolleeRecord:
        """Read strictly from bytes; raise `DecodeError`."""
        return decode_exactly(data, cls.read, cls.encode)


def encode_list(items: Iterable[bytes]) -> bytes:
    """Return `[[* item]]` of encoded items."""
    pieces = list(items)
    return b"".join((b"\x81", encode_array_head(len(pieces)), *pieces))


def decode_records(data: bytes) -> tuple[EnrolleeRecord, ...]:
    """Read `[[* EnrolleeRecord]]` strictly; raise `DecodeError`."""
    return decode_exactly(
        data,
        lambda decoder: tuple(read_list(decoder, EnrolleeRecord.read, MAX_ENTRIES_PER_REQUEST, "enrollees")),
        lambda records: encode_list(record.encode() for record in records),
    )


def decode_bundles(data: bytes) -> tuple[SignedEnrollmentBundle, ...]:
    """Read `[[* SignedEnrollmentBundle]]` strictly; raise `DecodeError`. The bundles are not verified."""
    return decode_exactly(
        data,
        lambda decoder: tuple(read_list(decoder, SignedEnrollmentBundle.read, MAX_BUNDLES_PER_REQUEST, "bundles")),
        lambda bundles: encode_list(bundle.encode() for bundle in bundles),
    )


def read_list(decoder: Decoder, read: Callable[[Decoder], T], limit: int, name: str) -> list[T]:
    """Read `[[* item]]` from unauthenticated CBOR; raise `InvalidField` past `limit` items."""
    outer = decoder.array()
    outer.require()
    items = decoder.array()
    values: list[T] = []
    while items.next():
        if len(values) == limit:
            raise InvalidField(name, f"1 to {limit} are allowed")
        values.append(read(decoder))
    outer.close()
    return values


def read_attributes(decoder: Decoder) -> dict[str, str]:
    """Read a map of texts from unauthenticated CBOR, in its order; a repeated name is refused.

    Raises:
        DecodeError: another shape.
    """
    entries = decoder.map()
    attributes: dict[str, str] = {}
    while entries.next():
        name = decoder.text(2048)
        if name in attributes:
            raise DecodeError("an attribute is given twice")
        attributes[name] = decoder.text(2048)
    return attributes


def _required(name: str, fields: Items, read: Callable[[], T]) -> T:
    try:
        fields.require()
        return read()
    except DecodeError as error:
        raise InvalidField(name, error.message) from None


def _optional(name: str, fields: Items, read: Callable[[], T]) -> T | None:
    try:
        return read() if fields.optional() else None
    except DecodeError as error:
        raise InvalidField(name, error.message) from None


def _optional_uint(value: int | None) -> bytes | None:
    return None if value is None else encode_uint(value)


def _query_number(name: str, text: str, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= maximum):
        raise InvalidField(name, f"a number from 0 to {int(maximum)} is expected")
    return int(text)


def _decode_body(data: bytes, read: Callable[[Decoder], T], fields: Callable[[T], tuple[bytes | None, ...]]) -> T:
    decoder = Decoder(data)
    value = read(decoder)
    decoder.finish()
    _check_canonical(data, fields(value))
    return value


def _check_canonical(data: bytes, fields: tuple[bytes | None, ...]) -> None:
    # With all trailing absent fields cut off, or with some or all of them as null.
    needed = max((size for size, item in enumerate(fields, 1) if item is not None), default=0)
    full = [NULL if item is None else item for item in fields]
    if data not in [encode_array(*full[:size]) for size in range(needed, len(full) + 1)]:
        raise DecodeError("not the canonical encoding")
