from __future__ import annotations

import pytest

from ockam.encoding import cbor
from ockam.errors import DecodeError
from ockam.multiaddr import InvalidMultiAddr, MalformedMultiAddr, MultiAddr, Part, Protocol

# Source: recorded from the reference (ockam_multiaddr 0.69).
KNOWN = [
    ("/dnsaddr/localhost/tcp/4000/service/api", "38096c6f63616c686f7374060fa0bee80303617069"),
    ("/ip4/127.0.0.1/tcp/4000/secure/api/service/echo", "047f000001060fa0c6890603617069bee803046563686f"),
    ("/ip6/::1/udp/4000/worker/w", "29" + "00" * 15 + "01" + "91020fa0fea0060177"),
    (
        "/project/p1/service/forward_to_x/secure/api",
        "de8405027031bee8030c666f72776172645f746f5f78c6890603617069",
    ),
    ("/node/n1", "ceb604026e31"),
    ("/space/s", "eed2050173"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "binary"), KNOWN)
def test_known_addresses_in_both_forms(text: str, binary: str) -> None:
    parsed = MultiAddr.parse(text)
    assert parsed.binary.hex() == binary
    assert MultiAddr.from_binary(bytes.fromhex(binary)) == parsed
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("tcp/4000", "/tcp/4000"),
        ("service/a/service/b", "/service/a/service/b"),
        ("/service", "/service/"),
        ("/service/", "/service/"),
        ("/service//tcp/1", "/service//tcp/1"),
        ("/service/a/", "/service/a"),
        ("self", "/secure/api"),
        ("/node/n/self", "/node/n/secure/api"),
        ("/service/self", "/service/self"),
        ("/tcp/+0080", "/tcp/80"),
        ("/tcp/0", "/tcp/0"),
        ("/tcp/65535", "/tcp/65535"),
        ("/ip6/2001:DB8:0:0:1:0:0:1", "/ip6/2001:db8::1:0:0:1"),
        ("/ip6/::ffff:1.2.3.4", "/ip6/::ffff:1.2.3.4"),
        ("/service/größe", "/service/größe"),
    ],
)
def test_text_is_read_widely_and_written_in_one_way(text: str, canonical: str) -> None:
    assert str(MultiAddr.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/", "unknown protocol"),
        ("//service/a", "unknown protocol"),
        ("/dns4/localhost", "unknown protocol `dns4`"),
        ("/Service/a", "unknown protocol"),
        ("127.0.0.1:4000", "unknown protocol"),
        ("/ip4/127.0.0.256", "not an IPv4 address"),
        ("/ip4/127.0.0.01", "not an IPv4 address"),
        ("/ip4", "not an IPv4 address"),
        ("/ip6/[::1]", "not an IPv6 address"),
        ("/ip6/fe80::1%eth0", "scope"),
        ("/tcp/65536", "larger than"),
        ("/tcp/-1", "not a port"),
        ("/tcp/", "not a port"),
        ("/tcp/++1", "not a port"),
        ("/tcp/4٣", "not a port"),
        ("/tcp/" + "9" * 10_000, "not a port"),
        ("/service/\ud800", "Unicode"),
    ],
)
def test_wrong_text_is_refused_and_says_why(text: str, message: str) -> None:
    with pytest.raises(InvalidMultiAddr, match=message):
        MultiAddr.parse(text)


@pytest.mark.parametrize(
    ("binary", "message"),
    [
        ("05", "unknown protocol code"),
        ("8400", "not minimal"),
        ("bee8038100", "not minimal"),
        ("ffffffff7f", "32 bits"),
        ("8080808080", "longer than 5"),
        ("91", "cut off"),
        ("047f0000", "cut off"),
        ("0601", "cut off"),
        ("bee803", "cut off"),
        ("bee8030261", "cut off"),
        ("bee803ffffffff0f61", "cut off"),
        ("bee80301ff", "UTF-8"),
        ("bee803012f", "slash"),
    ],
)
def test_wrong_bytes_are_refused_and_say_why(binary: str, message: str) -> None:
    with pytest.raises(MalformedMultiAddr, match=message):
        MultiAddr.from_binary(bytes.fromhex(binary))


def test_cbor_is_a_byte_string() -> None:
    address = MultiAddr.parse("/node/n1")
    assert address.encode().hex() == "46ceb604026e31"
    assert MultiAddr.decode(address.encode() + b"trailing") == address
    with pytest.raises(DecodeError):
        MultiAddr.decode(cbor.encode_text("/node/n1"))


def test_a_part_checks_its_value() -> None:
    with pytest.raises(InvalidMultiAddr, match="4 bytes"):
        Part(Protocol.IP4, b"\x00" * 5)


def test_addresses_are_put_together() -> None:
    address = MultiAddr.parse("/node/n1") + MultiAddr.parse("/secure/api")
    assert str(address.append(Protocol.SERVICE, "echo")) == "/node/n1/secure/api/service/echo"
    assert len(address) == 2
    assert [part.protocol for part in address] == [Protocol.NODE, Protocol.SECURE]
