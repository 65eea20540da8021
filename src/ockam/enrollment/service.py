"""The service's decisions about one enrollment message, as values.

    check  what                                                      on failure
      1    source's bucket, size, CBOR shape, version                silence
      2    bundle known, unused, unexpired                           silence; an answered message: the answer again
      3    enrollment key approved, pending, by the same enroller    silence
      4    bundle's bucket, key agreement, X3DH opens                silence
      5    XEdDSA by EIK over IK_E                                   reject 1
      6    identity opens, history, attestation, proof verify        reject 2; 3 if only times fail
      7    identity not revoked, not enrolled elsewhere, not older   reject 4
      8    one transaction in the repository                         lost race: 2 again

The checks are in the order of their cost, and no X25519 happens before check 4: strangers are turned away by hashes and
one read. `MessageHandler` (handling.py) asks the repository in between.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from ockam.enrollment import x3dh
from ockam.enrollment.attributes import member_attributes
from ockam.enrollment.bucket import Buckets, Rate
from ockam.enrollment.enrollment_bundle import service_history_to_send
from ockam.enrollment.errors import LowOrderKey
from ockam.enrollment.messages import (
    ANSWER_NONCE_SIZE,
    Accepted,
    Answer,
    DeviceIdentity,
    EnrollmentMessage,
    Rejected,
    RejectReason,
    SealedAnswer,
    encode_answer,
    message_id,
)
from ockam.enrollment.pending import State, reported_state, short_form
from ockam.enrollment.prekey_bundle import SecretKey
from ockam.enrollment.session import ChannelKeys, SessionKeys, seal_answer
from ockam.enrollment.x3dh import EnrollmentDoesNotOpen, open_enrollment, same_bytes
from ockam.errors import DecodeError, OckamError
from ockam.identity.change_history import ChangeHistory, Comparison, Identity, compare
from ockam.identity.purpose_key import PurposeKeyAttestationData, SecureChannelStatic
from ockam.identity.verification import (
    check_attestation_data,
    read_attestation_data,
    verify_change_history,
    verify_purpose_key_attestation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.enrollment.prekey_bundle import IdentityKey
    from ockam.enrollment.repository import KnownIdentity, MessageLookup, StoredBundle, StoredEnrollee
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import CredentialPurposeKey
    from ockam.vault.interfaces import SigningVault, VerifyingVault

# Chosen by us.
DEFAULT_CREDENTIAL_TTL_SECONDS: Final = 24 * 3600
DEFAULT_SOURCE_RATE: Final = Rate(per_second=2000.0, burst=4000.0)
DEFAULT_BUNDLE_RATE: Final = Rate(per_second=2.0, burst=10.0)
RESEND_INTERVAL_SECONDS: Final = 1
_RESENDS_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """The service's identity and keys; replaced as a whole when one of them rotates."""

    identity: Identity
    enrollment_key: IdentityKey
    credential_key: CredentialPurposeKey
    signer: SigningVault
    verifier: VerifyingVault


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the operator chose.

    Attributes:
        administrators: the service's own home and the identifiers it was started with.
        bundle_routes: MultiAddrs of the worker `enrollment`, in order of preference.
        member_routes: MultiAddrs of the listener for members.
        credential_ttl: seconds.
        pending_seconds: default for approvals; 0 is never.
        quota: unused bundles, and pending records, per enroller.
        gives_relays: whether devices get a relay name.
        source_rate: messages per source; cheap ones, one read each.
        bundle_rate: messages that name a good bundle and record; key agreement each.
    """

    administrators: frozenset[Identifier]
    bundle_routes: tuple[str, ...]
    member_routes: tuple[str, ...]
    credential_ttl: int = DEFAULT_CREDENTIAL_TTL_SECONDS
    pending_seconds: int = 24 * 3600
    quota: int = 10_000
    gives_relays: bool = True
    source_rate: Rate = DEFAULT_SOURCE_RATE
    bundle_rate: Rate = DEFAULT_BUNDLE_RATE


class Silence(Enum):
    """Why nothing is answered; the first number is the check that failed. For counters only, never for the peer."""

    SOURCE_TOO_FAST = (1, "source too fast")
    MALFORMED = (1, "malformed")
    UNKNOWN_BUNDLE = (2, "unknown bundle")
    USED_BUNDLE = (2, "used bundle")
    EXPIRED_BUNDLE = (2, "expired bundle")
    RESENT_JUST_NOW = (2, "resent just now")
    UNKNOWN_ENROLLEE = (3, "unknown enrollee")
    NOT_PENDING = (3, "not pending")
    OTHER_ENROLLER = (3, "bundle of another enroller")
    BUNDLE_TOO_FAST = (4, "bundle too fast")
    LOW_ORDER_KEY = (4, "low-order key")
    DOES_NOT_OPEN = (4, "does not open")
    LOST_RACE = (8, "lost race")
    FAILED = (8, "internal error")

    @property
    def check(self) -> int:
        """The check of the table above."""
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Received:
    """A message that passed check 1."""

    message: EnrollmentMessage
    message_id: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Resend:
    """This very message was answered: the same bytes again. Starts no channel."""

    answer: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """The message opened and is rejected; `answer_key` seals the answer."""

    received: Received
    reason: RejectReason
    answer_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedDevice:
    """A message that passed check 6: what the device proved, and the keys."""

    received: Received
    bundle: StoredBundle
    enrollee: StoredEnrollee
    identity: Identity
    attestation: PurposeKeyAttestationData
    answer_key: bytes = field(repr=False)
    channel: ChannelKeys


Decision: TypeAlias = Silence | Resend | Reject | VerifiedDevice


class EnrollmentService:
    """The pure part of the service.

    Args:
        keys: identity and keys; assign anew after a rotation.
        settings: what the operator chose.
        random: returns that many bytes of the system's random source.
    """

    def __init__(self, keys: ServiceKeys, settings: ServiceSettings, random: Callable[[int], bytes]) -> None:
        self.keys = keys
        self.settings = settings
        self.random = random
        self._sources = Buckets(settings.source_rate)
        self._bundles = Buckets(settings.bundle_rate)
        self._resent: OrderedDict[bytes, int] = OrderedDict()

    def receive(self, source: bytes, data: bytes, now: float) -> Silence | Received:
        """Check 1. `source` names who sent it (its transport address), `data` is unauthenticated."""
        if not self._sources.take(source, now):
            return Silence.SOURCE_TOO_FAST
        try:
            message = EnrollmentMessage.decode(data)
        except DecodeError:
            return Silence.MALFORMED
        return Received(message, message_id(data), len(data))

    def check(self, received: Received, lookup: MessageLookup, now: int) -> Decision:
        """Checks 2 to 6, with what the repository knows."""
        if lookup.answer is not None:
            return self.resend(received, lookup.answer, now)
        bundle = lookup.bundle
        if bundle is None:
            return Silence.UNKNOWN_BUNDLE
        if bundle.used or bundle.signed_prekey is None or bundle.one_time_prekey is None:
            return Silence.USED_BUNDLE
        if now >= bundle.expires_at:
            return Silence.EXPIRED_BUNDLE
        enrollee = self._check_enrollee(received.message, lookup.enrollee, bundle, now)
        if isinstance(enrollee, Silence):
            return enrollee
        if not self._bundles.take(bundle.bundle_id, now):
            return Silence.BUNDLE_TOO_FAST
        prekeys = SecretKey(bundle.signed_prekey), SecretKey(bundle.one_time_prekey)
        return self._open(received, bundle, enrollee, prekeys, now)

    def resend(self, received: Received, answer: bytes, now: int) -> Silence | Resend:
        """Return the stored answer of a message, at most once a second."""
        identifier = received.message_id
        last = self._resent.pop(identifier, None)
        allowed = last is None or now - last >= RESEND_INTERVAL_SECONDS
        self._resent[identifier] = now if allowed or last is None else last
        if len(self._resent) > _RESENDS_REMEMBERED:
            self._resent.popitem(last=False)
        return Resend(answer) if allowed else Silence.RESENT_JUST_NOW

    def check_identity(self, device: VerifiedDevice, known: KnownIdentity) -> Reject | None:
        """Check 7: None when the identity may be enrolled."""
        elsewhere = known.enrolled_as is not None and known.enrolled_as != device.enrollee.record.id
        if known.revoked or elsewhere or self._is_older(device.identity, known.history):
            return Reject(device.received, RejectReason.IDENTITY_NOT_ALLOWED, device.answer_key)
        return None

    def relay_name(self, device: VerifiedDevice) -> str | None:
        """Return the name of the device's relay: unique, as enrollment identifiers are."""
        return short_form(device.enrollee.record.id) if self.settings.gives_relays else None

    def attributes(self, device: VerifiedDevice) -> dict[str, str]:
        """Return the attributes of the device's credential."""
        return member_attributes(device.enrollee.record.attributes, self.relay_name(device))

    def accepted_answer(self, device: VerifiedDevice, credential: CredentialAndPurposeKey, now: int) -> bytes:
        """Return the sealed answer that accepts the device."""
        accepted = Accepted(
            credential,
            service_history_to_send(self.keys.identity, device.bundle.history_changes),
            self.settings.member_routes,
            self.relay_name(device),
            self.settings.credential_ttl,
            now,
        )
        return self._seal(accepted, device.answer_key, device.received.message_id)

    def rejected_answer(self, reject: Reject, now: int) -> bytes:
        """Return the sealed answer that rejects the message."""
        return self._seal(Rejected.because(reject.reason, now), reject.answer_key, reject.received.message_id)

    def statistics(self) -> dict[str, int]:
        """Return how much is remembered; bounded whatever arrives."""
        return {"sources": len(self._sources), "bundles": len(self._bundles), "resent": len(self._resent)}

    def _check_enrollee(
        self, message: EnrollmentMessage, enrollee: StoredEnrollee | None, bundle: StoredBundle, now: int
    ) -> StoredEnrollee | Silence:
        if enrollee is None or not same_bytes(enrollee.record.id, message.enrollment_identifier):
            return Silence.UNKNOWN_ENROLLEE
        record = enrollee.record
        if reported_state(record.state, record.expires_at, now) is not State.PENDING:
            return Silence.NOT_PENDING
        administrators = self.settings.administrators
        if bundle.owner != record.added_by and not {bundle.owner, record.added_by} & administrators:
            return Silence.OTHER_ENROLLER
        return enrollee

    def _open(
        self,
        received: Received,
        bundle: StoredBundle,
        enrollee: StoredEnrollee,
        prekeys: tuple[SecretKey, SecretKey],
        now: int,
    ) -> Decision:
        message = received.message
        assert enrollee.eik is not None  # it is deleted with the change to `enrolled`, and the record is pending
        try:
            agreement = x3dh.service_agreement(self.keys.enrollment_key, *prekeys, enrollee.eik, message.ek)
            opened = open_enrollment(agreement, message.x3dh)
        except LowOrderKey:
            return Silence.LOW_ORDER_KEY
        except EnrollmentDoesNotOpen:
            return Silence.DOES_NOT_OPEN
        session = SessionKeys.derive(agreement, bundle.bundle_hash, message.x3dh)
        if not opened.is_signed_by(enrollee.eik):
            return Reject(received, RejectReason.INVALID_KEY_SIGNATURE, session.answer_key)
        verified = self._verify_identity(message, session, opened.enrollee_identity, now)
        if isinstance(verified, RejectReason):
            return Reject(received, verified, session.answer_key)
        identity, attestation = verified
        return VerifiedDevice(received, bundle, enrollee, identity, attestation, session.answer_key, session.channel)

    def _verify_identity(
        self, message: EnrollmentMessage, session: SessionKeys, enrollee_identity: bytes, now: int
    ) -> tuple[Identity, PurposeKeyAttestationData] | RejectReason:
        verifier = self.keys.verifier
        plaintext = session.open_identity(message.bundle_id, message.x3dh, message.identity)
        if plaintext is None:
            return RejectReason.INVALID_IDENTITY
        try:
            device = DeviceIdentity.decode(plaintext)
            identity = verify_change_history(device.change_history, verifier)
            says = read_attestation_data(device.attestation)
            # As of its own creation first: what fails then is no matter of clocks.
            data = verify_purpose_key_attestation(
                device.attestation, identity, says.created_at, verifier, identity.identifier
            )
            proven = verifier.verify(identity.latest_public_key, session.proof_hash, device.proof)
        except OckamError:
            return RejectReason.INVALID_IDENTITY
        key = data.public_key
        if not proven or not isinstance(key, SecureChannelStatic) or key.key.value != enrollee_identity:
            return RejectReason.INVALID_IDENTITY
        try:
            check_attestation_data(data, identity, now)
        except OckamError:
            return RejectReason.INVALID_TIMES
        return identity, data

    def _is_older(self, identity: Identity, known_history: bytes | None) -> bool:
        if known_history is None:
            return False
        known = verify_change_history(ChangeHistory.decode(known_history), self.keys.verifier)
        return compare(identity, known) in (Comparison.OLDER, Comparison.CONFLICT)

    def _seal(self, answer: Answer, answer_key: bytes, identifier: bytes) -> bytes:
        nonce = self.random(ANSWER_NONCE_SIZE)
        return SealedAnswer(nonce, seal_answer(answer_key, nonce, identifier, encode_answer(answer))).encode()
