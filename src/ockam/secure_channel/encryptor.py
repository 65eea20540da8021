"""Encryption of what a channel sends.

    frame    nonce (8, big-endian) | ciphertext | tag (16)
    IV       4 zero bytes | nonce
    AAD      empty

Source: protocols/secure-channels.md "Messages"; reference encryptor.rs.
"""

from ockam.secure_channel.errors import NonceOverflow
from ockam.secure_channel.noise.suite import AES256_GCM_SHA256, IV_PREFIX, MAX_NONCE, TAG_SIZE, Suite
from ockam.secure_channel.rekey import KEY_RENEWAL_INTERVAL, rekey

__all__ = ["FRAME_OVERHEAD", "IN_PLACE_FROM", "NONCE_SIZE", "Encryptor"]

# Fixed by the protocol.
NONCE_SIZE = 8
FRAME_OVERHEAD = NONCE_SIZE + TAG_SIZE
# Chosen by us: from this size on `seal_into` is faster than `seal`.
IN_PLACE_FROM = 4096

_LAST_IN_BUCKET = KEY_RENEWAL_INTERVAL - 1


class Encryptor:
    """One direction of a channel, the sending end. Takes Ockam's IV rule from the frame, whatever the suite's own.

    Args:
        key: `suite.key_size` bytes; not kept, only its AEAD is.
        suite: gives the AEAD.
        rekeying: off for key-exchange-only channels.

    An error from `seal` or `seal_into` other than a wrong argument ends the channel.
    """

    __slots__ = ("_aead", "_nonce", "_rekeying", "_suite")

    def __init__(self, key: bytes, suite: Suite = AES256_GCM_SHA256, *, rekeying: bool = True) -> None:
        self._suite = suite
        self._aead = suite.aead(key)
        self._nonce = 0
        self._rekeying = rekeying

    @property
    def nonce(self) -> int:
        """The nonce of the next message."""
        return self._nonce

    def seal(self, plaintext: bytes) -> bytes:
        """Return the next frame.

        Raises:
            NonceOverflow: all nonces are used; 2^64 - 1 never is.
        """
        nonce = self._nonce
        if not nonce & _LAST_IN_BUCKET or nonce >= MAX_NONCE:
            self._renew(nonce)
        self._nonce = nonce + 1
        head = nonce.to_bytes(NONCE_SIZE, "big")
        return head + self._aead.encrypt(IV_PREFIX + head, plaintext, None)

    def seal_into(self, buffer: bytearray | memoryview, start: int, end: int) -> None:
        """Make the next frame in `buffer[start:end]`, in place.

            start          start + 8                        end - 16        end
              | room for the nonce | plaintext -> ciphertext | room for the tag |

        Raises:
            NonceOverflow: all nonces are used; 2^64 - 1 never is.
            ValueError: there is no room for nonce and tag.
        """
        if start < 0 or end - start < FRAME_OVERHEAD or end > len(buffer):
            raise ValueError("a frame has at least 24 bytes and lies within its buffer")
        nonce = self._nonce
        if not nonce & _LAST_IN_BUCKET or nonce >= MAX_NONCE:
            self._renew(nonce)
        self._nonce = nonce + 1
        head = nonce.to_bytes(NONCE_SIZE, "big")
        text = start + NONCE_SIZE
        view = memoryview(buffer)
        view[start:text] = head
        self._aead.encrypt_into(IV_PREFIX + head, view[text : end - TAG_SIZE], None, view[text:end])

    def _renew(self, nonce: int) -> None:
        """Take the key of the bucket that begins with `nonce`; nonce 0 has the key of the handshake."""
        if nonce >= MAX_NONCE:
            raise NonceOverflow
        if nonce and self._rekeying:
            self._aead = rekey(self._aead, self._suite)
