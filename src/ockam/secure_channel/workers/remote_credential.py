"""A credential that is asked for at an authority, kept, and asked for again before it ends.

    asked for  ->  verified  ->  in memory, stored, subscribers told  ->  asked for again
                                                                          so long before it ends as `RefreshTiming` says

Who asks, and over what, is given as a function; so are the time and the timer. Between two requests lie at least
`min_refresh_interval` seconds, whatever came of them.

Source: reference ockam_identity identities/credentials/retriever/remote_retriever/. There a credential from the store
that still holds for long is asked for anew all the same, and a proactive refresh has no minimum interval.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from ockam.core.request import Method
from ockam.errors import OckamError
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.credential_retriever import RefreshTiming, Subscribers, load_cached
from ockam.identity.errors import NoCredential
from ockam.secure_channel.errors import CredentialRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ockam.identity.credential_retriever import Subscriber
    from ockam.identity.identifier import Identifier
    from ockam.identity.identities import Identities
    from ockam.secure_channel.workers.secure_client import SecureClient

__all__ = ["CREDENTIAL_ISSUER", "RemoteCredentialRetriever", "Timer", "ask_issuer"]

log = logging.getLogger("ockam.secure_channel")

CREDENTIAL_ISSUER: Final = "credential_issuer"
"""Source: reference, the address of an authority's worker; also the scope under which credentials are stored."""


LOOK_AT_CLOCK_SECONDS: Final = 60
"""Chosen by us."""


class Timer(Protocol):
    """Calls back later; `ockam.runtime.deadlines.Deadlines` is one."""

    def add(self, key: object, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` in `seconds`, in place of what was to be called for `key`."""

    def drop(self, key: object) -> None:
        """Call nothing for `key`."""


class RemoteCredentialRetriever:
    """Gives the credential of one of our identities that an authority issues.

    Args:
        identities: verify and keep credentials, and tell the time.
        subject: whom the credential is about: our own.
        issuer: the only one whose credential is taken.
        fetch: asks for one, unverified.
        timer: of the node.
        new_task: of the node.
        scope: under which it is stored.
        timing: when it is asked for again.
    """

    def __init__(
        self,
        identities: Identities,
        subject: Identifier,
        issuer: Identifier,
        fetch: Callable[[], Awaitable[CredentialAndPurposeKey]],
        timer: Timer,
        new_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        *,
        scope: str = CREDENTIAL_ISSUER,
        timing: RefreshTiming | None = None,
    ) -> None:
        self.subject = subject
        self.issuer = issuer
        self._identities = identities
        self._fetch = fetch
        self._timer = timer
        self._new_task = new_task
        self._scope = scope
        self._timing = timing or RefreshTiming()
        self._credential: CredentialAndPurposeKey | None = None
        self._expires_at = 0
        self._asked_at: int | None = None
        self._has_looked_in_store = False
        self._due_at = 0
        self._is_closed = False
        self._subscribers = Subscribers()
        # One request at a time; who comes meanwhile finds its result.
        self._lock = asyncio.Lock()

    @property
    def expires_at(self) -> int | None:
        """When the latest credential expires, in seconds; None: there has been none."""
        return None if self._credential is None else self._expires_at

    async def initialize(self) -> None:
        """Have a credential that counts: the one at hand, a stored one, or one that is asked for now.

        Raises:
            NoCredential: it was asked for a moment ago, in vain.
            OckamError: the issuer is not there, or gives none.
        """
        async with self._lock:
            if self._counts():
                return
            if not self._has_looked_in_store:
                self._has_looked_in_store = True
                if await self._load():
                    return
            now = self._identities.now()
            if self._asked_at is not None and 0 <= now - self._asked_at < self._timing.min_refresh_interval:
                raise NoCredential("the issuer was asked for a credential a moment ago, and gave none that counts")
            try:
                await self._ask()
            except BaseException:
                self._schedule()
                raise
            if not self._counts():
                raise NoCredential("the issuer's credentials end too soon to be presented: choose other gaps")

    async def retrieve(self) -> CredentialAndPurposeKey:
        """Return the credential at hand.

        Raises:
            NoCredential: there is none, or it ends too soon.
        """
        if self._credential is None or not self._counts():
            raise NoCredential
        return self._credential

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` whenever another credential has come."""
        self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Call it no more."""
        self._subscribers.remove(subscriber)

    def close(self) -> None:
        """Ask no more. What is at hand may be presented until it ends."""
        self._is_closed = True
        self._timer.drop(self)

    def _counts(self) -> bool:
        return self._credential is not None and self._timing.counts(self._expires_at, self._identities.now())

    async def _load(self) -> bool:
        gap = self._timing.clock_skew_gap
        try:
            credential = await load_cached(self._identities, self.subject, self.issuer, self._scope, gap)
            # The issuer may have rotated its identity meanwhile.
            verified = await self._identities.verify_credential(credential, self.subject, [self.issuer])
        except OckamError:
            return False
        self._credential, self._expires_at = credential, verified.expires_at
        self._schedule()
        return True

    async def _ask(self) -> None:
        identities = self._identities
        self._asked_at = identities.now()
        credential = await self._fetch()
        verified = await identities.verify_credential(credential, self.subject, [self.issuer])
        has_changed = credential != self._credential
        self._credential, self._expires_at = credential, verified.expires_at
        self._schedule()
        try:
            await identities.repositories.credentials.put_credential(
                self.subject, self.issuer, self._scope, verified.expires_at, credential
            )
        except OckamError as error:
            log.warning("a credential could not be stored: %s", error)
        if has_changed:
            self._subscribers.notify()

    def _schedule(self) -> None:
        now = self._identities.now()
        self._due_at = now + self._timing.delay(self._expires_at, now)
        self._wait(now)

    def _wait(self, now: int) -> None:
        if not self._is_closed:
            # A timer does not count while the machine sleeps, and a clock may be set: it is looked at now and then.
            self._timer.add(self, min(self._due_at - now, LOOK_AT_CLOCK_SECONDS), self._look_at_clock)

    def _look_at_clock(self) -> None:
        now = self._identities.now()
        if now < self._due_at:
            self._wait(now)
        else:
            self._new_task(self._refresh())

    async def _refresh(self) -> None:
        async with self._lock:
            if self._is_closed:
                return
            try:
                await self._ask()
            except OckamError as error:
                log.warning("a credential could not be renewed: %s", error)
                self._schedule()
            except Exception:
                log.exception("a credential could not be renewed")
                self._schedule()


async def ask_issuer(
    client: SecureClient, service: str = CREDENTIAL_ISSUER, method: Method = Method.POST, path: str = "/"
) -> CredentialAndPurposeKey:
    """Return the credential that an issuer gives us, unverified.

    Raises:
        CredentialRefused: it gives none.
        DecodeError: what it gave is none.
        OckamError: it could not be asked.
    """
    response = await client.ask(service, method, path)
    if not response.is_ok:
        raise CredentialRefused
    return CredentialAndPurposeKey.decode(response.body or b"")
