"""What the two ends of a channel can be told.

Source: reference ockam_identity secure_channels/secure_channel_options.rs, listener options.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.identity.credential import CredentialAndPurposeKey
from ockam.secure_channel.trust_policy import TrustEveryone, TrustPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.core.flow_control import FlowControlId
    from ockam.identity.identifier import Identifier

TRUST_EVERYONE: Final = TrustEveryone()

__all__ = ["DEFAULT_TIMEOUT_SECONDS", "SecureChannelListenerOptions", "SecureChannelOptions", "credential_of"]

DEFAULT_TIMEOUT_SECONDS: Final = 120.0
"""Source: reference secure channel options. There only the initiator has a timeout; here both sides do."""


@dataclass(frozen=True, slots=True)
class SecureChannelOptions:
    """Options of the initiator.

    Attributes:
        trust_policy: which responders are accepted.
        authority: whose credentials count, if any; its change history must be known to the node.
        credential: what is presented to the responder.
        timeout: seconds that the handshake may take.
    """

    trust_policy: TrustPolicy = TRUST_EVERYONE
    authority: Identifier | None = None
    credential: CredentialAndPurposeKey | bytes | None = None
    timeout: float = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class SecureChannelListenerOptions:
    """Options of a listener, and of every responder it makes.

    Attributes:
        trust_policy: which initiators are accepted.
        authority: whose credentials count, if any; its change history must be known to the node.
        credential: what is presented to initiators.
        consumer_of: flow controls whose messages reach the listener, such as that of a TCP listener.
        timeout: seconds that a handshake may take.
    """

    trust_policy: TrustPolicy = TRUST_EVERYONE
    authority: Identifier | None = None
    credential: CredentialAndPurposeKey | bytes | None = None
    consumer_of: Sequence[FlowControlId] = ()
    timeout: float = DEFAULT_TIMEOUT_SECONDS


def credential_of(options: SecureChannelOptions | SecureChannelListenerOptions) -> CredentialAndPurposeKey | None:
    """Return the credential to present.

    Raises:
        DecodeError: the bytes given are none.
    """
    credential = options.credential
    return CredentialAndPurposeKey.decode(credential) if isinstance(credential, bytes) else credential
