"""The Noise Protocol Framework, as far as secure channels need it: pattern XX over X25519.

Sharp tools: use `ockam.secure_channel` unless you are implementing a protocol.
"""

from ockam.secure_channel.noise.cipher_state import CipherState
from ockam.secure_channel.noise.handshake_state import MAX_MESSAGE_SIZE, HandshakeState
from ockam.secure_channel.noise.pattern import XX, Pattern, Role, Token
from ockam.secure_channel.noise.suite import (
    AES128_GCM_SHA256,
    AES256_GCM_SHA256,
    CHACHAPOLY_BLAKE2S,
    SUITES,
    Suite,
    channel_suite,
    standard_suite,
)
from ockam.secure_channel.noise.symmetric_state import SymmetricState

__all__ = [
    "AES128_GCM_SHA256",
    "AES256_GCM_SHA256",
    "CHACHAPOLY_BLAKE2S",
    "MAX_MESSAGE_SIZE",
    "SUITES",
    "XX",
    "CipherState",
    "HandshakeState",
    "Pattern",
    "Role",
    "Suite",
    "SymmetricState",
    "Token",
    "channel_suite",
    "standard_suite",
]
