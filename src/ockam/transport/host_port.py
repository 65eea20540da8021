"""Host and port, as people write them.

    4000, :4000           127.0.0.1, port 4000
    ip:port, [v6]:port    as it stands
    host:port             ASCII, at most 253 characters, labels of 1 to 63 letters, digits, `-` and `_`

Source: reference ockam_transport_core/src/hostname_port.rs.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from ockam.transport.errors import InvalidSocketAddress

__all__ = ["HostPort"]

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_MAX_NAME: Final = 253
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where to connect to, or to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """Return what `text` spells.

        Raises:
            InvalidSocketAddress: none of the forms above.
        """
        text = text.strip()
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            if not bracket or not rest.startswith(":"):
                raise InvalidSocketAddress(f"{text!r}: an IPv6 address is written as [address]:port")
            return cls(_ip(host, 6, text), _port(rest[1:], text))
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            return cls(_LOOPBACK, _port(port, text))
        if re.fullmatch(r"[0-9.]+", host):
            return cls(_ip(host, 4, text), _port(port, text))
        if len(host) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in host.split(".")):
            raise InvalidSocketAddress(f"{text!r} names no host: letters, digits, '-', '_' and single dots")
        return cls(host, _port(port, text))

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address rather than a name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _ip(text: str, version: int, whole: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version:
        raise InvalidSocketAddress(f"{whole!r}: {text!r} is not an IPv{version} address")
    return str(address)


def _port(text: str, whole: str) -> int:
    # Reference: leading zeros are allowed. More digits than this are no port, and Python refuses to read very many.
    if not (text.isascii() and text.isdigit()) or len(text) > 64 or int(text) > 65535:
        raise InvalidSocketAddress(f"{whole!r}: the port is a number of 0 to 65535")
    return int(text)
