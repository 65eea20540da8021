"""Access controls by the identity at the other end of a secure channel.

The identity comes from the local information that a decryptor of this node puts on a message
(`SECURE_CHANNEL_IDENTIFIER`, CBOR byte string of 32); it never crosses the wire. Missing or malformed: no.

Source:
    reference ockam_identity/src/access_control/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.core import peer_identifier
from ockam.identity.identifier import Identifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from ockam.core import RelayMessage
    from ockam.identity.attributes import AttributesEntry
    from ockam.identity.identities import Identities


class IdentityIdAccessControl:
    """Passes messages of the listed identities; with none listed, nothing."""

    __slots__ = ("_identifiers",)

    def __init__(self, *identifiers: Identifier) -> None:
        self._identifiers = frozenset(identifier.value for identifier in identifiers)

    def is_authorized(self, message: RelayMessage) -> bool:
        """Tell whether the message came through a channel with a listed identity."""
        return peer_identifier(message.message) in self._identifiers


class IdentityAnyIdAccessControl:
    """Passes messages of any identity, as long as they came through a secure channel."""

    __slots__ = ()

    def is_authorized(self, message: RelayMessage) -> bool:
        """Tell whether the message came through a secure channel."""
        return peer_identifier(message.message) is not None


class CredentialAccessControl:
    """Passes messages of identities of which an authority says certain things.

    Args:
        required: attributes that must be present with exactly these values.
        authority: whose word counts.
        identities: where attributes are kept; expired ones do not count.
    """

    __slots__ = ("_authority", "_identities", "_required")

    def __init__(self, required: Mapping[str, str], authority: Identifier, identities: Identities) -> None:
        self._required = [(key.encode(), value.encode()) for key, value in required.items()]
        self._authority = authority
        self._identities = identities

    def is_authorized(self, message: RelayMessage) -> bool | Awaitable[bool]:
        """Tell whether the sender has the attributes; answers at once if they are in memory."""
        value = peer_identifier(message.message)
        if value is None:
            return False
        subject = Identifier(value)
        entry = self._identities.remembered_attributes(subject, self._authority)
        if entry is not None:
            return self._suffices(entry)
        return self._look_up(subject)

    async def _look_up(self, subject: Identifier) -> bool:
        entry = await self._identities.attributes(subject, self._authority)
        return entry is not None and self._suffices(entry)

    def _suffices(self, entry: AttributesEntry) -> bool:
        return all(entry.attributes.get(key) == value for key, value in self._required)
