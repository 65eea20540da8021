"""The open channels of a node, both roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.secure_channel.errors import DuplicateSecureChannel

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.workers.channel import SecureChannel

__all__ = ["SecureChannelRegistry"]


class SecureChannelRegistry:
    """Finds channels by their encryptor or decryptor, and by peer."""

    def __init__(self) -> None:
        self._by_encryptor: dict[Address, SecureChannel] = {}

    def add(self, channel: SecureChannel) -> None:
        """Register a channel.

        Raises:
            DuplicateSecureChannel: one with that encryptor is registered.
        """
        if channel.address in self._by_encryptor:
            raise DuplicateSecureChannel
        self._by_encryptor[channel.address] = channel

    def remove(self, channel: SecureChannel) -> None:
        """Forget a channel."""
        self._by_encryptor.pop(channel.address, None)

    def by_encryptor(self, address: Address) -> SecureChannel | None:
        """Return the channel whose encryptor this is."""
        return self._by_encryptor.get(address)

    def by_decryptor(self, address: Address) -> SecureChannel | None:
        """Return the channel whose decryptor this is."""
        for channel in self._by_encryptor.values():
            if channel.decryptor_address == address:
                return channel
        return None

    def of_peer(self, identifier: Identifier) -> list[SecureChannel]:
        """Return the channels with this peer."""
        return [channel for channel in self._by_encryptor.values() if channel.their_identifier == identifier]

    @property
    def channels(self) -> tuple[SecureChannel, ...]:
        """Every open channel."""
        return tuple(self._by_encryptor.values())
