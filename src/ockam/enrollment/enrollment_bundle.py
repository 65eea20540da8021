"""Enrollment bundles: what an enroller carries from the service to a device.

    SignedEnrollmentBundle  84 <bundle: bytes> <signature> <PurposeKeyAttestation> <ChangeHistory>
    bundle                  VersionedData, type 16, of EnrollmentBundle
    EnrollmentBundle        87 <bundle_id: bytes 16> <service: Identifier> <prekey_bundle: bytes 160>
                               <routes: [* MultiAddr text]> <created_at> <expires_at> <suite: uint>

The signature is by the service's credential purpose key over SHA-256 of `bundle`, checked like that of a credential.
Text form: `ockam-bundle:1:` and base64url. One bundle enrolls one device.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ockam.encoding.cbor import Decoder, decode_exactly, encode_array, encode_bytes, encode_uint
from ockam.enrollment.errors import (
    BundleExpired,
    BundleFromTheFuture,
    BundleNotUnderstood,
    InvalidBundleAttestation,
    InvalidBundleHistory,
    InvalidBundlePrekeySignature,
    InvalidBundleSignature,
    NoUsableRoute,
    UnsupportedSuite,
    WrongBundleLength,
    WrongService,
)
from ockam.enrollment.messages import BUNDLE_ID_SIZE, encode_texts, read_texts
from ockam.enrollment.prekey_bundle import PREKEY_BUNDLE_SIZE, PrekeyBundle
from ockam.enrollment.session import DATA_TYPE_BUNDLE
from ockam.enrollment.text_form import decode_text_form, encode_text_form
from ockam.enrollment.xeddsa import is_usable_public_key
from ockam.errors import DecodeError, OckamError
from ockam.identity.change_history import ChangeHistory, Identity
from ockam.identity.identifier import Identifier
from ockam.identity.purpose_key import CredentialSigning, PurposeKeyAttestation, PurposeKeyAttestationData
from ockam.identity.timestamp import is_ahead
from ockam.identity.verification import verify_change_history, verify_purpose_key_attestation
from ockam.identity.versioned_data import VERSION, VersionedData
from ockam.multiaddr import MultiAddr, resolve
from ockam.vault.signatures import Signature, read_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ockam.vault.interfaces import VerifyingVault

# Fixed by the protocol.
BUNDLE_PREFIX: Final = "ockam-bundle:1:"
SUITE_X3DH_25519_AESGCM_SHA256: Final = 0
FINGERPRINT_DIGITS: Final = 20
# Chosen by us: a history of 50 changes still fits.
MAX_BUNDLE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class EnrollmentBundle:
    """What the service signed. Times are in seconds; expiry is exclusive."""

    bundle_id: bytes
    service: Identifier
    prekeys: PrekeyBundle
    routes: tuple[str, ...]
    created_at: int
    expires_at: int
    suite: int = SUITE_X3DH_25519_AESGCM_SHA256

    def encode(self) -> bytes:
        """Return the encoded array of seven."""
        return encode_array(
            encode_bytes(self.bundle_id),
            self.service.encode(),
            encode_bytes(self.prekeys.encode()),
            encode_texts(self.routes),
            encode_uint(self.created_at),
            encode_uint(self.expires_at),
            encode_uint(self.suite),
        )

    def signed_data(self) -> bytes:
        """Return the VersionedData around it: its SHA-256 is what the service signs."""
        return VersionedData(VERSION, DATA_TYPE_BUNDLE, self.encode()).encode()

    @classmethod
    def read(cls, decoder: Decoder) -> EnrollmentBundle:
        """Read one from unauthenticated CBOR; raise `DecodeError` or `WrongBundleLength`."""
        fields = decoder.array()
        fields.require()
        bundle_id = decoder.bytes(BUNDLE_ID_SIZE)
        fields.require()
        service = Identifier.read(decoder)
        fields.require()
        prekeys = decoder.bytes()
        if len(prekeys) != PREKEY_BUNDLE_SIZE:
            raise WrongBundleLength
        fields.require()
        routes = read_texts(decoder)
        fields.require()
        created_at = decoder.uint()
        fields.require()
        expires_at = decoder.uint()
        fields.require()
        suite = decoder.uint(32)
        fields.close()
        return cls(bundle_id, service, PrekeyBundle.decode(prekeys), routes, created_at, expires_at, suite)


@dataclass(frozen=True, slots=True)
class SignedEnrollmentBundle:
    """A bundle as received: `bundle` stays the bytes that were signed. Not verified: see `verify_bundle`."""

    bundle: bytes
    signature: Signature
    attestation: PurposeKeyAttestation
    history: ChangeHistory

    @property
    def bundle_hash(self) -> bytes:
        """SHA-256 of the signed bytes, 32 bytes."""
        return sha256(self.bundle).digest()

    @property
    def fingerprint(self) -> str:
        """The first 20 hex digits of SHA-256 of the signed bytes."""
        return self.bundle_hash.hex()[:FINGERPRINT_DIGITS]

    def encode(self) -> bytes:
        """Return the binary form."""
        return encode_array(
            encode_bytes(self.bundle), self.signature.encode(), self.attestation.encode(), self.history.encode()
        )

    @property
    def text(self) -> str:
        """The text form, for files, stdin and QR codes."""
        return encode_text_form(BUNDLE_PREFIX, self.encode())

    @classmethod
    def read(cls, decoder: Decoder) -> SignedEnrollmentBundle:
        """Read one from unauthenticated CBOR."""
        fields = decoder.array()
        fields.require()
        bundle = decoder.bytes()
        fields.require()
        signature = read_signature(decoder)
        fields.require()
        attestation = PurposeKeyAttestation.read(decoder)
        fields.require()
        history = ChangeHistory.read(decoder)
        fields.close()
        return cls(bundle, signature, attestation, history)

    @classmethod
    def decode(cls, data: bytes) -> SignedEnrollmentBundle:
        """Read the binary form strictly from unauthenticated bytes.

        Raises:
            BundleNotUnderstood: cut, altered in shape, or more than 16 KiB.
        """
        if len(data) > MAX_BUNDLE_BYTES:
            raise BundleNotUnderstood
        try:
            return decode_exactly(data, cls.read, cls.encode)
        except DecodeError as error:
            raise BundleNotUnderstood from error

    @classmethod
    def parse(cls, text: str) -> SignedEnrollmentBundle:
        """Read the text form; raise `BundleNotUnderstood`."""
        try:
            data = decode_text_form(BUNDLE_PREFIX, text)
        except DecodeError as error:
            raise BundleNotUnderstood(error.message) from error
        return cls.decode(data)

    @classmethod
    def load(cls, data: bytes) -> SignedEnrollmentBundle:
        """Read either form, as a file or stdin may hold; raise `BundleNotUnderstood`."""
        if not data.lstrip().startswith(BUNDLE_PREFIX.encode()):
            return cls.decode(data)
        try:
            return cls.parse(data.decode("ascii"))
        except UnicodeDecodeError as error:
            raise BundleNotUnderstood from error

    def contents(self) -> EnrollmentBundle:
        """Return what the bundle says, not verified.

        Raises:
            BundleNotUnderstood: another shape, version or data type.
            WrongBundleLength: the prekeys are not 160 bytes.
        """
        try:
            versioned = decode_exactly(self.bundle, VersionedData.read, VersionedData.encode)
            if versioned.version != VERSION or versioned.data_type != DATA_TYPE_BUNDLE:
                raise BundleNotUnderstood
            return decode_exactly(versioned.data, EnrollmentBundle.read, EnrollmentBundle.encode)
        except DecodeError as error:
            raise BundleNotUnderstood from error


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle that holds. Made by `verify_bundle` alone."""

    signed: SignedEnrollmentBundle
    contents: EnrollmentBundle
    service: Identity
    routes: tuple[str, ...]
    """Those that can be used here, in order of preference."""


def route_is_usable(route: str) -> bool:
    """Say whether an unauthenticated text is a MultiAddr that names a transport and then a worker."""
    try:
        resolved = resolve(MultiAddr.parse(route))
    except OckamError:
        return False
    return resolved.transport is not None and bool(resolved.route.addresses)


def verify_bundle(
    signed: SignedEnrollmentBundle,
    now: int,
    verifier: VerifyingVault,
    expected_service: Identifier | None = None,
    is_usable: Callable[[str], bool] = route_is_usable,
) -> VerifiedBundle:
    """Return the bundle once it holds; an enroller asks on receipt, the device again.

    Args:
        signed: as received, unauthenticated.
        now: seconds. A device without a clock passes `created_at` and leaves expiry to the service.
        verifier: judges signatures.
        expected_service: the pinned service, if any.
        is_usable: whether a route can be used on this machine.

    Raises:
        BundleRefused: one of its subclasses, each of which says what is wrong.
    """
    contents = signed.contents()
    if expected_service is not None and contents.service != expected_service:
        raise WrongService
    if contents.suite != SUITE_X3DH_25519_AESGCM_SHA256:
        raise UnsupportedSuite
    service = _verify_history(signed, contents, verifier)
    # Expiry first: where the clock is past the bundle's and the attestation's end, the bundle is what to replace.
    if now >= contents.expires_at:
        raise BundleExpired
    _verify_signature(signed, contents, service, now, verifier)
    prekeys = contents.prekeys
    if not prekeys.is_signed():
        raise InvalidBundlePrekeySignature
    if not (is_usable_public_key(prekeys.signed_prekey) and is_usable_public_key(prekeys.one_time_prekey)):
        raise InvalidBundlePrekeySignature("the prekeys in the bundle are of small order. Do not use this bundle.")
    routes = tuple(route for route in contents.routes if is_usable(route))
    if not routes:
        raise NoUsableRoute
    return VerifiedBundle(signed, contents, service, routes)


def service_history_to_send(known: Identity, bundle_changes: int) -> ChangeHistory | None:
    """Return the service's history for an accepted device: only when longer than the one in its bundle."""
    return known.change_history if len(known.changes) > bundle_changes else None


def check_routes(routes: Sequence[str]) -> None:
    """Refuse, before signing, routes that no device could use.

    Raises:
        NoUsableRoute: there is none, or one of them is not usable.
    """
    if not routes or not all(map(route_is_usable, routes)):
        raise NoUsableRoute


def _verify_history(signed: SignedEnrollmentBundle, contents: EnrollmentBundle, verifier: VerifyingVault) -> Identity:
    try:
        return verify_change_history(signed.history, verifier, contents.service)
    except OckamError as error:
        raise InvalidBundleHistory from error


def _verify_signature(
    signed: SignedEnrollmentBundle, contents: EnrollmentBundle, service: Identity, now: int, verifier: VerifyingVault
) -> None:
    try:
        attested = verify_purpose_key_attestation(signed.attestation, service, now, verifier, contents.service)
    except OckamError as error:
        raise InvalidBundleAttestation from error
    if not isinstance(attested.public_key, CredentialSigning):
        raise InvalidBundleAttestation
    try:
        good = verifier.verify(attested.public_key.key, verifier.sha256(signed.bundle), signed.signature)
    except OckamError as error:
        raise InvalidBundleSignature from error
    if not good:
        raise InvalidBundleSignature
    _check_times(contents, attested, now)


def _check_times(contents: EnrollmentBundle, attested: PurposeKeyAttestationData, now: int) -> None:
    # As of a credential: inside the attestation's window, and not from the future.
    if contents.created_at < attested.created_at or contents.expires_at > attested.expires_at:
        raise InvalidBundleAttestation
    if is_ahead(contents.created_at, now):
        raise BundleFromTheFuture
