"""Where the credential comes from that we present: given, kept from before, or (in `secure_channel`) asked for.

    initialize    have one that holds, or fail           before a handshake
    retrieve      the one that counts now                when a payload is made, and after every change
    subscribe     be told when it has changed            a channel then presents the new one

Source:
    reference ockam_identity/src/identities/credentials/retriever/. There a creator makes one per subject; here one
    object is for one subject, and may serve any number of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from ockam.errors import Misuse
from ockam.identity.credential import CredentialData
from ockam.identity.errors import NoCredential
from ockam.identity.versioned_data import VersionedData

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities

__all__ = [
    "CachedCredentialRetriever",
    "CredentialRetriever",
    "MemoryCredentialRetriever",
    "RefreshTiming",
    "Subscriber",
    "credential_expiry",
]

# Reference: remote_retriever.rs, the defaults.
MIN_REFRESH_INTERVAL_SECONDS: Final = 10
PROACTIVE_REFRESH_GAP_SECONDS: Final = 60
CLOCK_SKEW_GAP_SECONDS: Final = 60
REQUEST_TIMEOUT_SECONDS: Final = 120.0

Subscriber: TypeAlias = "Callable[[], None]"
"""Called when another credential counts; must neither block nor raise."""


class CredentialRetriever(Protocol):
    """Gives the credential that one of our identities presents."""

    async def initialize(self) -> None:
        """Have a credential. Called before every handshake; does nothing if there is one.

        Raises:
            OckamError: there is none, and none can be had.
        """

    async def retrieve(self) -> CredentialAndPurposeKey:
        """Return the credential that counts now, without asking anybody for it.

        Raises:
            NoCredential: there is none, or it has expired.
        """

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` whenever the credential has changed; twice is once."""

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Call it no more."""


class Subscribers:
    """Who is to be told of a change."""

    __slots__ = ("_subscribers",)

    def __init__(self) -> None:
        self._subscribers: dict[Subscriber, None] = {}

    def add(self, subscriber: Subscriber) -> None:
        """Add one; twice is once."""
        self._subscribers[subscriber] = None

    def remove(self, subscriber: Subscriber) -> None:
        """Remove one, if it is there."""
        self._subscribers.pop(subscriber, None)

    def notify(self) -> None:
        """Call everyone."""
        for subscriber in tuple(self._subscribers):
            subscriber()

    def __len__(self) -> int:
        return len(self._subscribers)


class MemoryCredentialRetriever:
    """A given credential, presented whether or not it has expired, until the program gives another.

    Args:
        credential: whose subject is the identity that presents it.
    """

    def __init__(self, credential: CredentialAndPurposeKey) -> None:
        self._credential = credential
        self._subscribers = Subscribers()

    def replace(self, credential: CredentialAndPurposeKey) -> None:
        """Present this one from now on, in open channels too."""
        self._credential = credential
        self._subscribers.notify()

    async def initialize(self) -> None:
        """Do nothing: the credential is there."""

    async def retrieve(self) -> CredentialAndPurposeKey:
        """Return the given credential."""
        return self._credential

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` after every `replace`."""
        self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Call it no more."""
        self._subscribers.remove(subscriber)


class CachedCredentialRetriever:
    """A credential that somebody has stored on this node, such as a remote retriever in an earlier run.

    Args:
        identities: of the node.
        issuer: who issued it.
        subject: whom it is about.
        scope: under which it is stored.
    """

    def __init__(self, identities: Identities, issuer: Identifier, subject: Identifier, scope: str) -> None:
        self._identities = identities
        self._key = (subject, issuer, scope)

    async def initialize(self) -> None:
        """Do nothing: it is looked up when it is needed."""

    async def retrieve(self) -> CredentialAndPurposeKey:
        """Return the stored credential.

        Raises:
            NoCredential: there is none, or it has expired, and is deleted now.
        """
        return await load_cached(self._identities, *self._key)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Do nothing: a store tells nobody of a change."""

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Do nothing."""


async def load_cached(
    identities: Identities, subject: Identifier, issuer: Identifier, scope: str, gap_seconds: int = 0
) -> CredentialAndPurposeKey:
    """Return a stored credential that holds for more than `gap_seconds`.

    Raises:
        NoCredential: there is none; one that does not hold so long is deleted.
    """
    repository = identities.repositories.credentials
    credential = await repository.credential(subject, issuer, scope)
    if credential is None:
        raise NoCredential
    if credential_expiry(credential) <= identities.now() + gap_seconds:
        await repository.delete_credential(subject, issuer, scope)
        raise NoCredential
    return credential


def credential_expiry(credential: CredentialAndPurposeKey) -> int:
    """Return when a credential expires, in seconds; nothing of it is verified here.

    Raises:
        DecodeError: not a credential.
    """
    return CredentialData.decode(VersionedData.decode(credential.credential.data).data).expires_at


@dataclass(frozen=True, slots=True)
class RefreshTiming:
    """When a remote retriever asks again. All in seconds.

    Attributes:
        min_refresh_interval: at least so long between two requests, whether they succeed or fail.
        proactive_refresh_gap: so long before the credential no longer counts here.
        clock_skew_gap: the credential no longer counts here so long before it expires: peers' clocks may be ahead.
        request_timeout: for the channel, and for the answer.
    """

    min_refresh_interval: int = MIN_REFRESH_INTERVAL_SECONDS
    proactive_refresh_gap: int = PROACTIVE_REFRESH_GAP_SECONDS
    clock_skew_gap: int = CLOCK_SKEW_GAP_SECONDS
    request_timeout: float = REQUEST_TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        """Refuse what would ask without a pause."""
        if self.min_refresh_interval < 1 or self.proactive_refresh_gap < 0 or self.clock_skew_gap < 0:
            raise Misuse("refresh at least a second apart, with gaps that are not negative")

    def counts(self, expires_at: int, now: int) -> bool:
        """Tell whether a credential may still be presented."""
        return expires_at > now + self.clock_skew_gap

    def delay(self, expires_at: int, now: int) -> int:
        """Return in how many seconds to ask again, after a request or with a credential from an earlier run.

        Reference: a proactive refresh has no minimum there, so a time to live of up to two minutes makes a client ask
        without a pause.
        """
        return max(self.min_refresh_interval, expires_at - now - self.clock_skew_gap - self.proactive_refresh_gap)
