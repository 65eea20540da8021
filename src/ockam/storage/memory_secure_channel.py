"""Persisted key-exchange-only channels of a node without a home; gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.secure_channel.repository import PersistedSecureChannel

__all__ = ["MemorySecureChannelRepository"]


class MemorySecureChannelRepository:
    """Channels by the address of their decryptor."""

    def __init__(self) -> None:
        self._channels: dict[Address, PersistedSecureChannel] = {}

    async def store_secure_channel(self, channel: PersistedSecureChannel) -> None:
        """Store a channel and its key."""
        self._channels[channel.decryptor_remote] = channel

    async def secure_channel(self, decryptor_remote: Address) -> PersistedSecureChannel | None:
        """Return a channel, None if there is none."""
        return self._channels.get(decryptor_remote)

    async def secure_channels(self) -> tuple[PersistedSecureChannel, ...]:
        """Return all channels."""
        return tuple(self._channels.values())

    async def delete_secure_channel(self, decryptor_remote: Address) -> bool:
        """Delete a channel and its key; True if there was one."""
        return self._channels.pop(decryptor_remote, None) is not None
