import pytest

from ockam.errors import Kind, Misuse, Origin, PeerError
from ockam.secure_channel.errors import (
    AuthenticationFailed,
    HandshakeInternalError,
    MessageLengthMismatch,
    MessageTooLong,
    OwnPayloadTooLong,
    UnexpectedEvent,
    UnexpectedMessage,
)
from ockam.secure_channel.handshake import (
    Accept,
    Event,
    Initialize,
    Initiator,
    MessageReceived,
    OwnPayloadNeeded,
    PayloadReceived,
    Reject,
    Responder,
    Status,
    _present,
)
from ockam.secure_channel.noise import AES128_GCM_SHA256, AES256_GCM_SHA256, CHACHAPOLY_BLAKE2S, Suite
from ockam.vault.errors import InvalidSharedSecret
from tests.secure_channel.pair import (
    INITIATOR_EPHEMERAL,
    INITIATOR_PAYLOAD,
    INITIATOR_STATIC,
    RESPONDER_EPHEMERAL,
    RESPONDER_PAYLOAD,
    RESPONDER_STATIC,
    answer_message_1,
    answer_message_2,
    completed,
    initiator,
    key,
    responder,
    sent,
    start_initiator,
    take_message_3,
)


@pytest.mark.parametrize("suite", [AES256_GCM_SHA256, AES128_GCM_SHA256, CHACHAPOLY_BLAKE2S])
def test_both_sides_end_with_opposite_keys_and_the_same_transcript(suite: Suite) -> None:
    a, b = initiator(suite), responder(suite)
    message_2 = answer_message_1(b, start_initiator(a))
    question_for_a, message_3, keys_of_a = answer_message_2(a, message_2)
    question_for_b, keys_of_b = take_message_3(b, message_3)

    assert question_for_a == PayloadReceived(RESPONDER_PAYLOAD, key(RESPONDER_STATIC).public)
    assert question_for_b == PayloadReceived(INITIATOR_PAYLOAD, key(INITIATOR_STATIC).public)
    assert keys_of_a.encrypt_key == keys_of_b.decrypt_key
    assert keys_of_a.decrypt_key == keys_of_b.encrypt_key
    assert keys_of_a.encrypt_key != keys_of_a.decrypt_key
    assert len(keys_of_a.encrypt_key) == suite.key_size
    assert keys_of_a.h == keys_of_b.h
    assert a.status is b.status is Status.READY


def test_message_sizes() -> None:
    a, b = initiator(), responder()
    message_1 = start_initiator(a)
    message_2 = answer_message_1(b, message_1)
    _, message_3, _ = answer_message_2(a, message_2)
    assert len(message_1) == 32
    assert len(message_2) == 96 + len(RESPONDER_PAYLOAD)
    assert len(message_3) == 64 + len(INITIATOR_PAYLOAD)


def test_the_clear_payload_of_message_1_is_mixed_in_and_ignored() -> None:
    b = responder()
    b.on_event(Initialize())
    message_1 = start_initiator(initiator()) + b"in the clear"
    assert b.on_event(MessageReceived(message_1)) == (OwnPayloadNeeded(b"in the clear"),)
    # The initiator did not send it, so its h differs.
    message_2 = sent(b.on_event(Accept(RESPONDER_PAYLOAD)))
    a = initiator()
    start_initiator(a)
    with pytest.raises(AuthenticationFailed):
        a.on_event(MessageReceived(message_2))


def test_no_secret_and_no_payload_shows_in_a_repr() -> None:
    a, b = initiator(), responder()
    question, message_3, keys = answer_message_2(a, answer_message_1(b, start_initiator(a)))
    text = repr((question, keys, MessageReceived(message_3), Accept(b"payload"), OwnPayloadNeeded(b"payload")))
    assert "payload" not in text.replace("PayloadReceived", "").replace("OwnPayloadNeeded", "")
    assert repr(keys) == "TransportKeys()"


def test_keys_are_dropped_at_the_end() -> None:
    a, b = initiator(), responder()
    _, message_3, _ = answer_message_2(a, answer_message_1(b, start_initiator(a)))
    take_message_3(b, message_3)
    assert a._noise is a._trial is b._noise is b._trial is None


def test_a_handshake_without_its_noise_state_is_an_internal_error() -> None:
    with pytest.raises(HandshakeInternalError):
        _present(None)


# ---- bad messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_short_message_1_is_refused_and_the_genuine_one_taken_afterwards(size: int) -> None:
    a, b = initiator(), responder()
    b.on_event(Initialize())
    with pytest.raises(MessageLengthMismatch) as caught:
        b.on_event(MessageReceived(bytes(size)))
    assert (caught.value.origin, caught.value.kind) == (Origin.KEY_EXCHANGE, Kind.MISUSE)
    assert b.status is Status.WAITING_FOR_MESSAGE_1
    b.on_event(MessageReceived(start_initiator(a)))
    answer_message_2(a, sent(b.on_event(Accept(RESPONDER_PAYLOAD))))


@pytest.mark.parametrize("size", [0, 31, 32, 79, 80, 95])
def test_a_cut_message_2_leaves_the_initiator_waiting_for_the_genuine_one(size: int) -> None:
    a, b = initiator(), responder()
    message_2 = answer_message_1(b, start_initiator(a))
    with pytest.raises((MessageLengthMismatch, AuthenticationFailed)):
        a.on_event(MessageReceived(message_2[:size]))
    assert a.status is Status.WAITING_FOR_MESSAGE_2
    _, message_3, _ = answer_message_2(a, message_2)
    take_message_3(b, message_3)


@pytest.mark.parametrize("size", [0, 47, 48, 63])
def test_a_cut_message_3_leaves_the_responder_waiting_for_the_genuine_one(size: int) -> None:
    a, b = initiator(), responder()
    _, message_3, _ = answer_message_2(a, answer_message_1(b, start_initiator(a)))
    with pytest.raises((MessageLengthMismatch, AuthenticationFailed)):
        b.on_event(MessageReceived(message_3[:size]))
    assert b.status is Status.WAITING_FOR_MESSAGE_3
    take_message_3(b, message_3)


def test_a_message_of_more_than_65535_bytes_is_refused() -> None:
    b = responder()
    b.on_event(Initialize())
    with pytest.raises(MessageTooLong) as caught:
        b.on_event(MessageReceived(bytes(65536)))
    assert (caught.value.origin, caught.value.kind) == (Origin.KEY_EXCHANGE, Kind.INVALID)
    assert b.on_event(MessageReceived(b"\x09" + bytes(65534))) != ()


def test_the_longest_own_payloads_fit_and_one_byte_more_does_not() -> None:
    a, b = initiator(), responder()
    b.on_event(Initialize())
    b.on_event(MessageReceived(start_initiator(a)))
    with pytest.raises(OwnPayloadTooLong):
        b.on_event(Accept(bytes(65535 - 96 + 1)))
    assert b.status is Status.WAITING_FOR_OWN_PAYLOAD
    message_2 = sent(b.on_event(Accept(bytes(65535 - 96))))

    a.on_event(MessageReceived(message_2))
    with pytest.raises(OwnPayloadTooLong):
        a.on_event(Accept(bytes(65535 - 64 + 1)))
    assert a.status is Status.WAITING_FOR_VERDICT
    actions = a.on_event(Accept(bytes(65535 - 64)))
    assert take_message_3(b, sent(actions))[1].decrypt_key == completed(actions).encrypt_key


LOW_ORDER_POINTS = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
def test_an_ephemeral_key_of_small_order_fails_the_handshake(point: bytes) -> None:
    b = responder()
    b.on_event(Initialize())
    b.on_event(MessageReceived(point))
    with pytest.raises(InvalidSharedSecret):
        b.on_event(Accept(RESPONDER_PAYLOAD))
    b.on_event(Reject())
    a = initiator()
    b.on_event(MessageReceived(start_initiator(a)))
    answer_message_2(a, sent(b.on_event(Accept(RESPONDER_PAYLOAD))))

    a = initiator()
    start_initiator(a)
    with pytest.raises(InvalidSharedSecret):
        a.on_event(MessageReceived(point + bytes(64)))


def test_a_peer_of_another_suite_fails_at_message_2() -> None:
    a, b = initiator(AES256_GCM_SHA256), responder(AES128_GCM_SHA256)
    with pytest.raises(AuthenticationFailed):
        a.on_event(MessageReceived(answer_message_1(b, start_initiator(a))))


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_a_rejected_responder_gets_no_message_3_and_another_one_may_still_answer() -> None:
    a, b = initiator(), responder()
    message_1 = start_initiator(a)
    stranger = Responder(key(b"\x77" * 32), lambda: key(b"\x78" * 32))
    a.on_event(MessageReceived(answer_message_1(stranger, message_1)))
    assert a.on_event(Reject(AuthenticationFailed())) == ()
    assert a.status is Status.WAITING_FOR_MESSAGE_2
    question, _, _ = answer_message_2(a, answer_message_1(b, message_1))
    assert question.static_key == key(RESPONDER_STATIC).public


def test_a_rejected_initiator_leaves_the_responder_waiting_for_message_3() -> None:
    a, b = initiator(), responder()
    _, message_3, _ = answer_message_2(a, answer_message_1(b, start_initiator(a)))
    b.on_event(MessageReceived(message_3))
    assert b.on_event(Reject()) == ()
    assert b.status is Status.WAITING_FOR_MESSAGE_3
    take_message_3(b, message_3)


def test_a_responder_without_a_payload_goes_back_to_message_1() -> None:
    a, b = initiator(), responder()
    b.on_event(Initialize())
    b.on_event(MessageReceived(start_initiator(a)))
    assert b.on_event(Reject()) == ()
    assert b.status is Status.WAITING_FOR_MESSAGE_1


# ---- events out of order ---------------------------------------------------------------------------------------------


def advance_initiator(status: Status) -> Initiator:
    a, b = initiator(), responder()
    if status is not Status.INITIAL:
        message_1 = start_initiator(a)
        if status is not Status.WAITING_FOR_MESSAGE_2:
            a.on_event(MessageReceived(answer_message_1(b, message_1)))
            if status is Status.READY:
                a.on_event(Accept(INITIATOR_PAYLOAD))
    assert a.status is status
    return a


def advance_responder(status: Status) -> Responder:
    a, b = initiator(), responder()
    message_1 = start_initiator(a)
    # Everything is fixed, so another responder gives the same message 2.
    _, message_3, _ = answer_message_2(a, answer_message_1(responder(), message_1))
    events: list[Event] = [
        Initialize(),
        MessageReceived(message_1),
        Accept(RESPONDER_PAYLOAD),
        MessageReceived(message_3),
        Accept(),
    ]
    for event in events:
        if b.status is status:
            break
        b.on_event(event)
    assert b.status is status
    return b


MESSAGE, ACCEPT = MessageReceived(bytes(200)), Accept(b"p")
VERDICTS = [ACCEPT, Reject()]


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (Status.INITIAL, [MESSAGE, *VERDICTS]),
        (Status.WAITING_FOR_MESSAGE_2, [Initialize(), *VERDICTS]),
        (Status.WAITING_FOR_VERDICT, [Initialize(), MESSAGE]),
        (Status.READY, [Initialize(), MESSAGE, *VERDICTS]),
    ],
)
def test_the_initiator_refuses_events_out_of_order(status: Status, events: list[Event]) -> None:
    core = advance_initiator(status)
    for event in events:
        check_refusal(core, event)
        assert core.status is status


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (Status.INITIAL, [MESSAGE, *VERDICTS]),
        (Status.WAITING_FOR_MESSAGE_1, [Initialize(), *VERDICTS]),
        (Status.WAITING_FOR_OWN_PAYLOAD, [Initialize(), MESSAGE]),
        (Status.WAITING_FOR_MESSAGE_3, [Initialize(), *VERDICTS]),
        (Status.WAITING_FOR_VERDICT, [Initialize(), MESSAGE]),
        (Status.READY, [Initialize(), MESSAGE, *VERDICTS]),
    ],
)
def test_the_responder_refuses_events_out_of_order(status: Status, events: list[Event]) -> None:
    core = advance_responder(status)
    for event in events:
        check_refusal(core, event)
        assert core.status is status


def check_refusal(core: Initiator | Responder, event: Event) -> None:
    """A message out of order is the peer's fault, anything else ours."""
    if isinstance(event, MessageReceived):
        with pytest.raises(UnexpectedMessage) as from_peer:
            core.on_event(event)
        assert isinstance(from_peer.value, PeerError)
    else:
        with pytest.raises(UnexpectedEvent) as from_us:
            core.on_event(event)
        assert isinstance(from_us.value, Misuse)


def test_fixed_ephemeral_keys_are_what_is_sent() -> None:
    a, b = initiator(), responder()
    message_1 = start_initiator(a)
    assert message_1 == key(INITIATOR_EPHEMERAL).public.value
    assert answer_message_1(b, message_1)[:32] == key(RESPONDER_EPHEMERAL).public.value
