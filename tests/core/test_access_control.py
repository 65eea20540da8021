from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest

from ockam.core.access_control import (
    ALLOW_ALL,
    DENY_ALL,
    AccessControl,
    AllOf,
    AllowAll,
    AllowOnwardAddresses,
    AllowSourceAddresses,
    AnyOf,
    DenyAll,
)
from ockam.core.address import Address
from ockam.core.message import LocalMessage, RelayMessage
from ockam.core.route import route

if TYPE_CHECKING:
    from collections.abc import Awaitable

A, B, C = (Address.local(name) for name in "abc")
FROM_A_TO_B = RelayMessage(A, B, LocalMessage(route(B, C), route(C), b""))


class Later:
    """Answers after a look-up."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer

    async def is_authorized(self, message: RelayMessage) -> bool:
        return self.answer


class Unreached:
    def is_authorized(self, message: RelayMessage) -> bool:
        raise AssertionError("must not be asked")


def ask(control: AccessControl) -> bool:
    async def answer() -> bool:
        result = control.is_authorized(FROM_A_TO_B)
        return await result if inspect.isawaitable(result) else result

    return asyncio.run(answer())


def test_constant_controls() -> None:
    assert ALLOW_ALL.is_authorized(FROM_A_TO_B) is True
    assert DENY_ALL.is_authorized(FROM_A_TO_B) is False
    assert isinstance(ALLOW_ALL, AllowAll)
    assert isinstance(DENY_ALL, DenyAll)


def test_the_source_is_the_sending_worker_and_not_the_return_route() -> None:
    assert AllowSourceAddresses(A).is_authorized(FROM_A_TO_B)
    assert AllowSourceAddresses(C, A).is_authorized(FROM_A_TO_B)
    assert not AllowSourceAddresses(C).is_authorized(FROM_A_TO_B)
    assert not AllowSourceAddresses().is_authorized(FROM_A_TO_B)


def test_the_destination_is_the_first_hop_only() -> None:
    assert AllowOnwardAddresses(B).is_authorized(FROM_A_TO_B)
    assert not AllowOnwardAddresses(C).is_authorized(FROM_A_TO_B)
    assert not AllowOnwardAddresses().is_authorized(FROM_A_TO_B)


@pytest.mark.parametrize(
    ("controls", "any_of", "all_of"),
    [
        ((), False, True),
        ((ALLOW_ALL,), True, True),
        ((DENY_ALL,), False, False),
        ((Later(True),), True, True),
        ((Later(False),), False, False),
        ((DENY_ALL, ALLOW_ALL), True, False),
        ((Later(False), Later(True)), True, False),
        ((ALLOW_ALL, Later(True)), True, True),
        ((DENY_ALL, Later(False)), False, False),
    ],
)
def test_combined_controls(controls: tuple[AccessControl, ...], any_of: bool, all_of: bool) -> None:
    assert ask(AnyOf(controls)) is any_of
    assert ask(AllOf(iter(controls))) is all_of


def test_the_first_decisive_answer_ends_the_asking() -> None:
    assert ask(AnyOf([ALLOW_ALL, Unreached()]))
    assert not ask(AllOf([DENY_ALL, Unreached()]))


def test_combined_controls_nest() -> None:
    assert ask(AllOf([AnyOf([DENY_ALL, Later(True)]), ALLOW_ALL]))


def test_an_error_of_a_control_reaches_the_asker() -> None:
    class Broken:
        def is_authorized(self, message: RelayMessage) -> Awaitable[bool]:
            raise RuntimeError("no storage")

    with pytest.raises(RuntimeError, match="no storage"):
        ask(AnyOf([Broken()]))
