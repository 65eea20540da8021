"""What key-exchange-only channels need stored, as an interface; `ockam.storage` implements it.

Source: reference ockam_identity secure_channels/storage/secure_channel_repository.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.noise import Role

__all__ = ["PersistedSecureChannel", "SecureChannelRepository"]


@dataclass(frozen=True, slots=True)
class PersistedSecureChannel:
    """The receiving half of a key-exchange-only channel.

    Attributes:
        decryptor_remote: names the channel; nobody listens there after a restart.
        decryptor_api: where it decrypts for others, after a restart too.
        key_type: kind of the key; the suite's.
        decryption_key: the one key of this direction.
    """

    role: Role
    my_identifier: Identifier
    their_identifier: Identifier
    decryptor_remote: Address
    decryptor_api: Address
    key_type: str
    decryption_key: bytes = field(repr=False)


class SecureChannelRepository(Protocol):
    """Persisted channels by the address of their decryptor."""

    async def store_secure_channel(self, channel: PersistedSecureChannel) -> None:
        """Store a channel and its key, in one transaction; the key in the place of secrets."""

    async def secure_channel(self, decryptor_remote: Address) -> PersistedSecureChannel | None:
        """Return a channel, None if there is none."""

    async def secure_channels(self) -> tuple[PersistedSecureChannel, ...]:
        """Return all channels."""

    async def delete_secure_channel(self, decryptor_remote: Address) -> bool:
        """Delete a channel and its key; True if there was one."""
