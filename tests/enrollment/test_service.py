"""The order of the checks and their cost; what strangers get."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ockam.enrollment import x3dh
from ockam.enrollment.bucket import Rate
from ockam.enrollment.enrollee import AcceptedAnswer, RejectedAnswer
from ockam.enrollment.handling import MessageHandler, Send
from ockam.enrollment.messages import EnrollmentMessage, RejectReason
from ockam.enrollment.repository import EnrollmentOutcome, MessageLookup
from ockam.enrollment.service import Received, ServiceKeys, Silence
from ockam.identity.change_history import ChangeHistory
from ockam.identity.issuing import issue_attestation, issue_rotation
from ockam.identity.purpose_key import CredentialPurposeKey, CredentialSigning, PurposeKeyAttestationData
from ockam.testing import FixedRandom
from ockam.vault.interfaces import SigningKeyType
from tests.enrollment.model import NOW, SERVICE_KEYS, VERIFIER, signing_vault
from tests.enrollment.parties import ADMINISTRATOR, ALICE, BOB, Device, Service

_vault, (_identity_handle,) = signing_vault("service identity")
IDENTITY_VAULT = (_vault, _identity_handle)

GARBAGE = [
    b"",
    b"\x00",
    b"\xff" * 100,
    b"\x84" * 1000,
    bytes(16 * 1024 + 1),
    b"\x9b" + b"\xff" * 8,
    EnrollmentMessage(bytes(16), bytes(175), b"").encode(),
    EnrollmentMessage(bytes(15), bytes(176), b"").encode(),
    EnrollmentMessage(bytes(16), bytes(176), b"").encode() + b"\0",
    b"\x84\x02" + EnrollmentMessage(bytes(16), bytes(176), b"").encode()[2:],
]


class TestStrangers:
    def test_garbage(self) -> None:
        async def scenario() -> None:
            service = Service()
            for data in GARBAGE:
                assert await service.send(data) is Silence.MALFORMED
            unknown = EnrollmentMessage(bytes(16), bytes(176), b"").encode()
            assert await service.send(unknown) is Silence.UNKNOWN_BUNDLE
            assert service.handler.silences == {Silence.MALFORMED: len(GARBAGE), Silence.UNKNOWN_BUNDLE: 1}
            assert service.database.statistics()["writes"] == 0

        asyncio.run(scenario())

    def test_memory_is_flat(self) -> None:
        service = Service().service
        for number in range(20_000):
            service.receive(number.to_bytes(4, "big"), b"junk", NOW)
        assert service.statistics() == {"sources": 4096, "bundles": 0, "resent": 0}
        received = Received(EnrollmentMessage(bytes(16), bytes(176), b""), bytes(32), 200)
        for number in range(10_000):
            service.resend(replace(received, message_id=number.to_bytes(32, "big")), b"answer", NOW)
        assert service.statistics()["resent"] == 4096

    def test_source_bucket(self) -> None:
        async def scenario() -> None:
            service = Service(source_rate=Rate(1.0, 2.0))
            outcomes = [await service.send(b"junk", b"one") for _ in range(3)]
            assert outcomes == [Silence.MALFORMED, Silence.MALFORMED, Silence.SOURCE_TOO_FAST]
            assert await service.send(b"junk", b"two") is Silence.MALFORMED

        asyncio.run(scenario())

    def test_no_key_agreement_before_check_4(self, monkeypatch: pytest.MonkeyPatch) -> None:
        agreements = 0
        real = x3dh.service_agreement

        def counting(*arguments: Any) -> Any:
            nonlocal agreements
            agreements += 1
            return real(*arguments)

        monkeypatch.setattr(x3dh, "service_agreement", counting)

        async def scenario() -> None:
            service, device = Service(bundle_rate=Rate(1.0, 2.0)), Device("axiom")
            first, second = await service.bundles(2)
            made = await device.message(first)
            for data in (*GARBAGE, made.state.message):
                assert isinstance(await service.send(data), Silence)
            await service.approve(device.entry())
            foreign = await service.bundles(1, BOB)
            assert await service.send((await device.message(foreign[0])).state.message) is Silence.OTHER_ENROLLER
            assert agreements == 0
            message = EnrollmentMessage.decode(made.state.message)
            broken = replace(message, x3dh=message.x3dh[:-1] + b"\0").encode()
            assert await service.send(broken) is Silence.DOES_NOT_OPEN
            assert await service.send(broken) is Silence.DOES_NOT_OPEN
            assert await service.send(made.state.message) is Silence.BUNDLE_TOO_FAST
            assert agreements == 2
            service.now += 1
            assert isinstance(await service.send(made.state.message), Send)
            assert agreements == 3
            service.now += 1
            assert isinstance(await service.send(made.state.message), Send)  # the stored answer
            used = replace(EnrollmentMessage.decode((await device.message(first)).state.message)).encode()
            assert await service.send(used) is Silence.USED_BUNDLE
            assert agreements == 3
            assert second.bundle != first.bundle

        asyncio.run(scenario())

    def test_low_order_ephemeral_key(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            message = EnrollmentMessage.decode((await device.message(bundle)).state.message)
            zero = replace(message, x3dh=bytes(32) + message.x3dh[32:]).encode()
            assert await service.send(zero) is Silence.LOW_ORDER_KEY

        asyncio.run(scenario())

    def test_hash_is_compared_whole(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle)
            received = service.service.receive(b"source", made.state.message, NOW)
            assert isinstance(received, Received)
            contents = bundle.contents()
            lookup = await service.repository.lookup(contents.bundle_id, device.id, bytes(32))
            assert lookup.enrollee is not None
            wrong = replace(lookup.enrollee, record=replace(lookup.enrollee.record, id=device.id[:-1] + b"\0"))
            assert service.service.check(received, replace(lookup, enrollee=wrong), NOW) is Silence.UNKNOWN_ENROLLEE

        asyncio.run(scenario())

    def test_checks_are_numbered(self) -> None:
        assert [silence.check for silence in (Silence.MALFORMED, Silence.NOT_PENDING, Silence.FAILED)] == [1, 3, 8]


class TestWhoseBundle:
    @pytest.mark.parametrize(
        ("bundle_of", "approved_by", "accepted"),
        [
            (ALICE, ALICE, True),
            (ALICE, BOB, False),
            (ADMINISTRATOR, ALICE, True),
            (ALICE, ADMINISTRATOR, True),
            (ADMINISTRATOR, ADMINISTRATOR, True),
        ],
    )
    def test_same_enroller_or_administrator(self, bundle_of: Any, approved_by: Any, accepted: bool) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles(1, bundle_of)
            await service.approve(device.entry(), caller=approved_by)
            outcome = await service.send((await device.message(bundle)).state.message)
            assert isinstance(outcome, Send) is accepted

        asyncio.run(scenario())

    def test_expiry(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles(expires_in=100)
            await service.approve(device.entry(expires_in_seconds=50))
            message = (await device.message(bundle)).state.message
            service.now = NOW + 50
            assert await service.send(message) is Silence.NOT_PENDING
            service.now = NOW + 100
            assert await service.send(message) is Silence.EXPIRED_BUNDLE

        asyncio.run(scenario())


class TestRejects:
    def test_signature_by_another_key(self) -> None:
        async def scenario() -> None:
            service, device, thief = Service(), Device("axiom"), Device("thief")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            # The thief has the bundle but not EIK: DH1 differs, nothing opens.
            made = await thief.message(bundle)
            message = EnrollmentMessage.decode(made.state.message)
            forged = replace(message, x3dh=message.x3dh[:32] + device.id + message.x3dh[64:]).encode()
            assert await service.send(forged) is Silence.DOES_NOT_OPEN

        asyncio.run(scenario())

    def test_identity_that_is_not_cbor_or_not_sealed(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle)
            message = EnrollmentMessage.decode(made.state.message)
            for identity in (b"", message.identity[:-1], message.identity[:-1] + b"\0"):
                outcome = await service.send(replace(message, identity=identity).encode())
                assert isinstance(outcome, Send)
                assert outcome.channel is None

        asyncio.run(scenario())

    def test_proof_by_an_old_key_and_attestation_of_an_old_change(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            identity = await device.make_identity()
            assert device.handle is not None
            new = await device.vault.generate_signing_key(SigningKeyType.ED25519)
            rotated = await issue_rotation(identity, device.handle, new, NOW, NOW + 3 * 10**8, device.vault, VERIFIER)
            old_history, device.identity = device.identity, rotated
            made = await device.message(bundle)  # the proof is by the old key
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            answer = device.take(made, outcome.answer)
            assert isinstance(answer, RejectedAnswer)
            assert answer.rejected.reason == RejectReason.INVALID_IDENTITY
            device.handle = new
            made = await device.message(bundle)
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            assert isinstance(device.take(made, outcome.answer), AcceptedAnswer)
            assert old_history == identity

        asyncio.run(scenario())


class TestHandler:
    def test_service_that_rotated_since_the_bundle(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle)
            service.service.keys = await rotated_keys()
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            answer = device.take(made, outcome.answer)
            assert isinstance(answer, AcceptedAnswer)
            # The device verifies the credential against the longer history, which extends the bundle's.
            assert answer.service == service.service.keys.identity
            assert len(answer.state.service_history.changes) == 2
            # A bundle made now carries that history, so the answer does not.
            other = Device("other")
            (fresh,) = await service.bundles()
            await service.approve(other.entry())
            made = await other.message(fresh)
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            assert isinstance(other.take(made, outcome.answer), AcceptedAnswer)

        asyncio.run(scenario())

    def test_without_relays(self) -> None:
        async def scenario() -> None:
            service, device = Service(gives_relays=False), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle)
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            answer = device.take(made, outcome.answer)
            assert isinstance(answer, AcceptedAnswer)
            assert answer.state.relay_name is None
            assert answer.credential.attributes == {"enrolled": "true"}

        asyncio.run(scenario())

    def test_lost_race_for_the_same_message(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle)
            real = service.repository
            answers = iter([None, b"the other replica's answer"])

            class Racing:
                """The other replica commits between our read and our write."""

                known_identity = real.known_identity

                async def lookup(self, *arguments: bytes) -> MessageLookup:
                    return replace(await real.lookup(*arguments), answer=next(answers))

                async def enroll(self, *_: Any) -> EnrollmentOutcome:
                    return EnrollmentOutcome.LOST_RACE

            handler = MessageHandler(service.service, Racing())  # type: ignore[arg-type]
            outcome = await handler.handle(b"source", made.state.message, NOW)
            assert outcome == Send(made.state.message_id, b"the other replica's answer")

        asyncio.run(scenario())

    def test_reject_of_a_record_that_ended_meanwhile(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle, attested_key=b"\x05" * 32)

            async def gone(*_: Any) -> None:
                return None

            service.repository.store_reject = gone  # type: ignore[assignment, method-assign]
            assert await service.send(made.state.message) is Silence.LOST_RACE

        asyncio.run(scenario())

    def test_every_key_and_nonce_is_used_once(self) -> None:
        async def scenario() -> None:
            seen: set[bytes] = set()
            service = Service()
            for number in range(5):
                device = Device(f"device {number}")
                (bundle,) = await service.bundles()
                await service.approve(device.entry())
                made = await device.message(bundle)
                outcome = await service.send(made.state.message)
                assert isinstance(outcome, Send)
                message = EnrollmentMessage.decode(made.state.message)
                for value in (
                    message.ek,
                    made.state.answer_key,
                    outcome.answer[3:15],
                    made.channel.k1,
                    made.channel.k2,
                ):
                    assert value not in seen
                    seen.add(value)

        asyncio.run(scenario())


async def rotated_keys() -> ServiceKeys:
    """Return the service's keys after its identity rotated, with the credential key attested anew."""
    vault, old = IDENTITY_VAULT
    new = await vault.generate_signing_key(SigningKeyType.ED25519)
    identity = await issue_rotation(SERVICE_KEYS.identity, old, new, NOW, NOW + 3 * 10**8, vault, VERIFIER)
    handle = await vault.generate_signing_key(SigningKeyType.ED25519)
    data = PurposeKeyAttestationData(
        identity.identifier,
        identity.latest_change_hash,
        CredentialSigning(await vault.public_key(handle)),
        NOW,
        NOW + 2 * 10**8,
    )
    attestation = await issue_attestation(data, new, vault, VERIFIER)
    return ServiceKeys(
        identity, SERVICE_KEYS.enrollment_key, CredentialPurposeKey(attestation, data, handle), vault, VERIFIER
    )


def test_keys_of_the_model_are_public() -> None:
    assert isinstance(SERVICE_KEYS.identity.change_history, ChangeHistory)
    assert FixedRandom("x")(4) == FixedRandom("x")(4)
