"""The device's states: what is stored, what is forgotten, what it believes."""

import asyncio
from dataclasses import replace

import pytest

from ockam.encoding.cbor import encode_array, encode_uint
from ockam.enrollment.enrollee import (
    AcceptedAnswer,
    DeviceState,
    Enrolled,
    NewMessage,
    Offered,
    Waiting,
    begin,
    decode_state,
    retry_delay,
    start_again,
)
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.errors import AnswerNotUnderstood, InvalidField, UnusableCredential
from ockam.enrollment.handling import Send
from ockam.enrollment.issuing import issue_member_credential
from ockam.enrollment.messages import Accepted, SealedAnswer, encode_answer
from ockam.enrollment.session import seal_answer
from ockam.errors import DecodeError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.identifier import Identifier
from ockam.testing import FixedRandom
from tests.enrollment.model import NOW, SERVICE, SERVICE_KEYS, history
from tests.enrollment.parties import Device, Service


async def enrolled_device() -> tuple[Device, NewMessage, bytes]:
    """Return a device, its message and the sealed answer that accepts it."""
    service, device = Service(), Device("Robot Axiom")
    (bundle,) = await service.bundles()
    await service.approve(device.entry())
    made = await device.message(bundle)
    outcome = await service.send(made.state.message)
    assert isinstance(outcome, Send)
    return device, made, outcome.answer


def answer_of(made: NewMessage, accepted: Accepted) -> bytes:
    sealed = seal_answer(made.state.answer_key, bytes(12), made.state.message_id, encode_answer(accepted))
    return SealedAnswer(bytes(12), sealed).encode()


class TestStates:
    def test_stored_and_read_again(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            accepted = device.take(made, answer)
            assert isinstance(accepted, AcceptedAnswer)
            states: list[DeviceState] = [
                device.state,
                replace(device.state, pet_name=None, service_time=NOW),
                made.state,
                accepted.state,
            ]
            for state in (*states, replace(accepted.state, pet_name=None, relay_name=None)):
                assert decode_state(state.encode()) == state
            assert start_again(made.state) == start_again(device.state) == device.state

        asyncio.run(scenario())

    def test_secrets_are_forgotten(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            accepted = device.take(made, answer)
            assert isinstance(accepted, AcceptedAnswer)
            stored = made.state.encode()
            # The channel keys are in no state; after acceptance neither are EIK, message and answer key.
            assert made.channel.k1 not in stored
            assert made.channel.k2 not in stored
            after = accepted.state.encode()
            for secret in (device.state.eik_secret, made.state.answer_key, made.state.message):
                assert secret in stored
                assert secret not in after
            for secret in (device.state.eik_secret, made.state.answer_key, made.channel.k1):
                assert secret.hex() not in repr((device.state, made, accepted.state))
                assert repr(secret) not in repr((device.state, made, accepted.state))

        asyncio.run(scenario())

    def test_message_after_a_crash_is_the_same(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            restored = decode_state(made.state.encode())
            assert isinstance(restored, Waiting)
            assert restored.message == made.state.message
            again = device.take(replace(made, state=restored), answer)
            assert isinstance(again, AcceptedAnswer)

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            encode_array(encode_uint(9)),
            Offered(bytes(32)).encode() + b"\0",
            encode_array(encode_uint(2), encode_array(encode_uint(2), Offered(bytes(32)).encode())),
        ],
    )
    def test_altered_storage(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            decode_state(data)

    def test_waiting_inside_waiting(self) -> None:
        async def scenario() -> None:
            _, made, answer = await enrolled_device()
            inner = Waiting(made.state.offered, b"", b"", bytes(32))
            outer = encode_array(encode_uint(2), inner.encode(), b"\x40", b"\x40", b"\x58\x20" + bytes(32))
            with pytest.raises(DecodeError, match="not a stored state"):
                decode_state(outer)
            assert answer

        asyncio.run(scenario())

    def test_begin(self) -> None:
        state = begin(FixedRandom("device"), "Robot Axiom")
        assert state.offer.pet_name == "Robot Axiom"
        assert state.offer == decode_state(state.encode()).offer  # type: ignore[union-attr]
        assert not state.clock_set_aside
        assert begin(FixedRandom("other")).offer.eik != state.offer.eik
        with pytest.raises(InvalidField):
            begin(FixedRandom("other"), "a\nb")


class TestAnswers:
    def test_bytes_from_strangers_are_ignored(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            altered = [answer[:-1], answer + b"\0", answer[:-1] + bytes([answer[-1] ^ 1]), b"", b"junk"]
            altered.append(SealedAnswer(bytes(12), b"").encode())
            for data in altered:
                with pytest.raises(AnswerNotUnderstood):
                    device.take(made, data)
            not_cbor = seal_answer(made.state.answer_key, bytes(12), made.state.message_id, b"\x82\x00")
            with pytest.raises(AnswerNotUnderstood):
                device.take(made, SealedAnswer(bytes(12), not_cbor).encode())
            assert isinstance(device.take(made, answer), AcceptedAnswer)

        asyncio.run(scenario())

    def test_answer_to_another_message(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            bundle = SignedEnrollmentBundle.decode(made.state.bundle)
            other = await device.message(bundle)
            with pytest.raises(AnswerNotUnderstood):
                device.take(other, answer)

        asyncio.run(scenario())

    def test_credential_and_history_must_hold(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            good = device.take(made, answer)
            assert isinstance(good, AcceptedAnswer)
            state: Enrolled = good.state
            accepted = Accepted(state.credential, None, (), None, 60, NOW)
            assert isinstance(device.take(made, answer_of(made, accepted)), AcceptedAnswer)
            stranger = await Device("stranger").make_identity()
            foreign = await issue_member_credential(SERVICE_KEYS, stranger, {}, 60, NOW)
            wrong = [
                replace(accepted, credential=foreign),
                replace(accepted, service_time=NOW + 10**6),  # expired by the service's own time
                replace(accepted, service_history=SERVICE.change_history),  # not longer
                replace(accepted, service_history=history("enroller identity")),
                replace(accepted, service_history=ChangeHistory(SERVICE.change_history.changes * 2)),
            ]
            for bad in wrong:
                with pytest.raises(UnusableCredential):
                    device.take(made, answer_of(made, bad))

        asyncio.run(scenario())

    def test_device_without_a_clock(self) -> None:
        async def scenario() -> None:
            device, made, answer = await enrolled_device()
            device.now = 0
            accepted = device.take(made, answer)
            assert isinstance(accepted, AcceptedAnswer)
            assert accepted.state.service_time == NOW
            assert accepted.state.service == SERVICE.identifier
            assert isinstance(accepted.credential.issuer, Identifier)

        asyncio.run(scenario())


class TestRetries:
    def test_doubling_with_jitter(self) -> None:
        assert [retry_delay(attempt, 0.0) for attempt in range(7)] == [1, 2, 4, 8, 16, 30, 30]
        assert retry_delay(10_000, 0.0) == 30
        assert retry_delay(0, 1.0) == 0.75
        assert all(0.75 * 30 <= retry_delay(9, number / 10) <= 30 for number in range(11))
