"""Secure channels under a hostile network, without one: what is lost, late, doubled, changed or made up."""

from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ockam.core.address import Address
from ockam.core.route import Route
from ockam.errors import DecodeError, Misuse, PeerError
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.errors import AuthenticationFailed
from ockam.secure_channel.handshake import (
    Accept,
    Completed,
    Event,
    Initialize,
    Initiator,
    MessageReceived,
    Reject,
    Responder,
    Status,
)
from ockam.secure_channel.messages import Payload, PayloadReader, decode_message, encode_payload
from tests.secure_channel.pair import (
    answer_message_1,
    answer_message_2,
    initiator,
    responder,
    start_initiator,
    take_message_3,
)

# ---- transport: the decryptor against the rule of the specification --------------------------------------------------

KEY = bytes(range(32))
FRAMES = 400


@cache
def sealed() -> tuple[bytes, ...]:
    encryptor = Encryptor(KEY)
    return tuple(encryptor.seal(b"message %d" % nonce) for nonce in range(FRAMES))


def forge(frame: bytes, position: int) -> bytes:
    """Flip one bit behind the nonce."""
    bit = 64 + position % (8 * (len(frame) - 8))
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class Oracle:
    """The receiving rule, written as sets instead of bits."""

    def __init__(self) -> None:
        self.accepted: set[int] = set()

    @property
    def top(self) -> int:
        return max(self.accepted, default=0)

    @property
    def bucket(self) -> int:
        return self.top // 32

    def takes(self, nonce: int) -> bool:
        near = abs(nonce - self.top) <= 32
        has_key = self.bucket - 1 <= nonce // 32 <= self.bucket + 1
        return near and has_key and nonce not in self.accepted


# Steps relative to the highest nonce so far, so that long walks stay interesting; and whether the frame is forged.
STEPS = st.lists(st.tuples(st.integers(-40, 40), st.none() | st.integers(0, 10_000)), max_size=120)


@given(STEPS)
def test_the_decryptor_takes_exactly_what_the_rule_takes(steps: list[tuple[int, int | None]]) -> None:
    decryptor, oracle = Decryptor(KEY), Oracle()
    for step, forged_at in steps:
        nonce = min(max(oracle.top + step, 0), FRAMES - 1)
        frame = sealed()[nonce]
        if forged_at is not None:
            with pytest.raises(PeerError):
                decryptor.open(forge(frame, forged_at))
        elif oracle.takes(nonce):
            assert decryptor.open(frame) == (nonce, b"message %d" % nonce)
            oracle.accepted.add(nonce)
        else:
            with pytest.raises(PeerError):
                decryptor.open(frame)
        assert (decryptor.top, decryptor.rekeys) == (oracle.top, oracle.bucket)


@given(st.randoms(use_true_random=False), st.integers(0, 30), st.integers(0, 3))
def test_reordering_within_half_a_window_loses_nothing(random: Random, lost: int, copies: int) -> None:
    decryptor = Decryptor(KEY)
    received = set()
    for start in range(0, FRAMES, 16):
        block = [nonce for nonce in range(start, start + 16) for _ in range(copies + 1)]
        random.shuffle(block)
        for nonce in block:
            if nonce % 31 == lost:
                continue
            try:
                assert decryptor.open(sealed()[nonce])[1] == b"message %d" % nonce
            except PeerError:
                assert nonce in received
            received.add(nonce)
    assert received == {nonce for nonce in range(FRAMES) if nonce % 31 != lost}


@given(st.binary(max_size=64))
def test_made_up_frames_never_open_and_leave_no_trace(frame: bytes) -> None:
    decryptor = Decryptor(KEY)
    for start in (b"", bytes(7), bytes(8)):
        with pytest.raises(PeerError):
            decryptor.open(start + frame)
    assert decryptor.open(sealed()[0])[0] == 0


@pytest.mark.parametrize("first", range(0, 320, 32))
def test_a_forged_frame_at_a_buckets_first_nonce_does_not_harm_the_genuine_one(first: int) -> None:
    decryptor = Decryptor(KEY)
    for nonce in range(first):
        decryptor.open(sealed()[nonce])
    for bit in range(8 * (len(sealed()[first]) - 8)):
        with pytest.raises(AuthenticationFailed):
            decryptor.open(forge(sealed()[first], bit))
    assert decryptor.open(sealed()[first])[0] == first


@given(st.lists(st.binary(max_size=200), max_size=70), st.booleans())
def test_what_is_sealed_opens(plaintexts: list[bytes], in_place: bool) -> None:
    encryptor, decryptor = Encryptor(KEY), Decryptor(KEY)
    for nonce, plaintext in enumerate(plaintexts):
        if in_place:
            buffer = bytearray(8) + plaintext + bytes(16)
            encryptor.seal_into(buffer, 0, len(buffer))
            opened, text = decryptor.open_in_place(memoryview(buffer))
            assert (opened, bytes(text)) == (nonce, plaintext)
        else:
            assert decryptor.open(encryptor.seal(plaintext)) == (nonce, plaintext)


# ---- handshake: only the three genuine messages complete it ----------------------------------------------------------


@cache
def messages() -> tuple[bytes, bytes, bytes]:
    a, b = initiator(), responder()
    message_1 = start_initiator(a)
    message_2 = answer_message_1(b, message_1)
    _, message_3, _ = answer_message_2(a, message_2)
    return message_1, message_2, message_3


def waiting_initiator() -> Initiator:
    core = initiator()
    start_initiator(core)
    return core


def waiting_responder() -> Responder:
    core = responder()
    answer_message_1(core, messages()[0])
    return core


def flipped(message: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(message)):
        changed = bytearray(message)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_no_bit_of_message_1_can_be_changed() -> None:
    a = waiting_initiator()
    for changed in flipped(messages()[0]):
        try:
            message_2 = answer_message_1(responder(), changed)
        except PeerError:
            continue
        with pytest.raises(PeerError):
            a.on_event(MessageReceived(message_2))
    answer_message_2(a, messages()[1])


def test_no_bit_of_message_2_can_be_changed() -> None:
    a = waiting_initiator()
    for changed in flipped(messages()[1]):
        with pytest.raises(PeerError):
            a.on_event(MessageReceived(changed))
        assert a.status is Status.WAITING_FOR_MESSAGE_2
    assert answer_message_2(a, messages()[1])[1] == messages()[2]


def test_no_bit_of_message_3_can_be_changed() -> None:
    b = waiting_responder()
    for changed in flipped(messages()[2]):
        with pytest.raises(PeerError):
            b.on_event(MessageReceived(changed))
        assert b.status is Status.WAITING_FOR_MESSAGE_3
    take_message_3(b, messages()[2])


@pytest.mark.parametrize("number", [1, 2])
def test_cut_and_extended_messages(number: int) -> None:
    genuine = messages()[number]
    core = waiting_initiator() if number == 1 else waiting_responder()
    for changed in [*(genuine[:size] for size in range(len(genuine))), genuine + b"\0", genuine * 2]:
        with pytest.raises(PeerError):
            core.on_event(MessageReceived(changed))
    assert core.on_event(MessageReceived(genuine)) != ()


def test_swapped_and_repeated_messages() -> None:
    message_1, message_2, message_3 = messages()
    a, b = waiting_initiator(), waiting_responder()
    for wrong in (message_1, message_3):
        with pytest.raises(PeerError):
            a.on_event(MessageReceived(wrong))
    for wrong in (message_1, message_2):
        with pytest.raises(PeerError):
            b.on_event(MessageReceived(wrong))
    answer_message_2(a, message_2)
    take_message_3(b, message_3)
    for core, message in ((a, message_2), (b, message_3), (b, message_1)):
        with pytest.raises(PeerError):
            core.on_event(MessageReceived(message))


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_garbage_never_completes_a_handshake(garbage: list[bytes]) -> None:
    a, b = waiting_initiator(), waiting_responder()
    for data in garbage:
        for core in (a, b):
            with pytest.raises(PeerError):
                core.on_event(MessageReceived(data))
    answer_message_2(a, messages()[1])
    take_message_3(b, messages()[2])


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Initialize()),
    st.sampled_from([Accept(b"own"), Accept(), Reject()]),
    st.builds(
        MessageReceived, st.sampled_from([0, 1, 2]).map(lambda index: messages()[index]) | st.binary(max_size=150)
    ),
)


@given(st.lists(EVENTS, max_size=15))
def test_no_order_of_events_breaks_a_handshake(events: list[Event]) -> None:
    for core in (initiator(), responder()):
        finished = 0
        for event in events:
            try:
                actions = core.on_event(event)
            except (PeerError, Misuse):
                continue
            finished += any(isinstance(action, Completed) for action in actions)
            # Only a verdict completes.
            assert not finished or core.status is Status.READY
        assert finished <= 1


# ---- messages: the reader with a memory against the decoder without one ----------------------------------------------

NAMES = st.sampled_from([b"", b"a", b"echoer", b"n" * 23, b"n" * 24, b"n" * 32, b"m" * 32, b"n" * 300])
ADDRESSES = st.builds(Address, st.sampled_from([0, 1, 23, 24, 255]), NAMES)
ROUTES = st.lists(ADDRESSES, max_size=3).map(Route)
PAYLOADS = st.builds(encode_payload, ROUTES, ROUTES, st.binary(max_size=300))
ENCRYPTOR = Address.local("encryptor")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    plaintext = bytearray(draw(PAYLOADS))
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(plaintext) - 1))
        plaintext[position] = draw(st.integers(0, 255))
    return bytes(plaintext[: draw(st.integers(0, len(plaintext)))] if draw(st.booleans()) else plaintext)


@given(st.lists(PAYLOADS | damaged() | st.binary(max_size=40), max_size=20))
def test_the_reader_is_the_decoder(plaintexts: list[bytes]) -> None:
    reader = PayloadReader(ENCRYPTOR)
    for plaintext in plaintexts:
        for read in (reader.read, lambda data: reader.read_in_place(memoryview(data))):
            try:
                expected = decode_message(plaintext)
            except DecodeError:
                with pytest.raises(DecodeError):
                    read(plaintext)
                continue
            result = read(plaintext)
            if isinstance(expected, Payload):
                assert isinstance(result, tuple)
                assert result[0] == expected.onward_route
                assert result[1] == Route((ENCRYPTOR, *expected.return_route.addresses))
                assert bytes(result[2]) == expected.payload
            else:
                assert result == expected


@given(ROUTES, ROUTES, st.binary(max_size=5000))
def test_payload_round_trip(onward: Route, back: Route, payload: bytes) -> None:
    encoded = encode_payload(onward, back, payload)
    assert decode_message(encoded) == Payload(onward, back, payload)
    assert decode_message(encoded).encode() == encoded
