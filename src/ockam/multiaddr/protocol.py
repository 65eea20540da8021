"""The protocols a MultiAddr is made of, and the value each of them carries.

    protocol                                     binary value            text value
    ip4                                          4 bytes                 127.0.0.1
    ip6                                          16 bytes                ::1  (RFC 5952, no brackets)
    tcp udp                                      u16, big endian         4000
    dnsaddr service node project space           UTF-8, without `/`      the same
    secure worker

Source: reference ockam_multiaddr/src/proto.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from ockam.multiaddr.errors import InvalidMultiAddr

__all__ = ["HOSTS", "LOCALS", "PORTS", "Part", "Protocol"]

MAX_PORT: Final = 0xFFFF


class Protocol(IntEnum):
    """The codes on the wire. Source: ockam_multiaddr/src/proto.rs `CODE`."""

    IP4 = 4
    TCP = 6
    IP6 = 41
    DNSADDR = 56
    UDP = 273
    SERVICE = 62526
    NODE = 72526
    PROJECT = 82526
    SPACE = 92526
    SECURE = 99526
    WORKER = 102526

    @property
    def prefix(self) -> str:
        """The name in the text form, without slashes."""
        return self.name.lower()

    @property
    def value_size(self) -> int | None:
        """Size of the binary value in bytes; None where a length goes before it."""
        return _FIXED_SIZES.get(self)


_FIXED_SIZES: Final = {Protocol.IP4: 4, Protocol.IP6: 16, Protocol.TCP: 2, Protocol.UDP: 2}

HOSTS: Final = frozenset({Protocol.IP4, Protocol.IP6, Protocol.DNSADDR})
PORTS: Final = frozenset({Protocol.TCP, Protocol.UDP})
LOCALS: Final = frozenset({Protocol.SERVICE, Protocol.SECURE, Protocol.WORKER})


@dataclass(frozen=True, slots=True)
class Part:
    """One `/protocol/value` pair.

    Attributes:
        protocol: how to read the value.
        value: the binary value, without the length that goes before it on the wire.

    Raises:
        InvalidMultiAddr: the value does not fit the protocol.
    """

    protocol: Protocol
    value: bytes

    def __post_init__(self) -> None:
        if problem := problem_with(self.protocol, self.value):
            raise InvalidMultiAddr(problem)

    @classmethod
    def parse(cls, protocol: Protocol, text: str) -> Part:
        """Read the text form of a value.

        Raises:
            InvalidMultiAddr: no such value of this protocol.
        """
        match protocol:
            case Protocol.IP4:
                value = _parse_ip4(text)
            case Protocol.IP6:
                value = _parse_ip6(text)
            case Protocol.TCP | Protocol.UDP:
                value = _parse_port(text)
            case _:
                value = _encode_text(text)
        return cls(protocol, value)

    @property
    def text(self) -> str:
        """The value as text."""
        match self.protocol:
            case Protocol.IP4:
                return str(IPv4Address(self.value))
            case Protocol.IP6:
                return _ip6_text(IPv6Address(self.value))
            case Protocol.TCP | Protocol.UDP:
                return str(int.from_bytes(self.value, "big"))
            case _:
                return self.value.decode()

    def __str__(self) -> str:
        return f"/{self.protocol.prefix}/{self.text}"


def problem_with(protocol: Protocol, value: bytes) -> str | None:
    """Say what is wrong with a binary value; None when nothing is."""
    size = protocol.value_size
    if size is not None:
        return None if len(value) == size else f"a value of {protocol.prefix} has {size} bytes, not {len(value)}"
    if b"/" in value:
        # Reference: its decoder lets a slash through, and then prints text that reads back as another address.
        return f"a value of {protocol.prefix} cannot contain a slash"
    try:
        value.decode()
    except UnicodeDecodeError:
        return f"a value of {protocol.prefix} must be UTF-8"
    return None


def _parse_ip4(text: str) -> bytes:
    try:
        return IPv4Address(text).packed
    except AddressValueError as error:
        raise InvalidMultiAddr(f"`{text}` is not an IPv4 address") from error


def _parse_ip6(text: str) -> bytes:
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise InvalidMultiAddr(f"`{text}` is not an IPv6 address") from error
    if address.scope_id is not None:
        raise InvalidMultiAddr(f"`{text}` has a scope, which a MultiAddr cannot carry")
    return address.packed


def _parse_port(text: str) -> bytes:
    # Reference: Rust's u16::from_str, which also takes one leading plus and leading zeros.
    digits = text.removeprefix("+")
    # The length check keeps int() from work (and its own limit) on a very long line.
    significant = digits.lstrip("0")
    if not digits or not digits.isascii() or not digits.isdigit() or len(significant) > 5:
        raise InvalidMultiAddr(f"`{text[:40]}` is not a port number")
    port = int(significant or "0")
    if port > MAX_PORT:
        raise InvalidMultiAddr(f"port {port} is larger than {MAX_PORT}")
    return port.to_bytes(2, "big")


def _encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidMultiAddr("the value is not valid Unicode text") from error


def _ip6_text(address: IPv6Address) -> str:
    # RFC 5952 section 5: an IPv4-mapped address shows its IPv4 part (str() does so only from Python 3.13 on).
    mapped = address.ipv4_mapped
    return str(address) if mapped is None else f"::ffff:{mapped}"
