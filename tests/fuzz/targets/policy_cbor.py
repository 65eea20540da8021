# Invariant: expressions, shorthands, policies and resources are read or refused with a DecodeError, and read back as
# the same value from their own encoding; what was read has a decision, which its explanation shares.
"""Policies and what they protect, as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.errors import DecodeError
from ockam.policy import (
    Environment,
    PolicyExpression,
    Resource,
    ResourcePolicy,
    ResourceTypePolicy,
    authorizes,
    decode_boolean_expression,
    decode_expression,
    explain,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Encoded(Protocol):
        def encode(self) -> bytes: ...


NOTHING = Environment()


def check(data: bytes) -> None:
    decoders: list[Callable[[bytes], Encoded]] = [
        decode_expression,
        decode_boolean_expression,
        PolicyExpression.decode,
        Resource.decode,
        ResourcePolicy.decode,
    ]
    for decode in decoders:
        try:
            value = decode(data)
        except DecodeError:
            continue
        assert decode(value.encode()).encode() == value.encode()
        if isinstance(value, PolicyExpression):
            assert str(value) or not value.expression.encode()[3] & 0x1F
            assert explain(value.expression, NOTHING).is_authorized == authorizes(value.expression, NOTHING)
        return
    # None of the others: then this, or nothing.
    policy = ResourceTypePolicy.decode(data)
    assert ResourceTypePolicy.decode(policy.encode()).encode() == policy.encode()
