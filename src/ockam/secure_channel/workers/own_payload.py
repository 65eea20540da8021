"""What we say about ourselves in a handshake: encoded once, until something in it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.secure_channel.identity_payload import IdentityAndCredentials

if TYPE_CHECKING:
    from ockam.identity.change_history import Identity
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities
    from ockam.identity.purpose_key import SecureChannelPurposeKey

__all__ = ["OwnPayloads"]


class OwnPayloads:
    """Static keys and handshake payloads of the node's own identities."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._latest: dict[
            Identifier, tuple[Identity, SecureChannelPurposeKey, CredentialAndPurposeKey | None, bytes]
        ] = {}

    async def of(
        self, identifier: Identifier, credential: CredentialAndPurposeKey | None
    ) -> tuple[SecureChannelPurposeKey, bytes]:
        """Return the static key of an own identity, and its encoded payload.

        Raises:
            OckamError: not an own identity, or it has no key that it may use now.
        """
        key = await self._identities.secure_channel_purpose_key(identifier)
        identity = await self._identities.identity(identifier)
        latest = self._latest.get(identifier)
        if latest is not None and latest[0] is identity and latest[1] is key and latest[2] is credential:
            return key, latest[3]
        credentials = () if credential is None else (credential,)
        payload = IdentityAndCredentials(identity.change_history, key.attestation, credentials).encode()
        self._latest[identifier] = (identity, key, credential, payload)
        return key, payload
