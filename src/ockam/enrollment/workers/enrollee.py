"""The device: shows its offer, enrolls by a bundle, and remembers across crashes where it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ockam.enrollment.attributes import check_pet_name
from ockam.enrollment.device_status import EnrolleeStatus, EnrolleeStep, device_status
from ockam.enrollment.enrollee import (
    AcceptedAnswer,
    Enrolled,
    Offered,
    RejectedAnswer,
    Waiting,
    begin,
    decode_state,
    prepare,
    retry_delay,
    start_again,
    verify_bundle_on_device,
)
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.errors import EnrollmentRejected, NoAnswer, UnusableCredential, WrongService
from ockam.enrollment.workers.device_time import DeviceTime
from ockam.enrollment.workers.enrollment import Enrollment
from ockam.enrollment.workers.exchange import MessageExchange
from ockam.enrollment.workers.recovery import FIRST_ASKED_AFTER_SECONDS, recover
from ockam.enrollment.workers.station_link import receive_bundle
from ockam.errors import Misuse
from ockam.identity.errors import AttestationOutsideKeyWindow
from ockam.identity.repository import NamedIdentity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ockam.enrollment.enrollee import DeviceState
    from ockam.enrollment.enroller import DeviceStateRepository
    from ockam.enrollment.enrollment_bundle import VerifiedBundle
    from ockam.enrollment.messages import EnrolleeOffer
    from ockam.enrollment.session import ChannelKeys
    from ockam.enrollment.workers.host import Host
    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import SecureChannelPurposeKey

__all__ = ["Enrollee", "EnrolleeStatus", "EnrolleeStep"]

IDENTITY_NAME: Final = "enrollee"
"""What the device's identity is called on its node."""
DEFAULT_WAIT_SECONDS: Final = 60.0
GREETING_SECONDS: Final = 10.0


class Enrollee:
    """A device. Made by `Node.create_enrollee`.

    Args:
        repository: its disk.
        expected_service: the only service it enrolls with; None: the one of its bundle.
    """

    def __init__(
        self,
        host: Host,
        repository: DeviceStateRepository,
        state: DeviceState,
        identifier: Identifier | None,
        expected_service: Identifier | None,
    ) -> None:
        self._host = host
        self._repository = repository
        self._state = state
        self._identifier = identifier
        self._expected_service = expected_service
        self._exchange: MessageExchange | None = None
        self._enrollment: Enrollment | None = None
        self._enrolling = asyncio.Lock()
        self._time = DeviceTime(host.clock)
        self.retry_delay: Callable[[int, float], float] = retry_delay
        """Seconds after the n-th sending (from 0) until the next; the other argument is random, from 0 to 1."""
        self.recover_after = FIRST_ASKED_AFTER_SECONDS
        """Seconds without an answer until the device asks whether it is a member."""

    # ---- what is known -----------------------------------------------------------------------------------------------

    @property
    def offer(self) -> EnrolleeOffer:
        """What to show to an enroller.

        Raises:
            Misuse: the device is enrolled; its enrollment key is gone.
        """
        state = self._state
        if isinstance(state, Enrolled):
            raise Misuse("this device is enrolled already; to enroll it anew, forget its enrollment first")
        return start_again(state).offer

    @property
    def enrollment(self) -> Enrollment | None:
        """The enrollment, once the device is a member."""
        return self._enrollment

    @property
    def status(self) -> EnrolleeStatus:
        """How far the device is."""
        return device_status(self._state, self._identifier, self._expected_service)

    # ---- enrolling ---------------------------------------------------------------------------------------------------

    async def enroll(
        self, bundle: SignedEnrollmentBundle | str | bytes | None = None, wait: float | None = DEFAULT_WAIT_SECONDS
    ) -> Enrollment:
        """Enroll by a bundle, or go on with the one that the device waits with.

        Args:
            bundle: decoded, or in either of its forms. The same again repeats the same message; another one makes a
                new message. None: the one of an earlier call, perhaps of an earlier process.
            wait: seconds for an answer, during which the message is repeated; None: without end.

        Raises:
            BundleRefused: the bundle is not good; a subclass says why. Nothing was sent.
            NoAnswer: none in `wait` seconds; call it again at any time.
            EnrollmentRejected: the service says no.
        """
        async with self._enrolling:
            if self._enrollment is not None:
                return self._enrollment
            deadline = None if wait is None else self._host.runtime.loop.time() + wait
            return await self._enroll(_loaded(bundle), deadline)

    async def enroll_through(
        self,
        station_address: str,
        *,
        confirm: Callable[[str], Awaitable[bool]],
        wait: float | None = DEFAULT_WAIT_SECONDS,
    ) -> Enrollment:
        """Get a bundle from an enroller's station over a local link, and enroll by it.

        Args:
            station_address: `host:port`, or a MultiAddr.
            confirm: asked with the six digits, which the station shows as well; False ends it.
            wait: seconds for the service's answer; for the station and its person as long again.

        Raises:
            CodeNotConfirmed: `confirm` said no.
            StationEnded: the other side said no, or has no bundle.
            ServiceUnreachable: nobody answers at the address.
            OckamError: as of `enroll`.
        """
        if self._enrollment is not None:
            return self._enrollment
        signed = await receive_bundle(self._host, station_address, self.offer, confirm, wait)
        return await self.enroll(signed, wait)

    async def forget(self) -> None:
        """Begin anew, with a new enrollment key and a new identity; what the device was a member as is forgotten."""
        async with self._enrolling:
            await self._close_exchange()
            await self._host.identities.repositories.named_identities.delete_named_identity(IDENTITY_NAME)
            self._identifier = self._enrollment = None
            name = self._state.pet_name if isinstance(self._state, Enrolled) else self.offer.pet_name
            await self._store(begin(self._host.random, name))

    async def close(self) -> None:
        """Wait for no answer any more; an enrollment's channel stays."""
        await self._close_exchange()

    async def _enroll(self, signed: SignedEnrollmentBundle | None, deadline: float | None) -> Enrollment:
        made_again = False
        while True:
            exchange = await self._prepared(signed)
            signed = exchange.waiting.signed_bundle
            try:
                # Only the waiting has an end: what was answered is stored, whatever that takes.
                async with asyncio.timeout_at(deadline):
                    answer = await self._answer(exchange, signed.contents().routes)
            except TimeoutError:
                raise NoAnswer from None
            except UnusableCredential:
                # Perhaps only this machine's clock is wrong: the next call asks for the stored answer again.
                await self._close_exchange()
                raise
            if isinstance(answer, Enrolled):
                return await self._recovered(answer)
            if isinstance(answer, AcceptedAnswer):
                return await self._accepted(exchange, answer)
            await self._rejected(answer)
            if not answer.try_again or made_again:
                rejected = answer.rejected
                raise EnrollmentRejected(rejected.reason, rejected.text, rejected.service_time)
            # Only the times were wrong, and are known now: once more, with the same bundle.
            made_again = True

    async def _prepared(self, signed: SignedEnrollmentBundle | None) -> MessageExchange:
        """Return the exchange for this bundle: that of an earlier call, or one whose message is on the disk now."""
        state = self._state
        if isinstance(state, Waiting) and (signed is None or state.bundle == signed.encode()):
            return self._exchange or self._new_exchange(state, None)
        if signed is None:
            raise Misuse("the device waits for no answer: give it a bundle")
        verified = verify_bundle_on_device(
            signed, self._time.known(), self._host.identities.vault.verifying, self._expected_service
        )
        if isinstance(state, Enrolled):
            raise Misuse("this device is enrolled already")
        await self._close_exchange()
        return await self._new_message(start_again(state), verified)

    async def _new_message(self, offered: Offered, verified: VerifiedBundle) -> MessageExchange:
        host, identities = self._host, self._host.identities
        self._time.assume(verified.contents.created_at)
        key = await self._channel_key()
        assert self._identifier is not None  # made with the key
        identity = await identities.identity(self._identifier)
        preparation = prepare(offered, verified, key.key.public.value, host.random)
        signer = identities.vault.identity
        proof = await signer.sign(await signer.handle_of(identity.latest_public_key), preparation.proof_hash)
        new = preparation.complete(identity.change_history, key.attestation, proof)
        # Durable before it is sent: a crash after this repeats these bytes, one before this has sent nothing.
        await self._store(new.state)
        return self._new_exchange(new.state, new.channel)

    def _new_exchange(self, state: Waiting, channel_keys: ChannelKeys | None) -> MessageExchange:
        if self._identifier is None:
            raise Misuse("the device's identity is gone from its home: forget the enrollment and begin anew")
        contents = state.signed_bundle.contents()
        self._time.assume(contents.created_at)
        service = contents.service
        if self._expected_service not in (None, service):
            raise WrongService
        self._exchange = MessageExchange(self._host, state, self._identifier, service, channel_keys, self._time)
        return self._exchange

    async def _answer(
        self, exchange: MessageExchange, routes: tuple[str, ...]
    ) -> AcceptedAnswer | RejectedAnswer | Enrolled:
        loop = self._host.runtime.loop
        began, ask_after, attempt = loop.time(), self.recover_after, 0
        while True:
            await exchange.send(routes)
            delay = self.retry_delay(attempt, self._host.random(1)[0] / 255)
            attempt += 1
            await asyncio.wait((exchange.answer,), timeout=delay)
            if not exchange.answer.done() and loop.time() - began >= ask_after:
                ask_after = 2 * (loop.time() - began)
                recovered = await recover(self._host, exchange.waiting, exchange.own)
                # The answer itself is better: a channel comes with it.
                if recovered is not None and not exchange.answer.done():
                    return recovered
            if exchange.answer.done():
                return exchange.answer.result()

    async def _accepted(self, exchange: MessageExchange, answer: AcceptedAnswer) -> Enrollment:
        await self._host.identities.repositories.change_histories.update_identity(answer.service, ignore_older=True)
        # One row: the enrollment key, the message and its answer key are gone with this.
        await self._store(answer.state)
        self._time.learn(answer.state.service_time)
        channel = exchange.establish()
        await self._close_exchange()
        assert self._identifier is not None  # it made the message
        self._enrollment = Enrollment(self._host, self._repository, answer.state, self._identifier, channel)
        if channel is not None:
            self._host.runtime.new_task(self._enrollment.greet(GREETING_SECONDS))
        return self._enrollment

    async def _recovered(self, state: Enrolled) -> Enrollment:
        await self._close_exchange()
        await self._store(state)
        self._time.learn(state.service_time)
        assert self._identifier is not None  # it made the message
        self._enrollment = Enrollment(self._host, self._repository, state, self._identifier, None)
        return self._enrollment

    async def _rejected(self, answer: RejectedAnswer) -> None:
        await self._close_exchange()
        await self._store(answer.state)
        if answer.try_again:
            self._time.set_aside(answer.state.service_time)

    async def _close_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.close()

    async def _store(self, state: DeviceState) -> None:
        await self._repository.store_state(state.encode())
        self._state = state

    # ---- identity and time -------------------------------------------------------------------------------------------

    async def _channel_key(self) -> SecureChannelPurposeKey:
        """Return the channel key, IK_E, attested now; make the identity where there is none that can attest it."""
        identities = self._host.identities
        if self._identifier is not None:
            try:
                return await identities.secure_channel_purpose_key(self._identifier)
            except AttestationOutsideKeyWindow:
                # It was made by the wrong clock, and nobody knows it yet. A message of it is not sent any more.
                if isinstance(self._state, Waiting):
                    await self._store(start_again(self._state))
                await identities.repositories.named_identities.delete_named_identity(IDENTITY_NAME)
        identifier = await identities.create_identity()
        key = await identities.secure_channel_purpose_key(identifier)
        await identities.repositories.named_identities.store_named_identity(NamedIdentity(IDENTITY_NAME, identifier))
        self._identifier = identifier
        return key

    async def resume(self) -> None:
        """Take up what the disk says: the clock's floor, the authority, the enrollment."""
        state = self._state
        known = state if isinstance(state, Enrolled) else start_again(state)
        if known.clock_set_aside:
            self._time.set_aside(known.service_time)
        elif known.service_time:
            self._time.learn(known.service_time)
        if isinstance(state, Enrolled):
            if self._identifier is None:
                raise Misuse("the device's identity is gone from its home: forget the enrollment and begin anew")
            identities = self._host.identities
            await identities.import_change_history(state.service_history, state.service, ignore_older=True)
            self._enrollment = Enrollment(self._host, self._repository, state, self._identifier, None)


async def create_enrollee(
    host: Host, repository: DeviceStateRepository, name: str | None, service: Identifier | None
) -> Enrollee:
    """Make the device that its disk knows, or a new one; see `Node.create_enrollee`."""
    check_pet_name(name)
    stored = await repository.state()
    if stored is None:
        state: DeviceState = begin(host.random, name)
        await repository.store_state(state.encode())
    else:
        state = decode_state(stored)
    if name is not None and isinstance(state, Offered) and state.pet_name != name:
        state = Offered(state.eik_secret, name, state.service_time)
        await repository.store_state(state.encode())
    named = await host.identities.repositories.named_identities.named_identity(IDENTITY_NAME)
    enrollee = Enrollee(host, repository, state, None if named is None else named.identifier, service)
    await enrollee.resume()
    return enrollee


def _loaded(bundle: SignedEnrollmentBundle | str | bytes | None) -> SignedEnrollmentBundle | None:
    match bundle:
        case str():
            return SignedEnrollmentBundle.parse(bundle)
        case bytes():
            return SignedEnrollmentBundle.load(bundle)
        case _:
            return bundle
