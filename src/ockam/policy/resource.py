"""What policies protect, and what they are kept as.

    Action              uint, 1 handle_message
    ResourceType        uint, 1 … 7
    Resource            map {1: name, 2: type}
    ResourcePolicy      map {1: name, 2: action, 3: Expr}
    ResourceTypePolicy  map {1: type, 2: action, 3: Expr}

Source:
    reference ockam_abac/src/resource.rs, types.rs, policy/resource_policy.rs, policy/resource_type_policy.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeVar

from ockam.encoding.cbor import Decoder, encode_map_head, encode_text, encode_uint
from ockam.errors import DecodeError
from ockam.policy.errors import PolicyParseError
from ockam.policy.expression import read_expression

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.policy.expression import Expression

__all__ = [
    "Action",
    "Resource",
    "ResourcePolicy",
    "ResourceType",
    "ResourceTypePolicy",
    "resource_type_or_name",
]

S = TypeVar("S")


class Action(IntEnum):
    """What is done to a resource. Source: ockam_abac/src/types.rs `Action`."""

    HANDLE_MESSAGE = 1

    @property
    def text(self) -> str:
        """As it is typed and stored."""
        return "handle_message"

    @classmethod
    def parse(cls, text: str) -> Action:
        """Return the action of that text.

        Raises:
            PolicyParseError: there is none.
        """
        if text != "handle_message":
            raise PolicyParseError(f"there is no action {text!r}: the only one is handle_message")
        return cls.HANDLE_MESSAGE

    @classmethod
    def read(cls, decoder: Decoder) -> Action:
        """Read an action. Takes unauthenticated bytes.

        Raises:
            DecodeError: there is none of that number.
        """
        try:
            return cls(decoder.uint(32))
        except ValueError:
            raise DecodeError("an unknown action") from None


class ResourceType(IntEnum):
    """A kind of resource. Source: ockam_abac/src/resource.rs `ResourceType`."""

    TCP_INLET = 1
    TCP_OUTLET = 2
    ECHOER = 3
    KAFKA_CONSUMER = 4
    KAFKA_PRODUCER = 5
    RELAY = 6
    LESSOR = 7

    @property
    def text(self) -> str:
        """As it is typed and stored, as `tcp-inlet`."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, text: str) -> ResourceType:
        """Return the type of that text.

        Raises:
            PolicyParseError: there is none.
        """
        found = _BY_TEXT.get(text)
        if found is None:
            raise PolicyParseError(f"there is no resource type {text!r}: use one of {', '.join(_BY_TEXT)}")
        return found

    @classmethod
    def read(cls, decoder: Decoder) -> ResourceType:
        """Read a resource type. Takes unauthenticated bytes.

        Raises:
            DecodeError: there is none of that number.
        """
        try:
            return cls(decoder.uint(32))
        except ValueError:
            raise DecodeError("an unknown resource type") from None


_BY_TEXT: Final = {resource_type.text: resource_type for resource_type in ResourceType}


def resource_type_or_name(text: str) -> ResourceType | str:
    """Return the type that a text is the name of, or else the text: the name of a resource."""
    return _BY_TEXT.get(text, text)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that policies protect: a worker's address, or the alias of an inlet, and its type."""

    name: str
    type: ResourceType

    def encode(self) -> bytes:
        """Return the encoded map."""
        return encode_map_head(2) + b"\x01" + encode_text(self.name) + b"\x02" + encode_uint(self.type)

    @classmethod
    def decode(cls, data: bytes) -> Resource:
        """Return the resource at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape.
        """
        decoder = Decoder(data)
        name: str | None = None
        resource_type: ResourceType | None = None
        entries = decoder.map()
        while entries.next():
            match decoder.uint(32):
                case 1:
                    name = decoder.text()
                case 2:
                    resource_type = ResourceType.read(decoder)
                case _:
                    decoder.skip()
        if name is None or resource_type is None:
            raise DecodeError("the name or the type of the resource is missing")
        return cls(name, resource_type)


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """The policy of one resource."""

    resource_name: str
    action: Action
    expression: Expression

    def encode(self) -> bytes:
        """Return the encoded map."""
        return _encode_policy(encode_text(self.resource_name), self.action, self.expression)

    @classmethod
    def read(cls, decoder: Decoder) -> ResourcePolicy:
        """Read a policy. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape, or too large.
        """
        return cls(*_read_policy(decoder, Decoder.text))

    @classmethod
    def decode(cls, data: bytes) -> ResourcePolicy:
        """Return the policy at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape, or too large.
        """
        return cls.read(Decoder(data))


@dataclass(frozen=True, slots=True)
class ResourceTypePolicy:
    """The policy of all resources of a type that have none of their own."""

    resource_type: ResourceType
    action: Action
    expression: Expression

    def encode(self) -> bytes:
        """Return the encoded map."""
        return _encode_policy(encode_uint(self.resource_type), self.action, self.expression)

    @classmethod
    def read(cls, decoder: Decoder) -> ResourceTypePolicy:
        """Read a policy. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape, or too large.
        """
        return cls(*_read_policy(decoder, ResourceType.read))

    @classmethod
    def decode(cls, data: bytes) -> ResourceTypePolicy:
        """Return the policy at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape, or too large.
        """
        return cls.read(Decoder(data))


def _encode_policy(subject: bytes, action: Action, expression: Expression) -> bytes:
    return b"".join((encode_map_head(3), b"\x01", subject, b"\x02", encode_uint(action), b"\x03", expression.encode()))


def _read_policy(decoder: Decoder, read_subject: Callable[[Decoder], S]) -> tuple[S, Action, Expression]:
    subject: S | None = None
    action: Action | None = None
    expression: Expression | None = None
    entries = decoder.map()
    while entries.next():
        match decoder.uint(32):
            case 1:
                subject = read_subject(decoder)
            case 2:
                action = Action.read(decoder)
            case 3:
                expression = read_expression(decoder)
            case _:
                decoder.skip()
    if subject is None or action is None or expression is None:
        raise DecodeError("a field of the policy is missing")
    return subject, action, expression
