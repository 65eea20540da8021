from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

import pytest

from ockam.core import (
    ALLOW_ALL,
    SECURE_CHANNEL_IDENTIFIER,
    AccessControl,
    Address,
    LocalInfo,
    LocalMessage,
    RelayMessage,
    Route,
    route,
    secure_channel_info,
)
from ockam.identity import AttributesEntry, Identifier
from ockam.policy import (
    HAS_CHANNEL,
    HAS_CREDENTIAL,
    Abac,
    Action,
    CachedAccessControl,
    ExpressionAccessControl,
    IncomingPolicyAccessControl,
    OutgoingPolicyAccessControl,
    Policies,
    PolicyAccessControl,
    Resource,
    ResourceAccessControls,
    ResourceType,
    Str,
    UnstorablePolicy,
    attribute_is,
    create_access_controls,
    outgoing_identifier,
    parse_expression,
)
from ockam.storage.errors import DatabaseDamaged
from ockam.storage.memory_policy import create_memory_policy_repositories
from ockam.testing import FixedClock
from tests.identity.world import T0, World, run

if TYPE_CHECKING:
    from collections.abc import Mapping

ALICE, BOB, AUTHORITY = (Identifier(bytes([number]) * 32) for number in (1, 2, 3))
OUTLET = Resource("outlet", ResourceType.TCP_OUTLET)
CHANNEL = Address.local("channel")


def message(*local_info: LocalInfo, payload: bytes = b"", onward: Route | None = None) -> RelayMessage:
    addresses = Address.local("a"), Address.local("outlet")
    return RelayMessage(*addresses, LocalMessage(onward or route("outlet"), route("a"), payload, local_info))


def sent_by(identifier: Identifier, payload: bytes = b"") -> RelayMessage:
    return message(LocalInfo("other", b"x"), secure_channel_info(identifier.value), payload=payload)


def sent_to(*hops: Address | str) -> RelayMessage:
    return message(onward=route(*hops))


async def ask(control: AccessControl, question: RelayMessage) -> bool:
    answer = control.is_authorized(question)
    return bool(await answer) if inspect.isawaitable(answer) else bool(answer)


def terminal(onward: Route) -> Mapping[str, str] | None:
    """Channels to Alice, and a TCP connection."""
    for address in onward.addresses:
        if address == CHANNEL:
            return {SECURE_CHANNEL_IDENTIFIER: ALICE.value.hex()}
        if address == Address.local("tcp"):
            return {}
    return None


class Setting:
    """A node's identities and policies; Alice has a credential of the authority, Bob none."""

    def __init__(self) -> None:
        self.world = World()
        self.policies = Policies(create_memory_policy_repositories())
        self.clock = FixedClock(0)

    async def attest(
        self, subject: Identifier, attributes: dict[bytes, bytes], authority: Identifier = AUTHORITY
    ) -> None:
        entry = AttributesEntry(attributes, T0, T0 + 60, authority)
        await self.world.repositories.attributes.put_attributes(subject, entry)

    async def controls(
        self, policy: str | None = None, authority: Identifier | None = AUTHORITY
    ) -> ResourceAccessControls:
        return await create_access_controls(
            self.policies,
            self.world.identities,
            OUTLET,
            authority=authority,
            expression=None if policy is None else parse_expression(policy),
            terminal_attributes=terminal,
            clock=self.clock,
        )


def test_incoming_messages() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(ALICE, {b"role": b"admin"})
        controls = await setting.controls('(and (= subject.role "admin") (= resource.id "outlet"))')
        assert await ask(controls.incoming, sent_by(ALICE))
        assert not await ask(controls.incoming, sent_by(BOB))
        assert not await ask(controls.incoming, message())
        assert not await ask(controls.incoming, message(LocalInfo(SECURE_CHANNEL_IDENTIFIER, b"\x54" + bytes(20))))

    run(main())


def test_outgoing_messages() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(ALICE, {})
        controls = await setting.controls("= subject.has_credential true")
        assert await ask(controls.outgoing, sent_to(CHANNEL, "x"))
        assert await ask(controls.outgoing, sent_to("hop", CHANNEL))
        assert not await ask(controls.outgoing, sent_to("tcp", CHANNEL))
        assert not await ask(controls.outgoing, sent_to("hop"))

    run(main())


@pytest.mark.parametrize("text", ["", "00", "I" + "00" * 32, "zz" * 32, "00" * 33])
def test_malformed_identifiers_of_channels_are_nobody(text: str) -> None:
    assert outgoing_identifier({SECURE_CHANNEL_IDENTIFIER: text}) is None


def test_a_forged_attribute_changes_nobody() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(BOB, {b"identifier": str(ALICE).encode(), b"has_credential": b"x"})
        controls = await setting.controls(f'(= subject.identifier "{ALICE}")')
        assert not await ask(controls.incoming, sent_by(BOB))
        assert await ask(controls.incoming, sent_by(ALICE))
        controls = await setting.controls("(= subject.has_credential true)")
        assert await ask(controls.incoming, sent_by(BOB))

    run(main())


def test_the_word_of_another_authority_and_an_expired_one_do_not_count() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(ALICE, {b"role": b"admin"}, authority=BOB)
        controls = await setting.controls("(= subject.has_credential true)")
        assert not await ask(controls.incoming, sent_by(ALICE))
        await setting.attest(ALICE, {b"role": b"admin"})
        assert await ask(controls.incoming, sent_by(ALICE))
        setting.world.clock.advance(60)
        setting.clock.advance(1)
        assert not await ask(controls.incoming, sent_by(ALICE))

    run(main())


@pytest.mark.parametrize(
    "policy", ["(= subject.role 1)", "(and subject.identifier)", "(and (wat))", "(= subject.nobody 1)"]
)
def test_errors_and_other_values_deny(policy: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(ALICE, {b"role": b"admin"})
        controls = await setting.controls(policy)
        assert not await ask(controls.incoming, sent_by(ALICE))

    with caplog.at_level(logging.WARNING, "ockam.policy"):
        run(main())
    assert "is denied" in caplog.text


def test_the_name_comes_before_the_type_and_nothing_is_a_no() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(ALICE, {})
        policies = setting.policies
        control = PolicyAccessControl(policies, Abac(setting.world.identities, AUTHORITY), OUTLET)
        assert await policies.expression(OUTLET) is None
        assert not await control.is_identity_authorized(ALICE)
        assert str(await control.explain(ALICE)) == "denied: there is no policy for this resource"
        await policies.store_defaults()
        assert await policies.expression(OUTLET) == HAS_CREDENTIAL
        assert await control.is_identity_authorized(ALICE)
        assert not await control.is_identity_authorized(BOB)
        await policies.store("outlet", parse_expression("(or)"))
        assert not await control.is_identity_authorized(ALICE)
        assert str(await control.explain(ALICE)) == "denied: (or)\n  (or) is false"
        await policies.delete("outlet")
        assert await control.is_identity_authorized(ALICE)
        await policies.delete(ResourceType.TCP_OUTLET)
        assert not await control.is_identity_authorized(ALICE)
        assert len(await policies.repositories.resource_type_policies.policies()) == len(ResourceType) - 1

    run(main())


def test_defaults_replace_policies_of_types_only() -> None:
    async def main() -> None:
        policies = Setting().policies
        await policies.store(ResourceType.RELAY, parse_expression("(and)"))
        await policies.store("relay1", parse_expression("(and)"))
        await policies.store_defaults()
        assert await policies.expression(Resource("other", ResourceType.RELAY)) == HAS_CREDENTIAL
        assert await policies.expression(Resource("relay1", ResourceType.RELAY)) == parse_expression("(and)")

    run(main())


def test_a_deleted_resource_has_no_policy() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.controls("(and)")
        assert await setting.policies.repositories.resources.resource("outlet") == OUTLET
        await setting.policies.delete_resource("outlet")
        assert await setting.policies.repositories.resources.resource("outlet") is None
        assert await setting.policies.expression(OUTLET) is None

    run(main())


def test_without_authority_and_policy_everybody_may(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        setting = Setting()
        controls = await setting.controls(None, authority=None)
        assert controls == ResourceAccessControls(ALLOW_ALL, ALLOW_ALL)
        # A policy of its own closes it, and without an authority nobody has a credential.
        controls = await setting.controls(f'(= subject.identifier "{BOB}")', authority=None)
        assert await ask(controls.incoming, sent_by(BOB))
        assert not await ask(controls.incoming, sent_by(ALICE))
        controls = await setting.controls("(= subject.has_credential false)", authority=None)
        assert not await ask(controls.incoming, sent_by(BOB))
        # An authority closes it too.
        closed = await Setting().controls(None)
        assert not await ask(closed.incoming, sent_by(BOB))

    run(main())
    assert "open to everybody" in caplog.text


def test_a_policy_that_cannot_be_stored_protects_nothing() -> None:
    async def main() -> None:
        with pytest.raises(UnstorablePolicy):
            await Setting().policies.store("outlet", HAS_CHANNEL)

    run(main())


def test_fixed_expressions() -> None:
    async def main() -> None:
        setting = Setting()
        await setting.attest(ALICE, {b"role": b"admin"})
        abac = Abac(setting.world.identities, AUTHORITY)
        admins = IncomingPolicyAccessControl(ExpressionAccessControl(attribute_is("role", "admin"), abac))
        assert await ask(admins, sent_by(ALICE))
        assert not await ask(admins, sent_by(BOB))
        # Reference: check_credential_only, which does not check one.
        anybody = ExpressionAccessControl(HAS_CHANNEL, abac)
        assert await ask(IncomingPolicyAccessControl(anybody), sent_by(BOB))
        assert not await ask(IncomingPolicyAccessControl(anybody), message())
        assert await ask(OutgoingPolicyAccessControl(anybody, terminal), sent_to(CHANNEL))
        assert not await abac.is_authorized(ALICE, Str("true"))

    run(main())


def test_policies_that_cannot_be_read_deny(caplog: pytest.LogCaptureFixture) -> None:
    class Damaged(Policies):
        async def expression(self, resource: Resource, action: Action = Action.HANDLE_MESSAGE) -> None:
            raise DatabaseDamaged(f"{resource.name} {action.text}")

    async def main() -> None:
        policies = Damaged(create_memory_policy_repositories())
        control = PolicyAccessControl(policies, Abac(World().identities, None), OUTLET)
        assert not await control.is_identity_authorized(ALICE)

    run(main())
    assert "the policy of outlet cannot be read: outlet handle_message" in caplog.text


class Counting:
    """Says what it is told to, and counts."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.asked = 0

    def is_authorized(self, _: RelayMessage) -> bool:
        self.asked += 1
        return self.answer


def test_a_yes_is_remembered_for_a_second() -> None:
    async def main() -> None:
        counting, clock = Counting(), FixedClock(100)
        control = CachedAccessControl(counting, clock)
        assert await ask(control, sent_by(ALICE, b"1"))
        assert control.is_authorized(sent_by(ALICE, b"2")) is True
        assert counting.asked == 1
        clock.advance(1)
        assert await ask(control, sent_by(ALICE))
        assert counting.asked == 2
        clock.advance(-1)  # a clock that goes back does not make it last
        assert await ask(control, sent_by(ALICE))
        assert counting.asked == 3
        control.forget()
        assert await ask(control, sent_by(ALICE))
        assert counting.asked == 4

    run(main())


def test_everything_but_the_payload_is_looked_at() -> None:
    async def main() -> None:
        counting = Counting()
        control = CachedAccessControl(counting, FixedClock(0))
        base = sent_by(ALICE)
        a, local = Address.local("other"), base.message
        questions = [
            base,
            RelayMessage(a, base.destination, local),
            RelayMessage(base.source, a, local),
            RelayMessage(
                base.source, base.destination, LocalMessage(route("x"), local.return_route, b"", local.local_info)
            ),
            RelayMessage(
                base.source, base.destination, LocalMessage(local.onward_route, route("x"), b"", local.local_info)
            ),
            sent_by(BOB),
            message(),
        ]
        for asked, question in enumerate(questions, 1):
            assert await ask(control, question)
            assert counting.asked == asked
        for question in questions:
            assert control.is_authorized(question) is True

    run(main())


def test_ten_are_remembered() -> None:
    async def main() -> None:
        counting = Counting()
        control = CachedAccessControl(counting, FixedClock(0))
        questions = [sent_by(Identifier(bytes([number]) * 32)) for number in range(11)]
        for question in questions:
            assert await ask(control, question)
        assert control.is_authorized(questions[10]) is True
        assert control.is_authorized(questions[1]) is True
        assert await ask(control, questions[0])
        assert counting.asked == 12

    run(main())


def test_a_no_is_not_remembered() -> None:
    async def main() -> None:
        counting = Counting(answer=False)
        control = CachedAccessControl(counting, FixedClock(0))
        assert not await ask(control, message())
        counting.answer = True
        assert await ask(control, message())

    run(main())


def test_questions_asked_at_once_are_one_entry() -> None:
    async def main() -> None:
        counting = Counting()
        control = CachedAccessControl(counting, FixedClock(0))
        first, second = control.is_authorized(message()), control.is_authorized(message())
        assert inspect.isawaitable(first)
        assert inspect.isawaitable(second)
        assert await first
        assert await second
        assert counting.asked == 2

    run(main())
