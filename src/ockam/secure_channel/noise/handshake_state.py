"""HandshakeState: runs the tokens of a pattern over a SymmetricState.

Source: Noise Protocol Framework, section 5.3; protocols/secure-channels.md "Handshake".
"""

from collections.abc import Callable
from typing import Self

from ockam.errors import Misuse
from ockam.secure_channel.errors import (
    HandshakeInternalError,
    MessageLengthMismatch,
    MessageTooLong,
    OwnPayloadTooLong,
)
from ockam.secure_channel.noise.cipher_state import CipherState
from ockam.secure_channel.noise.pattern import XX, Pattern, Role, Token
from ockam.secure_channel.noise.suite import KEY_AND_DH_SIZE, TAG_SIZE, Suite
from ockam.secure_channel.noise.symmetric_state import SymmetricState
from ockam.vault.interfaces import DiffieHellmanKey
from ockam.vault.keys import X25519PublicKey

__all__ = ["MAX_MESSAGE_SIZE", "HandshakeState"]

# Fixed by Noise: the longest handshake message, in bytes.
MAX_MESSAGE_SIZE = 65535


class HandshakeState:
    """One side of a handshake.

    A message that fails, on either side, leaves the state as it was: every message runs on a copy, which takes the
    place of the state at the end.

    Attributes:
        s: our static key.
        e: our ephemeral key, once sent. A secret of this handshake only.
        rs: the peer's static public key, once received.
        re: the peer's ephemeral public key, once received.
        symmetric_state: ck, h, k and n.
    """

    __slots__ = (
        "_generate_ephemeral",
        "_index",
        "_pattern",
        "_role",
        "e",
        "re",
        "rs",
        "s",
        "symmetric_state",
    )

    def __init__(
        self,
        suite: Suite,
        role: Role,
        s: DiffieHellmanKey,
        generate_ephemeral: Callable[[], DiffieHellmanKey],
        *,
        prologue: bytes = b"",
        pattern: Pattern = XX,
    ) -> None:
        self._role = role
        self._pattern = pattern
        self._generate_ephemeral = generate_ephemeral
        self._index = 0
        self.s = s
        self.e: DiffieHellmanKey | None = None
        self.rs: X25519PublicKey | None = None
        self.re: X25519PublicKey | None = None
        self.symmetric_state = SymmetricState(suite)
        # Mixed in even when empty: h0 = HASH(name) for a name as long as the hash.
        self.symmetric_state.mix_hash(prologue)

    def write_message(self, payload: bytes) -> bytes:
        """Return the next message with `payload` in it.

        Raises:
            OwnPayloadTooLong: the message would exceed 65535 bytes.
            InvalidSharedSecret: the peer's public key has a small order.
            Misuse: it is not our turn.
        """
        trial = self.copy()
        message = b"".join(map(trial._write_token, trial._take_turn(writes=True)))
        message += trial.symmetric_state.encrypt_and_hash(payload)
        if len(message) > MAX_MESSAGE_SIZE:
            raise OwnPayloadTooLong
        self._commit(trial)
        return message

    def read_message(self, message: bytes) -> bytes:
        """Return the payload of the peer's next message. Takes unauthenticated bytes.

        The payload of message 1 is in the clear.

        Raises:
            MessageTooLong: more than 65535 bytes.
            MessageLengthMismatch: shorter than the fixed part.
            AuthenticationFailed: a tag does not fit.
            InvalidSharedSecret: the peer's public key has a small order.
            Misuse: it is our turn.
        """
        if len(message) > MAX_MESSAGE_SIZE:
            raise MessageTooLong
        trial = self.copy()
        position = 0
        for token in trial._take_turn(writes=False):
            position = trial._read_token(token, message, position)
        payload = trial.symmetric_state.decrypt_and_hash(message[position:])
        self._commit(trial)
        return payload

    def is_finished(self) -> bool:
        """Tell whether all messages of the pattern are through."""
        return self._index == len(self._pattern.messages)

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the two transport CipherStates in the order of Noise: initiator to responder, then back.

        Raises:
            Misuse: messages are missing.
        """
        if not self.is_finished():
            raise Misuse("the handshake is not finished")
        return self.symmetric_state.split()

    def copy(self) -> Self:
        """Return an independent copy; key objects are shared."""
        other = object.__new__(type(self))
        other._role, other._pattern, other._generate_ephemeral = self._role, self._pattern, self._generate_ephemeral
        other.symmetric_state = self.symmetric_state.copy()
        other._take_over(self)
        return other

    def _commit(self, trial: Self) -> None:
        self.symmetric_state = trial.symmetric_state
        self._take_over(trial)

    def _take_over(self, source: Self) -> None:
        self.s, self.e, self.rs, self.re = source.s, source.e, source.rs, source.re
        self._index = source._index

    def _take_turn(self, *, writes: bool) -> tuple[Token, ...]:
        if self.is_finished():
            raise Misuse("the handshake is finished")
        if (self._pattern.sender(self._index) is self._role) is not writes:
            raise Misuse("it is the other side's turn in the handshake")
        tokens = self._pattern.messages[self._index]
        self._index += 1
        return tokens

    def _write_token(self, token: Token) -> bytes:
        match token:
            case Token.E:
                # Sets e = GENERATE_KEYPAIR(). Appends e.public_key to the buffer. Calls MixHash(e.public_key).
                self.e = self._generate_ephemeral()
                self.symmetric_state.mix_hash(self.e.public.value)
                return self.e.public.value
            case Token.S:
                # Appends EncryptAndHash(s.public_key) to the buffer.
                return self.symmetric_state.encrypt_and_hash(self.s.public.value)
            case _:
                self._mix_dh(token)
                return b""

    def _read_token(self, token: Token, message: bytes, position: int) -> int:
        match token:
            case Token.E:
                # Sets re to the next DHLEN bytes from the message. Calls MixHash(re.public_key).
                end = position + KEY_AND_DH_SIZE
                self.re = X25519PublicKey(_slice(message, position, end))
                self.symmetric_state.mix_hash(self.re.value)
                return end
            case Token.S:
                # Sets temp to the next DHLEN + 16 bytes of the message if HasKey() == True, or to the next DHLEN bytes
                # otherwise. Sets rs to DecryptAndHash(temp).
                tag_size = TAG_SIZE if self.symmetric_state.cipher_state.has_key() else 0
                end = position + KEY_AND_DH_SIZE + tag_size
                self.rs = X25519PublicKey(self.symmetric_state.decrypt_and_hash(_slice(message, position, end)))
                return end
            case _:
                self._mix_dh(token)
                return position

    def _mix_dh(self, token: Token) -> None:
        initiator = self._role is Role.INITIATOR
        match token:
            case Token.EE:
                # Calls MixKey(DH(e, re)).
                key, peer = self.e, self.re
            case Token.ES if initiator:
                # Calls MixKey(DH(e, rs)) if initiator, MixKey(DH(s, re)) if responder.
                key, peer = self.e, self.rs
            case Token.SE if not initiator:
                # Calls MixKey(DH(s, re)) if initiator, MixKey(DH(e, rs)) if responder.
                key, peer = self.e, self.rs
            case _:
                key, peer = self.s, self.re
        if key is None or peer is None:
            raise HandshakeInternalError
        self.symmetric_state.mix_key(key.exchange(peer))


def _slice(message: bytes, start: int, end: int) -> bytes:
    if len(message) < end:
        raise MessageLengthMismatch
    return message[start:end]
