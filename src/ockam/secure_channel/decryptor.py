"""Decryption of what a channel receives: window, choice of the key, opening, and only then the commit.

Source: protocols/secure-channels.md "Messages", "Rekeying"; reference decryptor.rs, nonce_tracker.rs, key_tracker.rs.
"""

import struct
from struct import Struct
from typing import TypeAlias

from cryptography.exceptions import InvalidTag

from ockam.secure_channel.encryptor import FRAME_OVERHEAD, NONCE_SIZE
from ockam.secure_channel.errors import AuthenticationFailed, InvalidNonce
from ockam.secure_channel.noise.suite import AES256_GCM_SHA256, IV_PREFIX, TAG_SIZE, Aead, Suite
from ockam.secure_channel.nonce_window import mark
from ockam.secure_channel.rekey import KEY_RENEWAL_INTERVAL, KeyChoice, choose_key, rekey

__all__ = ["Decryptor", "SingleKeyDecryptor"]

_Frame: TypeAlias = bytes | bytearray | memoryview

_NONCE = Struct(">Q")


class Decryptor:
    """One direction of a channel, the receiving end.

    Holds at most two keys. A forged nonce costs at most one rekey, and leaves no trace.

    Args:
        key: `suite.key_size` bytes; not kept, only its AEAD is.
        suite: gives the AEAD.
    """

    __slots__ = ("_bitmap", "_current", "_previous", "_rekeys", "_start", "_suite", "_top")

    def __init__(self, key: bytes, suite: Suite = AES256_GCM_SHA256) -> None:
        self._suite = suite
        self._current: Aead = suite.aead(key)
        self._previous: Aead | None = None
        self._rekeys = 0
        # First nonce of the current key: KEY_RENEWAL_INTERVAL * rekeys.
        self._start = 0
        self._top = 0
        self._bitmap = 0

    @property
    def top(self) -> int:
        """The highest accepted nonce; 0 before the first message."""
        return self._top

    @property
    def rekeys(self) -> int:
        """How often the key was renewed so far."""
        return self._rekeys

    def open(self, frame: _Frame) -> tuple[int, bytes]:
        """Return the nonce and the plaintext of a frame, a fresh object. Takes unauthenticated bytes.

        Raises:
            InvalidNonce: too short for a nonce, a repetition, or outside of the window.
            AuthenticationFailed: the tag does not fit; nothing has changed.
        """
        try:
            (nonce,) = _NONCE.unpack_from(frame)
        except struct.error:
            raise InvalidNonce("the frame is too short") from None
        top, bitmap = mark(self._top, self._bitmap, nonce)
        current = self._current
        aead = current if 0 <= nonce - self._start < KEY_RENEWAL_INTERVAL else self._other_key(nonce)
        try:
            plaintext = aead.decrypt(IV_PREFIX + frame[:NONCE_SIZE], frame[NONCE_SIZE:], None)
        except InvalidTag:
            raise AuthenticationFailed from None
        # The tag is right: commit.
        self._top = top
        self._bitmap = bitmap
        if aead is not current and aead is not self._previous:
            self._renew(aead)
        return nonce, plaintext

    def open_in_place(self, frame: memoryview) -> tuple[int, memoryview]:
        """Like `open`, but the plaintext overwrites the ciphertext and is returned as a part of `frame`.

        After AuthenticationFailed the frame is garbage: drop it unread.
        """
        size = len(frame)
        if size < NONCE_SIZE:
            raise InvalidNonce("the frame is too short")
        (nonce,) = _NONCE.unpack_from(frame)
        top, bitmap = mark(self._top, self._bitmap, nonce)
        aead = self._other_key(nonce)
        if size < FRAME_OVERHEAD:
            raise AuthenticationFailed
        plaintext = frame[NONCE_SIZE : size - TAG_SIZE]
        try:
            aead.decrypt_into(IV_PREFIX + frame[:NONCE_SIZE], frame[NONCE_SIZE:], None, plaintext)
        except InvalidTag:
            raise AuthenticationFailed from None
        self._top = top
        self._bitmap = bitmap
        if aead is not self._current and aead is not self._previous:
            self._renew(aead)
        return nonce, plaintext

    def _other_key(self, nonce: int) -> Aead:
        match choose_key(nonce, self._rekeys, has_previous=self._previous is not None):
            case KeyChoice.PREVIOUS:
                # Cannot be missing: `choose_key` was told whether there is one.
                assert self._previous is not None
                return self._previous
            case KeyChoice.CURRENT:
                return self._current
            case KeyChoice.NEXT:
                return rekey(self._current, self._suite)

    def _renew(self, following: Aead) -> None:
        self._previous = self._current
        self._current = following
        self._rekeys += 1
        self._start += KEY_RENEWAL_INTERVAL


class SingleKeyDecryptor:
    """The receiving end of a key-exchange-only channel: one key, any nonce, and NO protection against replay.

    The caller has its own order and its own defence against repetitions; never use this for routing.

    Args:
        key: `suite.key_size` bytes.
        suite: gives the AEAD.
    """

    __slots__ = ("_aead",)

    def __init__(self, key: bytes, suite: Suite = AES256_GCM_SHA256) -> None:
        self._aead = suite.aead(key)

    def open(self, frame: _Frame) -> tuple[int, bytes]:
        """Return the nonce and the plaintext of a frame. Takes unauthenticated bytes.

        Raises:
            InvalidNonce: too short for a nonce.
            AuthenticationFailed: the tag does not fit.
        """
        if len(frame) < NONCE_SIZE:
            raise InvalidNonce("the frame is too short")
        (nonce,) = _NONCE.unpack_from(frame)
        try:
            return nonce, self._aead.decrypt(IV_PREFIX + frame[:NONCE_SIZE], frame[NONCE_SIZE:], None)
        except InvalidTag:
            raise AuthenticationFailed from None
