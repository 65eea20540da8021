"""The handshake of a secure channel as two state machines, without I/O.

    Initiator                                         Responder
      INITIAL                                           INITIAL
        | Initialize / SendMessage(1)                     | Initialize
      WAITING_FOR_MESSAGE_2                             WAITING_FOR_MESSAGE_1
        | MessageReceived / PayloadReceived               | MessageReceived / OwnPayloadNeeded
      WAITING_FOR_VERDICT  -- Reject --> back up        WAITING_FOR_OWN_PAYLOAD  -- Reject --> back up
        | Accept(own payload)                             | Accept(own payload) / SendMessage(2)
        |   / SendMessage(3), Completed                   |
        |                                               WAITING_FOR_MESSAGE_3
        |                                                 | MessageReceived / PayloadReceived
        |                                               WAITING_FOR_VERDICT  -- Reject --> back up
        |                                                 | Accept() / Completed
      READY                                             READY

Who the peer is, and whether it is trusted, is not decided here: `PayloadReceived` asks, `Accept` or `Reject` answers.

A message that fails changes nothing, so the genuine one is still accepted afterwards. Nothing is ever said to the peer
about a failure; the initiator notices it by its timeout, which is the business of the worker.

The initiator is `READY` when it has sent message 3, whether or not the responder accepts it.

Reference: it discards ck with the first DH of a message, so there a bad message 2 or 3 ends the attempt. Working on a
copy looks the same on the wire.

Source: protocols/secure-channels.md "Handshake"; reference handshake/initiator_state_machine.rs and
responder_state_machine.rs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from ockam.errors import OckamError
from ockam.secure_channel.errors import HandshakeInternalError, UnexpectedEvent, UnexpectedMessage
from ockam.secure_channel.noise import AES256_GCM_SHA256, HandshakeState, Role, Suite
from ockam.vault.interfaces import DiffieHellmanKey
from ockam.vault.keys import X25519PublicKey

__all__ = [
    "Accept",
    "Action",
    "Completed",
    "Event",
    "Initialize",
    "Initiator",
    "MessageReceived",
    "OwnPayloadNeeded",
    "PayloadReceived",
    "Reject",
    "Responder",
    "SendMessage",
    "Status",
    "TransportKeys",
]


class Status(Enum):
    """What a handshake waits for."""

    INITIAL = "initial"
    WAITING_FOR_MESSAGE_1 = "waiting for message 1"
    WAITING_FOR_OWN_PAYLOAD = "waiting for our payload"
    WAITING_FOR_MESSAGE_2 = "waiting for message 2"
    WAITING_FOR_MESSAGE_3 = "waiting for message 3"
    WAITING_FOR_VERDICT = "waiting for the verdict on the peer's payload"
    READY = "ready"


# ---- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Initialize:
    """Start. The initiator answers with message 1."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """One handshake message from the other party, as it came. Unauthenticated."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accept:
    """The answer yes.

    To `PayloadReceived`: the peer is who it should be. The initiator adds the payload of message 3.
    To `OwnPayloadNeeded`: the payload of message 2.
    """

    own_payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """The answer no: the peer failed verification, or we have no payload of our own.

    The handshake goes back to waiting for the message. `error` is for the caller's log; the peer is not told.
    """

    error: OckamError | None = None


Event: TypeAlias = Initialize | MessageReceived | Accept | Reject


# ---- actions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send these bytes as the payload of a routing message, without any wrapping."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnPayloadNeeded:
    """Message 1 came: answer with `Accept(own_payload)` for message 2.

    Attributes:
        payload: the clear and unauthenticated payload of message 1; always empty today, and ignored.
    """

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PayloadReceived:
    """Verify this payload, and that the attested key in it is `static_key`; answer with `Accept` or `Reject`.

    Attributes:
        payload: IdentityAndCredentials, sent by whoever holds the secret of `static_key`.
        static_key: rs.
    """

    payload: bytes = field(repr=False)
    static_key: X25519PublicKey


@dataclass(frozen=True, slots=True)
class TransportKeys:
    """The keys of an established channel.

    Attributes:
        encrypt_key: for what we send, `suite.key_size` bytes.
        decrypt_key: for what we receive.
        h: the final transcript hash. Not used by the protocol; no secret.
    """

    encrypt_key: bytes = field(repr=False)
    decrypt_key: bytes = field(repr=False)
    h: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Completed:
    """The channel is established. Emitted once."""

    keys: TransportKeys


Action: TypeAlias = SendMessage | OwnPayloadNeeded | PayloadReceived | Completed


# ---- state machines --------------------------------------------------------------------------------------------------


class _Handshake:
    """What both roles share: the Noise state, and the trial that a verdict confirms or drops."""

    __slots__ = ("_noise", "_status", "_trial", "_waits_for")

    def __init__(
        self,
        role: Role,
        static_key: DiffieHellmanKey,
        generate_ephemeral: Callable[[], DiffieHellmanKey],
        suite: Suite,
    ) -> None:
        self._status = Status.INITIAL
        self._noise: HandshakeState | None = HandshakeState(suite, role, static_key, generate_ephemeral)
        # The state after a received message, until the verdict is in.
        self._trial: HandshakeState | None = None
        # Where a `Reject` leads back to.
        self._waits_for = Status.INITIAL

    @property
    def status(self) -> Status:
        """What the handshake waits for."""
        return self._status

    def _send(self, noise: HandshakeState | None, payload: bytes, then: Status) -> SendMessage:
        state = _present(noise)
        message = SendMessage(state.write_message(payload))
        self._noise, self._trial, self._status = state, None, then
        return message

    def _receive(self, data: bytes, then: Status) -> tuple[bytes, HandshakeState]:
        trial = _present(self._noise).copy()
        payload = trial.read_message(data)
        self._trial, self._waits_for, self._status = trial, self._status, then
        return payload, trial

    def _receive_payload(self, data: bytes) -> tuple[Action, ...]:
        payload, trial = self._receive(data, Status.WAITING_FOR_VERDICT)
        # Cannot be missing: messages 2 and 3 both have the token s.
        assert trial.rs is not None
        return (PayloadReceived(payload, trial.rs),)

    def _go_back(self) -> tuple[Action, ...]:
        self._trial, self._status = None, self._waits_for
        return ()

    def _refuse(self, event: Event) -> tuple[Action, ...]:
        if isinstance(event, MessageReceived):
            raise UnexpectedMessage(f"a handshake message came while {self._status.value}")
        raise UnexpectedEvent(f"{type(event).__name__} does not belong to a handshake that is {self._status.value}")

    def _complete(self, noise: HandshakeState | None, role: Role) -> Completed:
        state = _present(noise)
        k1, k2 = (cipher_state.k for cipher_state in state.split())
        assert k1 is not None
        assert k2 is not None
        # Reference: the reverse of Noise Split. The initiator encrypts with k2, the responder with k1.
        encrypt_key, decrypt_key = (k2, k1) if role is Role.INITIATOR else (k1, k2)
        keys = TransportKeys(encrypt_key, decrypt_key, state.symmetric_state.h)
        # ck, k and the ephemeral secret go.
        self._noise = self._trial = None
        self._status = Status.READY
        return Completed(keys)


class Initiator(_Handshake):
    """The side that opens the channel.

    Args:
        static_key: our SecureChannelStatic purpose key.
        generate_ephemeral: makes a fresh X25519 key; called once.
        suite: the same as the peer's.
    """

    __slots__ = ()

    def __init__(
        self,
        static_key: DiffieHellmanKey,
        generate_ephemeral: Callable[[], DiffieHellmanKey],
        suite: Suite = AES256_GCM_SHA256,
    ) -> None:
        super().__init__(Role.INITIATOR, static_key, generate_ephemeral, suite)

    def on_event(self, event: Event) -> tuple[Action, ...]:
        """Take an event and return what to do.

        Raises:
            PeerError: the message is not a valid message 2; nothing has changed.
            OwnPayloadTooLong: `Accept` with a payload that does not fit; the verdict is still awaited.
            UnexpectedEvent: the event does not belong to this state.
        """
        match self._status, event:
            case Status.INITIAL, Initialize():
                return (self._send(self._noise, b"", Status.WAITING_FOR_MESSAGE_2),)
            case Status.WAITING_FOR_MESSAGE_2, MessageReceived(data):
                return self._receive_payload(data)
            case Status.WAITING_FOR_VERDICT, Accept(own_payload):
                message_3 = self._send(self._trial, own_payload, Status.READY)
                return (message_3, self._complete(self._noise, Role.INITIATOR))
            case Status.WAITING_FOR_VERDICT, Reject():
                return self._go_back()
            case _:
                return self._refuse(event)


class Responder(_Handshake):
    """The side that a listener made for one message 1.

    Args:
        static_key: our SecureChannelStatic purpose key.
        generate_ephemeral: makes a fresh X25519 key; called once per accepted message 1.
        suite: the same as the peer's.
    """

    __slots__ = ()

    def __init__(
        self,
        static_key: DiffieHellmanKey,
        generate_ephemeral: Callable[[], DiffieHellmanKey],
        suite: Suite = AES256_GCM_SHA256,
    ) -> None:
        super().__init__(Role.RESPONDER, static_key, generate_ephemeral, suite)

    def on_event(self, event: Event) -> tuple[Action, ...]:
        """Take an event and return what to do.

        Raises:
            PeerError: the message is not a valid message 1 or 3; nothing has changed.
            OwnPayloadTooLong: `Accept` with a payload that does not fit; ours is still awaited.
            UnexpectedEvent: the event does not belong to this state.
        """
        match self._status, event:
            case Status.INITIAL, Initialize():
                self._status = Status.WAITING_FOR_MESSAGE_1
                return ()
            case Status.WAITING_FOR_MESSAGE_1, MessageReceived(data):
                payload, _ = self._receive(data, Status.WAITING_FOR_OWN_PAYLOAD)
                return (OwnPayloadNeeded(payload),)
            case Status.WAITING_FOR_OWN_PAYLOAD, Accept(own_payload):
                return (self._send(self._trial, own_payload, Status.WAITING_FOR_MESSAGE_3),)
            case Status.WAITING_FOR_MESSAGE_3, MessageReceived(data):
                return self._receive_payload(data)
            case Status.WAITING_FOR_VERDICT, Accept():
                return (self._complete(self._trial, Role.RESPONDER),)
            case ((Status.WAITING_FOR_OWN_PAYLOAD | Status.WAITING_FOR_VERDICT), Reject()):
                return self._go_back()
            case _:
                return self._refuse(event)


def _present(noise: HandshakeState | None) -> HandshakeState:
    if noise is None:
        raise HandshakeInternalError
    return noise
