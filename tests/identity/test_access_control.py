from __future__ import annotations

import inspect

import pytest

from ockam.core import (
    SECURE_CHANNEL_IDENTIFIER,
    AccessControl,
    Address,
    LocalInfo,
    LocalMessage,
    RelayMessage,
    route,
    secure_channel_info,
)
from ockam.identity import (
    CredentialAccessControl,
    Identifier,
    IdentityAnyIdAccessControl,
    IdentityIdAccessControl,
)
from ockam.storage import create_memory_repositories
from ockam.storage.memory import MemoryAttributesRepository
from tests.identity.world import World, run

ALICE, BOB = Identifier(bytes(32)), Identifier(bytes(range(32)))


def message(*local_info: LocalInfo) -> RelayMessage:
    addresses = Address.local("a"), Address.local("b")
    return RelayMessage(*addresses, LocalMessage(route("b"), route("a"), b"", local_info))


def sent_by(identifier: Identifier) -> RelayMessage:
    return message(LocalInfo("other", b"x"), secure_channel_info(identifier.value))


WITHOUT_IDENTITY = [
    message(),
    message(LocalInfo("OTHER", b"\x58\x20" + bytes(32))),
    message(LocalInfo(SECURE_CHANNEL_IDENTIFIER, b"")),
    message(LocalInfo(SECURE_CHANNEL_IDENTIFIER, b"\x54" + bytes(20))),
]


async def ask(control: AccessControl, question: RelayMessage) -> bool:
    answer = control.is_authorized(question)
    return bool(await answer) if inspect.isawaitable(answer) else bool(answer)


def test_listed_identities_pass() -> None:
    control = IdentityIdAccessControl(ALICE)
    assert control.is_authorized(sent_by(ALICE))
    assert not control.is_authorized(sent_by(BOB))
    assert not IdentityIdAccessControl().is_authorized(sent_by(ALICE))
    assert IdentityIdAccessControl(ALICE, BOB).is_authorized(sent_by(BOB))


def test_any_identity_passes() -> None:
    assert IdentityAnyIdAccessControl().is_authorized(sent_by(BOB))


@pytest.mark.parametrize("question", WITHOUT_IDENTITY)
def test_without_an_identity_nothing_passes(question: RelayMessage) -> None:
    async def main() -> None:
        identities = World().identities
        for control in (
            IdentityIdAccessControl(ALICE, BOB),
            IdentityAnyIdAccessControl(),
            CredentialAccessControl({}, ALICE, identities),
        ):
            assert not await ask(control, question)

    run(main())


class ForgetfulAttributes(MemoryAttributesRepository):
    """Has nothing in memory: every question goes to the store."""

    def remembered_attributes(self, subject: Identifier, attested_by: Identifier) -> None:
        return None

    async def attributes(self, subject: Identifier, attested_by: Identifier) -> None:
        return super().remembered_attributes(subject, attested_by)  # type: ignore[return-value]


@pytest.mark.parametrize("forgetful", [False, True])
def test_attributes_decide(forgetful: bool) -> None:
    async def main() -> None:
        repositories = create_memory_repositories()
        if forgetful:
            memory = create_memory_repositories()
            repositories = type(memory)(
                memory.change_histories,
                memory.purpose_keys,
                ForgetfulAttributes(),
                memory.credentials,
                memory.named_identities,
            )
        world = World(repositories=repositories)
        issuer, subject = [await world.identities.create_identity() for _ in range(2)]

        def control(**required: str) -> CredentialAccessControl:
            return CredentialAccessControl(required, issuer, world.identities)

        assert not await ask(control(), sent_by(subject))
        credential = await world.identities.issue_credential(issuer, subject, {"role": "sensor", "x": "1"}, 60)
        await world.identities.receive_presented_credential(subject, [issuer], credential)
        assert await ask(control(), sent_by(subject))
        assert await ask(control(role="sensor"), sent_by(subject))
        assert await ask(control(role="sensor", x="1"), sent_by(subject))
        assert not await ask(control(role="sensor", x="2"), sent_by(subject))
        assert not await ask(control(other="1"), sent_by(subject))
        assert not await ask(control(role="sensor"), sent_by(issuer))
        assert not await ask(CredentialAccessControl({}, subject, world.identities), sent_by(subject))
        world.clock.advance(60)
        assert not await ask(control(), sent_by(subject))

    run(main())
