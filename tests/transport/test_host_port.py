from __future__ import annotations

import pytest

from ockam.errors import Kind, Origin
from ockam.transport.errors import InvalidSocketAddress
from ockam.transport.host_port import HostPort

GOOD = {
    "4000": ("127.0.0.1", 4000),
    ":4000": ("127.0.0.1", 4000),
    "0": ("127.0.0.1", 0),
    "00080": ("127.0.0.1", 80),
    "192.0.2.1:65535": ("192.0.2.1", 65535),
    "0.0.0.0:1": ("0.0.0.0", 1),  # noqa: S104 - parsed, not listened on
    "[::1]:4000": ("::1", 4000),
    "[2001:DB8::1]:4000": ("2001:db8::1", 4000),
    "localhost:4000": ("localhost", 4000),
    "a-b.example_1.org:4000": ("a-b.example_1.org", 4000),
    " example.org:4000\n": ("example.org", 4000),
    "a" * 63 + ".b:1": ("a" * 63 + ".b", 1),
}

BAD = [
    "",
    ":",
    "host",
    "host:",
    "host:-1",
    "host:65536",
    "host:4 0",
    "host:٤",
    "127.0.0.1",
    "127.0.0:1",
    "999.0.0.1:1",
    "::1:4000",
    "[::1]",
    "[::1",
    "[::1]4000",
    "[127.0.0.1]:4000",
    "[host]:4000",
    "-host:1",
    "host-:1",
    ".host:1",
    "host.:1",
    "a..b:1",
    "a" * 64 + ":1",
    "a." * 127 + "b:1",
    "hööst:1",
    "host/path:1",
    "host:" + "9" * 5000,
]


@pytest.mark.parametrize(("text", "expected"), GOOD.items())
def test_what_is_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    where = HostPort.parse(text)
    assert (where.host, where.port) == expected
    assert HostPort.parse(str(where)) == where


@pytest.mark.parametrize("text", BAD)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidSocketAddress) as error:
        HostPort.parse(text)
    assert (error.value.origin, error.value.kind) == (Origin.TRANSPORT, Kind.MISUSE)


def test_names_and_addresses() -> None:
    assert HostPort("::1", 1).is_ip
    assert HostPort("127.0.0.1", 1).is_ip
    assert not HostPort("localhost", 1).is_ip
    assert str(HostPort("::1", 4000)) == "[::1]:4000"
