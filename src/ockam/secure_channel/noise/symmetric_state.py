"""SymmetricState: the chaining key ck, the transcript hash h and a CipherState.

Source: Noise Protocol Framework, section 5.2.
"""

from typing import Self

from ockam.secure_channel.noise.cipher_state import CipherState
from ockam.secure_channel.noise.suite import Suite

__all__ = ["SymmetricState"]


class SymmetricState:
    """The variables ck and h.

    Attributes:
        ck: chaining key, `suite.hash_size` bytes. Secret.
        h: hash of everything sent and received so far.
    """

    __slots__ = ("_suite", "cipher_state", "ck", "h")

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        # InitializeSymmetric(protocol_name): h = the name padded or hashed, ck = h, no key
        self.h = suite.initial_hash()
        self.ck = self.h
        self.cipher_state = CipherState(suite)

    def mix_key(self, input_key_material: bytes) -> None:
        """ck, temp_k = HKDF(ck, input_key_material, 2), then InitializeKey(temp_k)."""
        self.ck, temp_k = self._suite.hkdf(self.ck, input_key_material)
        self.cipher_state.initialize_key(temp_k)

    def mix_hash(self, data: bytes) -> None:
        """H = HASH(h || data)."""
        self.h = self._suite.hash(self.h + data)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Return EncryptWithAd(h, plaintext) and mix the result into h."""
        ciphertext = self.cipher_state.encrypt_with_ad(self.h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Return DecryptWithAd(h, ciphertext) and mix the ciphertext into h.

        Raises:
            AuthenticationFailed: h and ck are as before.
        """
        plaintext = self.cipher_state.decrypt_with_ad(self.h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Return c1, c2 with the keys of HKDF(ck, zerolen, 2).

        In Noise the initiator sends with c1. Ockam turns this round: its initiator sends with c2.
        """
        temp_k1, temp_k2 = self._suite.hkdf(self.ck, b"")
        c1, c2 = CipherState(self._suite), CipherState(self._suite)
        c1.initialize_key(temp_k1)
        c2.initialize_key(temp_k2)
        return c1, c2

    def copy(self) -> Self:
        """Return an independent copy."""
        other = type(self)(self._suite)
        other.h, other.ck, other.cipher_state = self.h, self.ck, self.cipher_state.copy()
        return other
