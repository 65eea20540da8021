"""Trust policies: which peers a channel end accepts.

A policy sees the peer's verified identifier, and nothing else: not its credentials, which are checked where resources
are accessed.

    policy = TrustIdentifier(alice).or_(TrustIdentifiers([bob, carol]))

Source: protocols/secure-channels.md "Authorization"; reference ockam_identity secure_channel/trust_policy/.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from ockam.identity.identifier import Identifier

__all__ = ["AllTrustPolicy", "AnyTrustPolicy", "TrustEveryone", "TrustIdentifier", "TrustIdentifiers", "TrustPolicy"]


class TrustPolicy(ABC):
    """A yes or no about a peer. Write your own by implementing `check`."""

    __slots__ = ()

    @abstractmethod
    def check(self, identifier: Identifier) -> bool:
        """Tell whether the peer of this verified identifier is trusted."""

    def and_(self, other: "TrustPolicy") -> "TrustPolicy":
        """Return the policy that trusts whom both trust; `other` is not asked if this one refuses."""
        return AllTrustPolicy(self, other)

    def or_(self, other: "TrustPolicy") -> "TrustPolicy":
        """Return the policy that trusts whom either trusts; `other` is not asked if this one trusts."""
        return AnyTrustPolicy(self, other)


class TrustEveryone(TrustPolicy):
    """Trusts every peer that proves to be who it says it is. The default on both sides."""

    __slots__ = ()

    def check(self, identifier: Identifier) -> bool:
        """Return True."""
        return True


class TrustIdentifier(TrustPolicy):
    """Trusts exactly one peer."""

    __slots__ = ("identifier",)

    def __init__(self, identifier: Identifier) -> None:
        self.identifier = identifier

    def check(self, identifier: Identifier) -> bool:
        """Tell whether this is the one."""
        return identifier == self.identifier


class TrustIdentifiers(TrustPolicy):
    """Trusts the peers of a list; an empty list trusts nobody."""

    __slots__ = ("identifiers",)

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        self.identifiers = frozenset(identifiers)

    def check(self, identifier: Identifier) -> bool:
        """Tell whether this is one of them."""
        return identifier in self.identifiers


class AllTrustPolicy(TrustPolicy):
    """Trusts whom two policies trust."""

    __slots__ = ("first", "second")

    def __init__(self, first: TrustPolicy, second: TrustPolicy) -> None:
        self.first = first
        self.second = second

    def check(self, identifier: Identifier) -> bool:
        """Ask the first, then the second."""
        return self.first.check(identifier) and self.second.check(identifier)


class AnyTrustPolicy(TrustPolicy):
    """Trusts whom one of two policies trusts."""

    __slots__ = ("first", "second")

    def __init__(self, first: TrustPolicy, second: TrustPolicy) -> None:
        self.first = first
        self.second = second

    def check(self, identifier: Identifier) -> bool:
        """Ask the first; ask the second only if it refuses."""
        return self.first.check(identifier) or self.second.check(identifier)
