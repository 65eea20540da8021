from __future__ import annotations

import pytest

from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError
from ockam.policy import (
    HAS_CREDENTIAL,
    Action,
    Bool,
    PolicyParseError,
    Resource,
    ResourcePolicy,
    ResourceType,
    ResourceTypePolicy,
    resource_type_or_name,
)

TYPES = ["tcp-inlet", "tcp-outlet", "echoer", "kafka-consumer", "kafka-producer", "relay", "lessor"]


def test_types_have_the_numbers_and_texts_of_the_reference() -> None:
    assert [(resource_type.value, resource_type.text) for resource_type in ResourceType] == list(enumerate(TYPES, 1))
    for text in TYPES:
        assert ResourceType.parse(text).text == text
        assert resource_type_or_name(text) is ResourceType.parse(text)
    assert resource_type_or_name("Relay") == "Relay"
    with pytest.raises(PolicyParseError, match="tcp-inlet, tcp-outlet"):
        ResourceType.parse("Relay")


def test_the_action() -> None:
    assert Action.parse("handle_message") is Action.HANDLE_MESSAGE
    assert Action.HANDLE_MESSAGE.text == "handle_message"
    with pytest.raises(PolicyParseError, match="no action 'handle'"):
        Action.parse("handle")
    with pytest.raises(DecodeError, match="unknown action"):
        Action.read(Decoder(b"\x02"))


def test_a_resource() -> None:
    outlet = Resource("outlet", ResourceType.TCP_OUTLET)
    assert outlet.encode().hex() == "a201666f75746c65740202"
    assert Resource.decode(outlet.encode() + b"\x00") == outlet
    assert Resource.decode(bytes.fromhex("bf020203f601666f75746c6574ff")) == outlet
    for data in ("a10202", "a101666f75746c6574", "a201666f75746c65740200", "80", ""):
        with pytest.raises(DecodeError):
            Resource.decode(bytes.fromhex(data))


def test_policies() -> None:
    own = ResourcePolicy("outlet", Action.HANDLE_MESSAGE, Bool(True))
    assert own.encode().hex() == "a301666f75746c6574020103820481f5"
    assert ResourcePolicy.decode(own.encode()) == own
    of_type = ResourceTypePolicy(ResourceType.RELAY, Action.HANDLE_MESSAGE, HAS_CREDENTIAL)
    assert of_type.encode()[:6].hex() == "a30106020103"
    assert ResourceTypePolicy.decode(of_type.encode()) == of_type
    assert ResourcePolicy.decode(bytes.fromhex("a504f603820481f501666f75746c657402010bf6")) == own
    for data in ("a2016161 0201", "a20201 03820481f5", "a2016161 03820481f5", "a0"):
        with pytest.raises(DecodeError, match="missing"):
            ResourcePolicy.decode(bytes.fromhex(data))
    with pytest.raises(DecodeError):
        ResourceTypePolicy.decode(bytes.fromhex("a3010803820481f50201"))
