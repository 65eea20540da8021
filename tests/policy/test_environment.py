from __future__ import annotations

import logging

import pytest

from ockam.identity import Identifier
from ockam.policy import (
    Action,
    Bool,
    Environment,
    Expression,
    Resource,
    ResourceType,
    Str,
    UnboundIdentifier,
    resource_environment,
)

ALICE = Identifier(bytes(range(32)))
OUTLET = Resource("outlet", ResourceType.TCP_OUTLET)


def bindings(environment: Environment) -> dict[str, Expression]:
    return {name: environment.value(name) for name in environment}


def test_a_subject_without_an_authority() -> None:
    environment = resource_environment(OUTLET, Action.HANDLE_MESSAGE).with_subject(ALICE)
    assert bindings(environment) == {
        "resource.id": Str("outlet"),
        "action.id": Str("handle_message"),
        "subject.identifier": Str(str(ALICE)),
    }
    with pytest.raises(UnboundIdentifier, match="unbound identifier: subject"):
        environment.value("subject.has_credential")


def test_a_subject_of_which_the_authority_says_nothing() -> None:
    environment = Environment().with_attributes(ALICE, None)
    assert bindings(environment) == {"subject.identifier": Str(str(ALICE)), "subject.has_credential": Bool(False)}


def test_attributes_are_texts(caplog: pytest.LogCaptureFixture) -> None:
    attributes = {b"role": b"admin", b"a key": b"", b"\xff": b"x", b"x": b"\xff"}
    with caplog.at_level(logging.WARNING, "ockam.policy"):
        environment = Environment().with_attributes(ALICE, attributes)
    assert environment.value("subject.has_credential") == Bool(True)
    assert environment.value("subject.role") == Str("admin")
    assert environment.value("subject.a key") == Str("")
    assert len(list(environment)) == 4
    assert caplog.text.count("not UTF-8") == 2


def test_no_attribute_takes_the_place_of_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    # Reference: `identifier` and `has_credential` do.
    attributes = {b"identifier": b"I" + b"00" * 32, b"has_credential": b"true", b"tenant": b"other", b"action.id": b"x"}
    base = resource_environment(OUTLET, Action.HANDLE_MESSAGE).bind("subject.tenant", Str("ours"))
    with caplog.at_level(logging.WARNING, "ockam.policy"):
        environment = base.with_attributes(ALICE, attributes)
    assert bindings(environment) == {
        "resource.id": Str("outlet"),
        "action.id": Str("handle_message"),
        "subject.tenant": Str("ours"),
        "subject.identifier": Str(str(ALICE)),
        "subject.has_credential": Bool(True),
    }
    assert caplog.text.count("that name is taken") == 4


def test_environments_do_not_change() -> None:
    empty = Environment()
    full = empty.bind("a", Bool(True))
    assert "a" not in empty
    assert "a" in full
    assert repr(full.bind("b", Str("x"))) == 'Environment(a=true, b="x")'
