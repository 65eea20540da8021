"""The members of an authority: identities, and the attributes that their credentials get."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ockam.identity.identifier import Identifier

__all__ = ["FixedMembers", "Members"]


class Members(Protocol):
    """Whom an authority knows."""

    async def attributes(self, identifier: Identifier) -> Mapping[str, str] | None:
        """Return the attributes of a member; None: it is no member."""


class FixedMembers:
    """Members that are known from the beginning."""

    def __init__(self, members: Mapping[Identifier, Mapping[str, str]]) -> None:
        self._members = {identifier: MappingProxyType(dict(given)) for identifier, given in members.items()}

    async def attributes(self, identifier: Identifier) -> Mapping[str, str] | None:
        """Return the attributes of a member; None: it is no member."""
        return self._members.get(identifier)

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """All members."""
        return tuple(self._members)
