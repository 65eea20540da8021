"""Rekeying: bucket i is the nonces 32 i .. 32 i + 31, and each bucket has its own key.

    k(i+1) = first 32 bytes of AEAD(k(i), IV(2^64 - 1), no AAD, 32 zero bytes), cut to the key size

A rekey is implied by the nonce and never announced.

Source: protocols/secure-channels.md "Rekeying"; reference key_tracker.rs.
"""

from enum import Enum

from ockam.secure_channel.errors import InvalidNonce
from ockam.secure_channel.noise.suite import IV_PREFIX, KEY_AND_DH_SIZE, MAX_NONCE, Aead, Suite

__all__ = ["KEY_RENEWAL_INTERVAL", "KeyChoice", "choose_key", "rekey"]

# Fixed by the protocol: messages per key.
KEY_RENEWAL_INTERVAL = 32

_REKEY_IV = IV_PREFIX + MAX_NONCE.to_bytes(8, "big")
_ZEROS = bytes(KEY_AND_DH_SIZE)


class KeyChoice(Enum):
    """Which key a received message needs."""

    PREVIOUS = "previous"
    CURRENT = "current"
    NEXT = "next"


def rekey(aead: Aead, suite: Suite) -> Aead:
    """Return the AEAD of the next bucket."""
    return suite.aead(aead.encrypt(_REKEY_IV, _ZEROS, None)[: suite.key_size])


def choose_key(nonce: int, rekeys: int, *, has_previous: bool, interval: int = KEY_RENEWAL_INTERVAL) -> KeyChoice:
    """Return which key the message `nonce` needs after `rekeys` rekeys.

    Args:
        nonce: as read from the wire, not yet authenticated.
        rekeys: how often the key was renewed so far.
        has_previous: whether there is a previous key.
        interval: messages per key.

    Raises:
        InvalidNonce: it is beyond the next key, before the previous one, or there are no nonces left.
    """
    start = rekeys * interval
    if start > MAX_NONCE:
        raise InvalidNonce
    if nonce >= start:
        if nonce - start < interval:
            return KeyChoice.CURRENT
        if nonce - start < 2 * interval:
            return KeyChoice.NEXT
    elif start - nonce <= interval and has_previous:
        return KeyChoice.PREVIOUS
    raise InvalidNonce
