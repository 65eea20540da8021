"""The receive window: which nonces are new.

    top                 the highest accepted nonce, 0 before the first message
    bitmap              bit i is set when nonce top - i was accepted; 64 bits, of which 33 count

          nonce  ...  top-32 ........ top-1   top   top+1 ........ top+32  ...
                 no   once each                     once each              no

The window is two integers and a function of them, so that a message which then fails to open leaves no trace.

Source: protocols/secure-channels.md "Rekeying"; reference nonce_tracker.rs `mark`.
"""

from ockam.secure_channel.errors import InvalidNonce

__all__ = ["WINDOW_SIZE", "mark"]

# Fixed by the protocol: half the width of the window, in messages.
WINDOW_SIZE = 32

_BITMAP_MASK = 2**64 - 1


def mark(top: int, bitmap: int, nonce: int) -> tuple[int, int]:
    """Return the top and the bitmap of the window with `nonce` in it.

    Args:
        top: highest accepted nonce.
        bitmap: nonces seen below it.
        nonce: 64-bit message counter as read from the wire, not yet authenticated.

    Raises:
        InvalidNonce: seen before, or more than WINDOW_SIZE away from `top`.
    """
    if nonce > top:
        shift = nonce - top
        if shift > WINDOW_SIZE:
            raise InvalidNonce
        return nonce, (bitmap << shift | 1) & _BITMAP_MASK
    distance = top - nonce
    if distance > WINDOW_SIZE or bitmap >> distance & 1:
        raise InvalidNonce
    return top, bitmap | 1 << distance
