"""What the two ends of a channel can be told.

Source: reference ockam_identity secure_channels/secure_channel_options.rs, listener options.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.errors import Misuse, Origin
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.identifier import Identifier
from ockam.secure_channel.errors import PersistentSupportIsLimited
from ockam.secure_channel.trust_policy import TrustEveryone, TrustPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.core.flow_control import FlowControlId
    from ockam.identity.credential_retriever import CredentialRetriever

TRUST_EVERYONE: Final = TrustEveryone()

__all__ = [
    "DEFAULT_TIMEOUT_SECONDS",
    "SecureChannelListenerOptions",
    "SecureChannelOptions",
    "authorities_of",
    "credential_of",
]

DEFAULT_TIMEOUT_SECONDS: Final = 120.0
"""Source: reference secure channel options. There only the initiator has a timeout; here both sides do."""


@dataclass(frozen=True, slots=True)
class SecureChannelOptions:
    """Options of the initiator.

    Attributes:
        trust_policy: which responders are accepted.
        authority: whose credentials count, if any: one identifier or several, each of which counts by itself; their
            change histories must be known to the node.
        credential: what is presented to the responder.
        timeout: seconds that the handshake may take.
        credential_retriever: gives what is presented, at the beginning and whenever it has changed; in place of
            `credential`.
        key_exchange_only: no messages pass; the channel encrypts and decrypts for others (`encrypt`, `decrypt`). Both
            sides must choose it. WARNING: nothing protects against replay.
        persist: store the receiving half; only with `key_exchange_only`.
    """

    trust_policy: TrustPolicy = TRUST_EVERYONE
    authority: Identifier | Sequence[Identifier] | None = None
    credential: CredentialAndPurposeKey | bytes | None = None
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    credential_retriever: CredentialRetriever | None = None
    key_exchange_only: bool = False
    persist: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        _check(self)


@dataclass(frozen=True, slots=True)
class SecureChannelListenerOptions:
    """Options of a listener, and of every responder it makes.

    Attributes:
        trust_policy: which initiators are accepted.
        authority: whose credentials count, if any: one identifier or several, each of which counts by itself; their
            change histories must be known to the node.
        credential: what is presented to initiators.
        consumer_of: flow controls whose messages reach the listener, such as that of a TCP listener.
        timeout: seconds that a handshake may take.
        credential_retriever: gives what is presented, at the beginning and whenever it has changed; in place of
            `credential`.
        key_exchange_only: no messages pass; the channels encrypt and decrypt for others. Both sides must choose it.
            WARNING: nothing protects against replay.
        persist: store the receiving half of each channel; only with `key_exchange_only`.
    """

    trust_policy: TrustPolicy = TRUST_EVERYONE
    authority: Identifier | Sequence[Identifier] | None = None
    credential: CredentialAndPurposeKey | bytes | None = None
    consumer_of: Sequence[FlowControlId] = ()
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    credential_retriever: CredentialRetriever | None = None
    key_exchange_only: bool = False
    persist: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        _check(self)


def _check(options: SecureChannelOptions | SecureChannelListenerOptions) -> None:
    if options.persist and not options.key_exchange_only:
        raise PersistentSupportIsLimited
    if options.credential is not None and options.credential_retriever is not None:
        # Reference: CredentialRetrieverCreatorAlreadySet.
        raise Misuse("give a credential or a credential retriever, not both", origin=Origin.IDENTITY)


def credential_of(options: SecureChannelOptions | SecureChannelListenerOptions) -> CredentialAndPurposeKey | None:
    """Return the credential to present.

    Raises:
        DecodeError: the bytes given are none.
    """
    credential = options.credential
    return CredentialAndPurposeKey.decode(credential) if isinstance(credential, bytes) else credential


def authorities_of(authority: Identifier | Sequence[Identifier] | None) -> tuple[Identifier, ...]:
    """Return the authorities that an option names."""
    if authority is None:
        return ()
    return (authority,) if isinstance(authority, Identifier) else tuple(authority)
