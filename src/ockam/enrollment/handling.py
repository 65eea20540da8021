"""From an enrollment message to what the worker `enrollment` does: the checks of `service` in order, with the database.

Nothing here waits for anything but the repository and the signing vault; the worker sends `Send.answer` to the return
route of the message and starts the channel in `Send.channel`, if there is one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from ockam.enrollment.issuing import issue_member_credential
from ockam.enrollment.repository import Enrollment, EnrollmentOutcome
from ockam.enrollment.service import EnrollmentService, Received, Reject, Resend, Silence, VerifiedDevice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ockam.enrollment.api_messages import EnrolleeRecord
    from ockam.enrollment.messages import RejectReason
    from ockam.enrollment.repository import EnrollmentRepository
    from ockam.enrollment.session import ChannelKeys
    from ockam.identity.change_history import Identity
    from ockam.identity.identifier import Identifier


@dataclass(frozen=True, slots=True)
class NewChannel:
    """The channel to start, in this process and once: S encrypts with k1 and decrypts with k2.

    Attributes:
        enrollee: the record as it was, pending.
    """

    enrollee: EnrolleeRecord
    device: Identity
    attributes: dict[str, str]
    credential_expires_at: int
    keys: ChannelKeys


@dataclass(frozen=True, slots=True)
class Send:
    """An answer for the message's return route.

    Attributes:
        message_id: SHA-256 of the message: by it the worker finds the decryptor that still waits for the device.
        channel: only for the message that was accepted just now; a resent answer and a reject start nothing.
        reason: of a reject that was made just now. For counters; inside the answer is what the device learns.
    """

    message_id: bytes
    answer: bytes = field(repr=False)
    channel: NewChannel | None = None
    reason: RejectReason | None = None


Outcome: TypeAlias = Send | Silence


class MessageHandler:
    """Handles enrollment messages.

    Args:
        service: the decisions.
        repository: the tables.
        known_history: what the node knows of an identity from elsewhere, encoded, or None.
    """

    def __init__(
        self,
        service: EnrollmentService,
        repository: EnrollmentRepository,
        known_history: Callable[[Identifier], Awaitable[bytes | None]] | None = None,
    ) -> None:
        self.service = service
        self._repository = repository
        self._known_history = known_history
        self.silences: Counter[Silence] = Counter()

    async def handle(self, source: bytes, data: bytes, now: int) -> Outcome:
        """Handle one unauthenticated message; errors of database and vault are raised, and nothing was changed then.

        Args:
            source: who sent it, as the transport knows it.
            data: the message.
            now: seconds.
        """
        received = self.receive(source, data, now)
        return received if isinstance(received, Silence) else await self.handle_received(received, now)

    def receive(self, source: bytes, data: bytes, now: float) -> Silence | Received:
        """Do check 1, which waits for nothing: what it turns away costs no task. Arguments as of `handle`."""
        received = self.service.receive(source, data, now)
        if isinstance(received, Silence):
            self.silences[received] += 1
        return received

    async def handle_received(self, received: Received, now: int) -> Outcome:
        """Do the other checks; as `handle`."""
        outcome = await self._handle(received, now)
        if isinstance(outcome, Silence):
            self.silences[outcome] += 1
        return outcome

    async def _handle(self, received: Received, now: int) -> Outcome:
        decision = await self._decide(received, now)
        if isinstance(decision, VerifiedDevice):
            return await self._enroll(decision, now)
        return await self._answer(received, decision, now)

    async def _decide(self, received: Received, now: int) -> Silence | Resend | Reject | VerifiedDevice:
        message = received.message
        lookup = await self._repository.lookup(message.bundle_id, message.enrollment_identifier, received.message_id)
        decision = self.service.check(received, lookup, now)
        if not isinstance(decision, VerifiedDevice):
            return decision
        identifier = decision.identity.identifier
        known = await self._repository.known_identity(identifier)
        if known.history is None and self._known_history is not None:
            known = replace(known, history=await self._known_history(identifier))
        return self.service.check_identity(decision, known) or decision

    async def _answer(self, received: Received, decision: Silence | Resend | Reject, now: int) -> Outcome:
        match decision:
            case Silence():
                return decision
            case Resend(answer):
                return Send(received.message_id, answer)
            case Reject():
                answer = self.service.rejected_answer(decision, now)
                identifier = received.message.enrollment_identifier
                stored = await self._repository.store_reject(
                    identifier, received.message_id, answer, decision.reason, now
                )
                if stored is None:
                    return Silence.LOST_RACE
                return Send(received.message_id, stored, reason=decision.reason)

    async def _enroll(self, device: VerifiedDevice, now: int) -> Outcome:
        service, settings = self.service, self.service.settings
        attributes = service.attributes(device)
        credential = await issue_member_credential(
            service.keys, device.identity, attributes, settings.credential_ttl, now
        )
        answer = service.accepted_answer(device, credential, now)
        enrollment = Enrollment(
            device.bundle.bundle_id,
            device.enrollee.record.id,
            device.received.message_id,
            answer,
            device.identity.identifier,
            device.identity.export(),
            attributes,
            service.relay_name(device),
        )
        if await self._repository.enroll(enrollment, now) is EnrollmentOutcome.ENROLLED:
            expires_at = now + settings.credential_ttl
            channel = NewChannel(device.enrollee.record, device.identity, attributes, expires_at, device.channel)
            return Send(device.received.message_id, answer, channel)
        # Check 2 again: the other of two equal messages may have been answered; anything else is silence.
        message = device.received.message
        lookup = await self._repository.lookup(
            message.bundle_id, message.enrollment_identifier, device.received.message_id
        )
        if lookup.answer is None:
            return Silence.LOST_RACE
        return await self._answer(device.received, service.resend(device.received, lookup.answer, now), now)
