"""Secure channels: mutually authenticated, encrypted, and indifferent to what carries them.

Everything here but `workers` is free of I/O. In the order of a channel's life:

    handshake          three messages make two keys (on top of `noise`)
    identity_payload   what each side says about itself in them
    trust_policy       whether that is enough
    messages           what is encrypted afterwards
    encryptor          one direction, sending;  decryptor, nonce_window: receiving;  rekey: both
"""

from ockam.secure_channel.trust_policy import (
    AllTrustPolicy,
    AnyTrustPolicy,
    TrustEveryone,
    TrustIdentifier,
    TrustIdentifiers,
    TrustPolicy,
)

__all__ = [
    "AllTrustPolicy",
    "AnyTrustPolicy",
    "TrustEveryone",
    "TrustIdentifier",
    "TrustIdentifiers",
    "TrustPolicy",
]
