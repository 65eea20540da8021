"""What a channel encrypts.

    SecureChannelPaddedMessage   [ SecureChannelMessage, bytes padding ]            padding is always empty (40)
    SecureChannelMessage         [0, [ Payload ]]  [1, [ RefreshCredentials ]]  [2, []]
    Payload                      [ Route onward, Route return, bytes payload ]
    RefreshCredentials           [ ChangeHistory, [* CredentialAndPurposeKey] ]

    82 82 00 81 83 <onward> <return> <payload> 40         a payload, as everybody writes it
    82 82 02 80 40                                        close

Writers emit exactly these forms; readers take what the reference takes: indefinite arrays, further elements, any
padding, anything after the message, and anything as the body of close.

Payloads are on the path of every message, so writing one is a join of bytes that routes have already, and
`PayloadReader` remembers what the bytes of a route mean (see "Performance" in ARCHITECTURE.md). It remembers parsing
only: where a message may go is checked each time.

Source: protocols/secure-channels.md "Messages"; reference ockam_identity secure_channel/message.rs.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.encoding.cbor import Decoder, encode_bytes_head
from ockam.errors import DecodeError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.secure_channel.identity_payload import encode_credentials, read_credentials

__all__ = [
    "PAYLOAD_TAIL",
    "Close",
    "Delivery",
    "Payload",
    "PayloadReader",
    "RefreshCredentials",
    "SecureChannelMessage",
    "decode_message",
    "encode_payload",
    "payload_head",
]

# Fixed by the protocol: what stands before the routes of a payload, and the empty padding behind it.
_PAYLOAD_HEAD = b"\x82\x82\x00\x81\x83"
PAYLOAD_TAIL = b"\x40"
_REFRESH_HEAD = b"\x82\x82\x01\x81\x82"
_CLOSE = b"\x82\x82\x02\x80\x40"

# Chosen by us: payloads of this size and above are delivered as a view of the plaintext, smaller ones as a copy.
VIEW_FROM_BYTES = 4096
# Chosen by us: pairs of routes that a reader remembers, and how many leading bytes tell them apart.
MAX_REMEMBERED_ROUTES = 256
_KEY_SIZE = 40

# Chosen by us, for refreshes: as much as a handshake message holds, since every change and credential costs signature
# checks.
MAX_REFRESH_SIZE = 65535

# A route to one worker with a random name: 81, 82 00 58 20, and 32 hexadecimal digits.
_ONE_RANDOM_ADDRESS = b"\x81\x82\x00\x58\x20"

# No CBOR message begins like this, so nothing matches it.
_NEVER = b"\xff"

_SHORT_HEADS = tuple(encode_bytes_head(size) for size in range(256))

Body: TypeAlias = bytes | memoryview
Delivery: TypeAlias = tuple[Route, Route, Body]
"""Onward route, return route with our encryptor in front, and the payload. A tuple for speed."""

_Entry: TypeAlias = tuple[bytes, int, Route, Route]


@dataclass(frozen=True, slots=True)
class Payload:
    """Variant 0: a routing message."""

    onward_route: Route
    return_route: Route
    payload: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the padded message."""
        return encode_payload(self.onward_route, self.return_route, self.payload)


@dataclass(frozen=True, slots=True)
class RefreshCredentials:
    """Variant 1: the sender presents its change history and a new credential."""

    change_history: ChangeHistory
    credentials: tuple[CredentialAndPurposeKey, ...]

    def encode(self) -> bytes:
        """Return the padded message."""
        history = self.change_history.encode()
        return b"".join((_REFRESH_HEAD, history, encode_credentials(self.credentials), PAYLOAD_TAIL))


@dataclass(frozen=True, slots=True)
class Close:
    """Variant 2: the sender stops the channel."""

    def encode(self) -> bytes:
        """Return the padded message, 8282028040."""
        return _CLOSE


SecureChannelMessage: TypeAlias = Payload | RefreshCredentials | Close


def encode_payload(onward_route: Route, return_route: Route, payload: bytes | bytearray | memoryview) -> bytes:
    """Return the padded message of a payload."""
    size = len(payload)
    head = _SHORT_HEADS[size] if size < 256 else encode_bytes_head(size)
    onward, back = onward_route.spelling, return_route.spelling
    return b"".join(
        (_PAYLOAD_HEAD, onward or onward_route.cbor, back or return_route.cbor, head, payload, PAYLOAD_TAIL)
    )


def payload_head(onward_route: Route, return_route: Route, size: int) -> bytes:
    """Return what stands before a payload of `size` bytes; PAYLOAD_TAIL stands behind it."""
    return b"".join((_PAYLOAD_HEAD, onward_route.cbor, return_route.cbor, encode_bytes_head(size)))


def decode_message(plaintext: bytes) -> SecureChannelMessage:
    """Return the message in a plaintext: authentic, but from a peer that may send anything.

    Raises:
        DecodeError: not a message of section "Transport plaintext", or an unknown variant.
    """
    decoder = Decoder(plaintext)
    padded = decoder.array()
    padded.require()
    message = _read_message(decoder)
    padded.require()
    decoder.bytes_range()
    padded.close()
    return message


def _read_message(decoder: Decoder) -> SecureChannelMessage:
    # Source: reference ockam_identity secure_channel/message.rs, the order of `SecureChannelMessage`.
    variant = decoder.enum()
    match variant:
        case 0 | 1:
            outer = decoder.array()
            outer.require()
            message = _read_refresh_credentials(decoder) if variant else _read_payload(decoder)
            outer.close()
            return message
        case 2:
            decoder.skip()
            return Close()
        case _:
            raise DecodeError("unknown kind of secure channel message")


def _read_payload(decoder: Decoder) -> Payload:
    fields = decoder.array()
    fields.require()
    onward_route = Route.read(decoder)
    fields.require()
    return_route = Route.read(decoder)
    fields.require()
    payload = decoder.bytes()
    fields.close()
    return Payload(onward_route, return_route, payload)


def _read_refresh_credentials(decoder: Decoder) -> RefreshCredentials:
    if decoder.remaining() > MAX_REFRESH_SIZE:
        raise DecodeError(f"refreshed credentials have more than {MAX_REFRESH_SIZE} bytes")
    fields = decoder.array()
    fields.require()
    change_history = ChangeHistory.read(decoder)
    fields.require()
    credentials = read_credentials(decoder)
    fields.close()
    return RefreshCredentials(change_history, credentials)


class PayloadReader:
    """Reads the plaintexts of one channel, and remembers the routes of the latest payloads.

    Args:
        encryptor: our end of the channel; it is put in front of every return route, so that a reply goes back
            through the channel.
    """

    __slots__ = ("_encryptor", "_entries", "_latest", "_onward", "_onward_bytes", "_return", "_return_bytes")

    def __init__(self, encryptor: Address) -> None:
        self._encryptor = encryptor
        empty = Route()
        # The bytes up to the payload, how many they are, and the routes in them.
        self._latest: _Entry = (_NEVER, 1, empty, empty)
        self._entries: dict[bytes, _Entry] = {}
        # Remembered one by one: a request and its answers share one of the two routes.
        self._onward_bytes, self._onward = _NEVER, empty
        self._return_bytes, self._return = _NEVER, empty

    def read(self, plaintext: bytes) -> Delivery | RefreshCredentials | Close:
        """Return the message in a plaintext: authentic, but from a peer that may send anything.

        Raises:
            DecodeError: as `decode_message`, whose results these are.
        """
        entry = self._latest
        if not plaintext.startswith(entry[0]):
            found = self._entry(plaintext)
            if found is None:
                return self._walk(plaintext)
            entry = found
        _, position, onward_route, return_route = entry
        try:
            head = plaintext[position]
            if head < 0x58:
                start = position + 1
                end = start + head - 0x40
            elif head == 0x58:
                start = position + 2
                end = start + plaintext[position + 1]
            elif head == 0x59:
                start = position + 3
                end = start + (plaintext[position + 1] << 8 | plaintext[position + 2])
            elif head == 0x5A:
                start = position + 5
                end = start + int.from_bytes(plaintext[position + 1 : start], "big")
            else:
                return self._walk(plaintext)
            # `head` below 0x40 is no byte string, and padding is 40 unless the peer is of another kind.
            if head < 0x40 or plaintext[end] != 0x40:
                return self._walk(plaintext)
        except IndexError:
            return self._walk(plaintext)
        if end - start < VIEW_FROM_BYTES:
            return onward_route, return_route, plaintext[start:end]
        return onward_route, return_route, memoryview(plaintext)[start:end]

    def read_in_place(self, plaintext: memoryview) -> Delivery | RefreshCredentials | Close:
        """Like `read`, for a plaintext in a buffer that will be used again; a payload is then a part of it.

        Only the latest routes are matched; anything else is copied out and read.
        """
        prefix, position, onward_route, return_route = self._latest
        head = bytes(plaintext[: position + 9])
        if head.startswith(prefix):
            try:
                decoder = Decoder(plaintext, position)
                start, end = decoder.bytes_range()
                decoder.bytes_range()
            except DecodeError:
                return self._walk(bytes(plaintext))
            return onward_route, return_route, plaintext[start:end]
        return self.read(bytes(plaintext))

    def _entry(self, plaintext: bytes) -> _Entry | None:
        """Return the routes of a payload in its usual form, None if it is anything else."""
        entry = self._entries.get(plaintext[:_KEY_SIZE])
        if entry is None or not plaintext.startswith(entry[0]):
            if not plaintext.startswith(_PAYLOAD_HEAD):
                return None
            entry = self._learn(plaintext)
        self._latest = entry
        return entry

    def _learn(self, plaintext: bytes) -> _Entry:
        position = len(_PAYLOAD_HEAD)
        if plaintext.startswith(self._onward_bytes, position):
            onward_end = position + len(self._onward_bytes)
            onward_is_new = False
        elif plaintext.startswith(_ONE_RANDOM_ADDRESS, position) and len(plaintext) > position + 37:
            # An answer to a request: its onward route is of this form, and used once.
            onward_end = position + 37
            address = Address(0, plaintext[position + 5 : onward_end])
            self._onward_bytes, self._onward = plaintext[position:onward_end], Route((address,))
            onward_is_new = False
        else:
            addresses, onward_end = _read_addresses(plaintext, position)
            self._onward_bytes, self._onward = plaintext[position:onward_end], Route(addresses)
            onward_is_new = True
        if plaintext.startswith(self._return_bytes, onward_end):
            end = onward_end + len(self._return_bytes)
        elif plaintext.startswith(_ONE_RANDOM_ADDRESS, onward_end) and len(plaintext) > onward_end + 37:
            # Every request has a fresh return route of this form; it is not worth remembering beyond the next message.
            end = onward_end + 37
            address = Address(0, plaintext[onward_end + 5 : end])
            self._return_bytes, self._return = plaintext[onward_end:end], Route((self._encryptor, address))
            if not onward_is_new:
                return (plaintext[:end], end, self._onward, self._return)
        else:
            addresses, end = _read_addresses(plaintext, onward_end)
            self._return_bytes, self._return = plaintext[onward_end:end], Route((self._encryptor, *addresses))
        entry = (plaintext[:end], end, self._onward, self._return)
        if len(self._entries) >= MAX_REMEMBERED_ROUTES:
            self._entries.clear()
        self._entries[plaintext[:_KEY_SIZE]] = entry
        return entry

    def _walk(self, plaintext: bytes) -> Delivery | RefreshCredentials | Close:
        message = decode_message(plaintext)
        if not isinstance(message, Payload):
            return message
        return_route = Route((self._encryptor, *message.return_route.addresses))
        return message.onward_route, return_route, message.payload


def _read_addresses(plaintext: bytes, position: int) -> tuple[tuple[Address, ...], int]:
    """Return the addresses of the route that begins at `position`, and where it ends.

    Routes of short addresses in their usual form are read right here, anything else by `Route.read`, which also
    decides what is an error.
    """
    addresses: list[Address] = []
    start = position + 1
    try:
        # 80..97: an array of at most 23. Each address: 82, its type, 40..57 or 58 and a size, its bytes.
        count = plaintext[position] - 0x80
        for _ in range(count if 0 <= count < 24 else -1):
            two, transport_type, size = plaintext[start : start + 3]
            start += 3
            if size == 0x58:
                size = plaintext[start] + 0x40
                start += 1
            elif size > 0x57:
                break
            if two != 0x82 or transport_type > 23 or size < 0x40:
                break
            value = plaintext[start : start + size - 0x40]
            start += size - 0x40
            addresses.append(Address(transport_type, value))
        else:
            if 0 <= count < 24 and start <= len(plaintext):
                return tuple(addresses), start
    except (IndexError, ValueError):
        pass
    decoder = Decoder(plaintext, position)
    return Route.read(decoder).addresses, decoder.position
