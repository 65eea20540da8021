"""The receiving half of a persisted key-exchange-only channel, started again after the node was.

Source: reference ockam_identity secure_channels.rs `start_persisted_secure_channel_decryptor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.errors import Misuse, Origin
from ockam.runtime.errors import UnknownAddress
from ockam.secure_channel.decryptor import SingleKeyDecryptor
from ockam.secure_channel.errors import PersistentSecureChannelNotFound
from ockam.secure_channel.workers.api import ApiAddress

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.noise import Role
    from ockam.secure_channel.repository import PersistedSecureChannel
    from ockam.secure_channel.workers.handshake import ChannelServices

__all__ = ["PersistedDecryptor", "start_persisted_decryptor"]


class PersistedDecryptor:
    """Decrypts what the peer of an earlier channel encrypts; it cannot send, and says nothing when it ends.

    Nothing protects against replay: whoever carries the frames has to.
    """

    def __init__(self, services: ChannelServices, persisted: PersistedSecureChannel) -> None:
        if persisted.key_type != services.suite.key_type:
            raise Misuse("the channel was persisted by a node of another suite", origin=Origin.IDENTITY)
        self._persisted = persisted
        self._decryptor: SingleKeyDecryptor | None = SingleKeyDecryptor(persisted.decryption_key, services.suite)
        self._api = ApiAddress(services.runtime, self.decrypt, persisted.decryptor_api)

    @property
    def decryptor_api(self) -> Address:
        """Where workers of this node have frames decrypted; the same as before the restart."""
        return self._persisted.decryptor_api

    @property
    def decryptor_address(self) -> Address:
        """Names the channel; nobody listens there."""
        return self._persisted.decryptor_remote

    @property
    def identifier(self) -> Identifier:
        """Our own identity in the channel."""
        return self._persisted.my_identifier

    @property
    def their_identifier(self) -> Identifier:
        """Whom the peer had proven to be."""
        return self._persisted.their_identifier

    @property
    def role(self) -> Role:
        """Which side of the channel we were."""
        return self._persisted.role

    def decrypt(self, frame: bytes) -> bytes:
        """Return the plaintext of a frame. Takes unauthenticated bytes.

        Raises:
            UnknownAddress: it is closed.
            PeerError: the frame is not one of this channel.
        """
        if self._decryptor is None:
            raise UnknownAddress(self.decryptor_api)
        return self._decryptor.open(frame)[1]

    def close(self) -> None:
        """Decrypt no more; what is stored stays. Twice is allowed."""
        self._decryptor = None
        self._api.remove()


async def start_persisted_decryptor(services: ChannelServices, decryptor_remote: Address) -> PersistedDecryptor:
    """Start the receiving half of a persisted channel.

    Raises:
        PersistentSecureChannelNotFound: none of that decryptor address is stored.
        AddressInUse: it is running already.
        Misuse: it is of another suite.
    """
    persisted = None if services.persisted is None else await services.persisted.secure_channel(decryptor_remote)
    if persisted is None:
        raise PersistentSecureChannelNotFound
    return PersistedDecryptor(services, persisted)
