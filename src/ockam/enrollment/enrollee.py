"""The device's side, as values. What must survive a crash is a state: it is stored first, and sent only then.

    Offered --- prepare, complete --> Waiting --- answer: accepted --> Enrolled
       ^                                 |
       +---- rejected, or new bundle ----+

A worker: `begin`, store, show `offer`; verify a bundle; `prepare`, sign the proof, `complete`, store `Waiting`, send
`message` and repeat the same bytes after `retry_delay` until `take_answer` gives something; store its state.
In `Waiting` the ephemeral key EK is gone already; with `Enrolled` EIK, message and answer key are.
The channel keys are beside the states, never inside: only the process that made a message may use them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ockam.enrollment.attributes import check_pet_name
from ockam.enrollment.enrollee_state import DeviceState, Enrolled, Offered, Waiting, decode_state
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle, VerifiedBundle, verify_bundle
from ockam.enrollment.errors import AnswerNotUnderstood, UnusableCredential
from ockam.enrollment.messages import (
    Accepted,
    DeviceIdentity,
    EnrollmentMessage,
    Rejected,
    RejectReason,
    SealedAnswer,
    decode_answer,
)
from ockam.enrollment.prekey_bundle import KEY_SIZE, SecretKey
from ockam.enrollment.session import ChannelKeys, SessionKeys, open_answer
from ockam.enrollment.x3dh import enrollee_agreement, seal_enrollment
from ockam.enrollment.xeddsa import NONCE_SIZE
from ockam.errors import DecodeError, OckamError
from ockam.identity.change_history import ChangeHistory, Comparison, Identity, compare
from ockam.identity.verification import VerifiedCredential, verify_change_history, verify_credential

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import PurposeKeyAttestation
    from ockam.vault.interfaces import VerifyingVault
    from ockam.vault.signatures import Signature

__all__ = [
    "AcceptedAnswer",
    "DeviceState",
    "Enrolled",
    "NewMessage",
    "Offered",
    "Preparation",
    "RejectedAnswer",
    "Waiting",
    "begin",
    "decode_state",
    "prepare",
    "retry_delay",
    "start_again",
    "take_answer",
    "verify_bundle_on_device",
]

# Fixed by the protocol: unanswered messages are repeated after 1 s, doubling to 30 s, with jitter.
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 30.0
# Chosen by us.
_JITTER: Final = 0.25


def begin(random: Callable[[int], bytes], pet_name: str | None = None) -> Offered:
    """Make the enrollment key, at first contact. `random` is the system's source; 32 bytes are taken.

    Raises:
        InvalidField: the name is empty, longer than 64 characters, or has control characters.
    """
    check_pet_name(pet_name)
    return Offered(random(KEY_SIZE), pet_name)


def start_again(state: Offered | Waiting) -> Offered:
    """Return the state from which a message can be made for another bundle; the enrollment key stays."""
    return state.offered if isinstance(state, Waiting) else state


def verify_bundle_on_device(
    signed: SignedEnrollmentBundle,
    clock: int | None,
    verifier: VerifyingVault,
    expected_service: Identifier | None = None,
    is_usable: Callable[[str], bool] | None = None,
) -> VerifiedBundle:
    """Verify a bundle as the device does; errors as `verify_bundle`.

    Args:
        signed: unauthenticated.
        clock: the device's time, None without one or with one set aside: expiry is left to the service then.
        verifier: judges signatures.
        expected_service: the pinned service (`--service`).
        is_usable: whether a route can be used on this machine.
    """
    # Before acceptance the bundle's creation time is the floor of the device's clock.
    now = max(clock or 0, signed.contents().created_at)
    if is_usable is None:
        return verify_bundle(signed, now, verifier, expected_service)
    return verify_bundle(signed, now, verifier, expected_service, is_usable)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message just made: store `state`, then send `state.message`.

    Attributes:
        channel: for the channel that follows acceptance, in this process only.
    """

    state: Waiting
    channel: ChannelKeys


@dataclass(frozen=True, slots=True)
class Preparation:
    """A message that lacks the device's identity and its proof. In memory only; EK is forgotten already."""

    offered: Offered
    bundle: SignedEnrollmentBundle
    bundle_id: bytes
    x3dh: bytes = field(repr=False)
    session: SessionKeys = field(repr=False)

    @property
    def proof_hash(self) -> bytes:
        """The 32 bytes that the device's latest primary key must sign."""
        return self.session.proof_hash

    def complete(self, history: ChangeHistory, attestation: PurposeKeyAttestation, proof: Signature) -> NewMessage:
        """Return the message. Call once: the identity is sealed with a fixed nonce.

        Args:
            history: the device's own.
            attestation: of its channel key, the one given to `prepare`.
            proof: signature over `proof_hash`.
        """
        plaintext = DeviceIdentity(history, attestation, proof).encode()
        identity = self.session.seal_identity(self.bundle_id, self.x3dh, plaintext)
        message = EnrollmentMessage(self.bundle_id, self.x3dh, identity).encode()
        waiting = Waiting(self.offered, self.bundle.encode(), message, self.session.answer_key)
        return NewMessage(waiting, self.session.channel)


def prepare(state: Offered, bundle: VerifiedBundle, channel_key: bytes, random: Callable[[int], bytes]) -> Preparation:
    """Agree on keys with the service, with a fresh EK.

    Args:
        state: of the device.
        bundle: verified by `verify_bundle_on_device`.
        channel_key: IK_E, the public X25519 key that the device's attestation names, 32 bytes.
        random: the system's source; 96 bytes are taken.

    Raises:
        LowOrderKey: the service's identity key is of small order.
    """
    eik, ek = SecretKey(state.eik_secret), SecretKey(random(KEY_SIZE))
    agreement = enrollee_agreement(eik, ek, bundle.contents.prekeys)
    x3dh = seal_enrollment(agreement, eik, ek.public, channel_key, random(NONCE_SIZE))
    session = SessionKeys.derive(agreement, bundle.signed.bundle_hash, x3dh)
    return Preparation(state, bundle.signed, bundle.contents.bundle_id, x3dh, session)


@dataclass(frozen=True, slots=True)
class AcceptedAnswer:
    """The device is a member: store `state` in one transaction, which replaces `Waiting` and its secrets."""

    state: Enrolled
    service: Identity
    credential: VerifiedCredential


@dataclass(frozen=True, slots=True)
class RejectedAnswer:
    """The service rejects the message: store `state`.

    Attributes:
        state: from which a new message can be made.
        try_again: only the times failed. Make an attestation (or an identity, where its own window is later) at
            `state.service_time`, then a new message for the same bundle.
    """

    state: Offered
    rejected: Rejected
    try_again: bool


def take_answer(
    state: Waiting, data: bytes, own: Identifier, clock: int | None, verifier: VerifyingVault
) -> AcceptedAnswer | RejectedAnswer:
    """Take bytes that came back, from anybody.

    Args:
        state: of the device.
        data: unauthenticated.
        own: the identity that the message was made with.
        clock: the device's time, None without one or with one set aside.
        verifier: judges signatures.

    Raises:
        AnswerNotUnderstood: not an answer to this message: ignore it and go on waiting.
        UnusableCredential: the service accepted, but what it sent does not verify here.
    """
    try:
        sealed = SealedAnswer.decode(data)
        plaintext = open_answer(state.answer_key, sealed.nonce, state.message_id, sealed.ciphertext)
        if plaintext is None:
            raise AnswerNotUnderstood
        answer = decode_answer(plaintext)
    except DecodeError as error:
        raise AnswerNotUnderstood from error
    if isinstance(answer, Rejected):
        return _rejected(state, answer)
    return _accepted(state, answer, own, clock, verifier)


def retry_delay(attempt: int, random: float) -> float:
    """Return how many seconds to wait after sending for the `attempt`-th time (from 0).

    Args:
        attempt: number of sendings before this one.
        random: from 0 to 1, for the jitter of up to a quarter.
    """
    delay = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(attempt, 16))
    return delay * (1 - _JITTER * random)


def _rejected(state: Waiting, rejected: Rejected) -> RejectedAnswer:
    wrong_times = rejected.reason == RejectReason.INVALID_TIMES
    offered = replace(state.offered, service_time=rejected.service_time) if wrong_times else state.offered
    return RejectedAnswer(offered, rejected, wrong_times)


def _accepted(
    state: Waiting, accepted: Accepted, own: Identifier, clock: int | None, verifier: VerifyingVault
) -> AcceptedAnswer:
    signed = state.signed_bundle
    contents = signed.contents()
    now = max(clock or 0, accepted.service_time)
    try:
        service = _service(signed, contents.service, accepted.service_history, verifier)
        credential = verify_credential(accepted.credential, service, now, verifier, own, [contents.service])
    except OckamError as error:
        raise UnusableCredential from error
    enrolled = Enrolled(
        sha256(SecretKey(state.offered.eik_secret).public).digest(),
        state.offered.pet_name,
        contents.service,
        service.change_history,
        accepted.credential,
        accepted.member_routes,
        accepted.relay_name,
        accepted.credential_ttl,
        max(accepted.service_time, credential.created_at),
        state.offered.clock_set_aside,
        contents.routes,
    )
    return AcceptedAnswer(enrolled, service, credential)


def _service(
    signed: SignedEnrollmentBundle, identifier: Identifier, longer: ChangeHistory | None, verifier: VerifyingVault
) -> Identity:
    known = verify_change_history(signed.history, verifier, identifier)
    if longer is None:
        return known
    presented = verify_change_history(longer, verifier, identifier)
    if compare(presented, known) is not Comparison.NEWER:
        raise UnusableCredential
    return presented
