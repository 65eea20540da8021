"""Two handshake cores joined by bytes, with fixed keys and no network."""

from collections.abc import Callable

from ockam.secure_channel.handshake import (
    Accept,
    Action,
    Completed,
    Initialize,
    Initiator,
    MessageReceived,
    OwnPayloadNeeded,
    PayloadReceived,
    Responder,
    SendMessage,
    TransportKeys,
)
from ockam.secure_channel.noise import AES256_GCM_SHA256, Suite
from ockam.vault.interfaces import DiffieHellmanKey
from ockam.vault.software.secure_channel import SoftwareDiffieHellmanKey

INITIATOR_STATIC = bytes(range(32))
INITIATOR_EPHEMERAL = bytes(range(0x20, 0x40))
RESPONDER_STATIC = bytes(range(1, 33))
RESPONDER_EPHEMERAL = bytes(range(0x41, 0x61))

INITIATOR_PAYLOAD = b"initiator payload"
RESPONDER_PAYLOAD = b"responder payload"


def key(secret: bytes) -> DiffieHellmanKey:
    return SoftwareDiffieHellmanKey(secret)


def once(secret: bytes) -> Callable[[], DiffieHellmanKey]:
    """A source of ephemeral keys that always makes this one."""
    return lambda: SoftwareDiffieHellmanKey(secret)


def initiator(suite: Suite = AES256_GCM_SHA256) -> Initiator:
    return Initiator(key(INITIATOR_STATIC), once(INITIATOR_EPHEMERAL), suite)


def responder(suite: Suite = AES256_GCM_SHA256) -> Responder:
    return Responder(key(RESPONDER_STATIC), once(RESPONDER_EPHEMERAL), suite)


def sent(actions: tuple[Action, ...]) -> bytes:
    """The message that the first action sends."""
    assert isinstance(actions[0], SendMessage)
    return actions[0].data


def completed(actions: tuple[Action, ...]) -> TransportKeys:
    """The keys that the last action brings."""
    assert isinstance(actions[-1], Completed)
    return actions[-1].keys


def start_initiator(core: Initiator) -> bytes:
    """Initialize and return message 1."""
    return sent(core.on_event(Initialize()))


def answer_message_1(core: Responder, message_1: bytes, payload: bytes = RESPONDER_PAYLOAD) -> bytes:
    """Initialize, receive message 1 and return message 2."""
    core.on_event(Initialize())
    (needed,) = core.on_event(MessageReceived(message_1))
    assert isinstance(needed, OwnPayloadNeeded)
    return sent(core.on_event(Accept(payload)))


def answer_message_2(
    core: Initiator, message_2: bytes, payload: bytes = INITIATOR_PAYLOAD
) -> tuple[PayloadReceived, bytes, TransportKeys]:
    """Receive message 2, accept it and return the question, message 3 and the keys."""
    (question,) = core.on_event(MessageReceived(message_2))
    assert isinstance(question, PayloadReceived)
    actions = core.on_event(Accept(payload))
    return question, sent(actions), completed(actions)


def take_message_3(core: Responder, message_3: bytes) -> tuple[PayloadReceived, TransportKeys]:
    """Receive message 3, accept it and return the question and the keys."""
    (question,) = core.on_event(MessageReceived(message_3))
    assert isinstance(question, PayloadReceived)
    return question, completed(core.on_event(Accept()))
