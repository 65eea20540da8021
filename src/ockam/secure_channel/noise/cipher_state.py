"""CipherState: a key and a counter.

Source: Noise Protocol Framework, section 5.1.
"""

from typing import Self

from cryptography.exceptions import InvalidTag

from ockam.secure_channel.errors import AuthenticationFailed, NonceOverflow
from ockam.secure_channel.noise.suite import MAX_NONCE, Aead, Suite

__all__ = ["CipherState"]


class CipherState:
    """The variables k and n. Without a key, encryption is the identity.

    Attributes:
        k: the key, `suite.key_size` bytes, or None. Secret.
        n: the counter of the next message.
    """

    __slots__ = ("_aead", "_suite", "k", "n")

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._aead: Aead | None = None
        self.k: bytes | None = None
        self.n = 0

    def initialize_key(self, key: bytes) -> None:
        """Set k = key, cut to the suite's key size, and n = 0."""
        self.k = key[: self._suite.key_size]
        self._aead = self._suite.aead(self.k)
        self.n = 0

    def has_key(self) -> bool:
        """Tell whether k is set."""
        return self.k is not None

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """Return ENCRYPT(k, n++, ad, plaintext), or the plaintext itself if there is no key.

        Raises:
            NonceOverflow: n is 2^64 - 1, which is reserved.
        """
        if self._aead is None:
            return plaintext
        ciphertext = self._aead.encrypt(self._iv(), plaintext, ad)
        self.n += 1
        return ciphertext

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Return DECRYPT(k, n++, ad, ciphertext), or the ciphertext itself if there is no key.

        Takes unauthenticated bytes. If they don't open, n stays.

        Raises:
            AuthenticationFailed: the tag does not fit, or there is none.
            NonceOverflow: n is 2^64 - 1, which is reserved.
        """
        if self._aead is None:
            return ciphertext
        try:
            plaintext = self._aead.decrypt(self._iv(), ciphertext, ad)
        except InvalidTag:
            raise AuthenticationFailed from None
        self.n += 1
        return plaintext

    def copy(self) -> Self:
        """Return an independent copy; the AEAD object holds no state and is shared."""
        other = type(self)(self._suite)
        other._aead, other.k, other.n = self._aead, self.k, self.n
        return other

    def _iv(self) -> bytes:
        if self.n >= MAX_NONCE:
            raise NonceOverflow
        return self._suite.iv(self.n)
