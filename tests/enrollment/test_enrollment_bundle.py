"""Every refusal of a bundle has its own error and text."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ockam.enrollment.enrollee import verify_bundle_on_device
from ockam.enrollment.enrollment_bundle import (
    EnrollmentBundle,
    SignedEnrollmentBundle,
    check_routes,
    route_is_usable,
    service_history_to_send,
    verify_bundle,
)
from ockam.enrollment.errors import (
    BundleExpired,
    BundleFromTheFuture,
    BundleNotUnderstood,
    BundleRefused,
    InvalidBundleAttestation,
    InvalidBundleHistory,
    InvalidBundlePrekeySignature,
    InvalidBundleSignature,
    InvalidField,
    NoUsableRoute,
    UnsupportedSuite,
    WrongBundleLength,
    WrongService,
)
from ockam.enrollment.issuing import issue_bundle
from ockam.enrollment.prekey_bundle import PrekeyBundle
from ockam.identity.purpose_key import PurposeKeyAttestationData, SecureChannelStatic
from ockam.identity.versioned_data import VersionedData
from ockam.testing import FixedRandom
from ockam.vault.keys import X25519PublicKey
from ockam.vault.signatures import EcdsaP256Signature
from tests.enrollment.model import (
    DEVICE,
    ENROLLER,
    NOW,
    SERVICE,
    SERVICE_KEYS,
    SIGNED_BUNDLE,
    T0,
    VERIFIER,
    history,
    model_service,
    secret_key,
    signing_vault,
)

CONTENTS = SIGNED_BUNDLE.contents()


def signed(data: bytes) -> SignedEnrollmentBundle:
    """Return a bundle with any data, well signed."""
    vault, (handle,) = signing_vault("service credential key")
    return replace(SIGNED_BUNDLE, bundle=data, signature=asyncio.run(vault.sign(handle, VERIFIER.sha256(data))))


def altered(**fields: Any) -> SignedEnrollmentBundle:
    """Return a bundle with other contents, well signed."""
    return signed(replace(CONTENTS, **fields).signed_data())


def prekeys(signed_prekey: bytes, one_time_prekey: bytes) -> PrekeyBundle:
    return PrekeyBundle.create(secret_key("service identity (IK_S)"), signed_prekey, one_time_prekey, bytes(64))


def attested_as_channel_key() -> SignedEnrollmentBundle:
    vault, (handle,) = signing_vault("service identity")
    data = PurposeKeyAttestationData(
        SERVICE.identifier,
        SERVICE.latest_change_hash,
        SecureChannelStatic(X25519PublicKey(bytes(32))),
        T0,
        T0 + 10**8,
    )
    encoded = VersionedData(1, 2, data.encode()).encode()
    signature = asyncio.run(vault.sign(handle, VERIFIER.sha256(encoded)))
    attestation = replace(SIGNED_BUNDLE.attestation, data=encoded, signature=signature)
    return replace(SIGNED_BUNDLE, attestation=attestation)


REFUSALS: list[tuple[type[BundleRefused], Callable[[], Any]]] = [
    (BundleNotUnderstood, lambda: SignedEnrollmentBundle.decode(SIGNED_BUNDLE.encode() + b"\0")),
    (BundleNotUnderstood, lambda: SignedEnrollmentBundle.decode(SIGNED_BUNDLE.encode()[:-1])),
    (BundleNotUnderstood, lambda: SignedEnrollmentBundle.decode(bytes(16 * 1024 + 1))),
    (BundleNotUnderstood, lambda: SignedEnrollmentBundle.parse(SIGNED_BUNDLE.text[:-1])),
    (BundleNotUnderstood, lambda: SignedEnrollmentBundle.parse("ockam-offer:1:gg")),
    (BundleNotUnderstood, lambda: SignedEnrollmentBundle.load(b"ockam-bundle:1:\xff")),
    (BundleNotUnderstood, lambda: signed(b"\x80")),
    (BundleNotUnderstood, lambda: signed(VersionedData(2, 16, CONTENTS.encode()).encode())),
    (BundleNotUnderstood, lambda: signed(VersionedData(1, 3, CONTENTS.encode()).encode())),
    (BundleNotUnderstood, lambda: signed(VersionedData(1, 16, CONTENTS.encode() + b"\0").encode())),
    (WrongBundleLength, lambda: signed(CONTENTS.signed_data().replace(b"\x58\xa0", b"\x58\x9f"))),
    (UnsupportedSuite, lambda: altered(suite=1)),
    (InvalidBundleHistory, lambda: altered(service=ENROLLER)),
    (InvalidBundleHistory, lambda: replace(SIGNED_BUNDLE, history=history("device identity"))),
    (InvalidBundleAttestation, attested_as_channel_key),
    (InvalidBundleAttestation, lambda: altered(created_at=T0 - 1)),
    (InvalidBundleAttestation, lambda: altered(expires_at=T0 + 10**9)),
    (
        InvalidBundleSignature,
        lambda: replace(SIGNED_BUNDLE, bundle=replace(CONTENTS, expires_at=NOW + 5).signed_data()),
    ),
    (InvalidBundleSignature, lambda: replace(SIGNED_BUNDLE, signature=EcdsaP256Signature(bytes(64)))),
    (BundleExpired, lambda: altered(expires_at=NOW)),
    (BundleFromTheFuture, lambda: altered(created_at=NOW + 61)),
    (InvalidBundlePrekeySignature, lambda: altered(prekeys=replace(CONTENTS.prekeys, signature=bytes(64)))),
    (InvalidBundlePrekeySignature, lambda: altered(prekeys=prekeys(bytes(32), b"\x09" + bytes(31)))),
    (InvalidBundlePrekeySignature, lambda: altered(prekeys=prekeys(b"\x09" + bytes(31), bytes(32)))),
    (NoUsableRoute, lambda: altered(routes=())),
    (NoUsableRoute, lambda: altered(routes=("/project/p/service/enrollment", "nonsense"))),
]


@pytest.mark.parametrize(("error", "make"), REFUSALS, ids=lambda value: getattr(value, "__name__", None))
def test_refusals(error: type[BundleRefused], make: Callable[[], Any]) -> None:
    # From an altered prekey length the rest cannot be read: with its own error when it is the length alone.
    with pytest.raises(error) as refused:
        verify_bundle(make(), NOW, VERIFIER)
    assert len(refused.value.message) > 20


def test_every_refusal_has_its_own_text() -> None:
    texts = {error.__doc__ for error, _ in REFUSALS} | {WrongService.__doc__}
    assert len(texts) == len({error for error, _ in REFUSALS}) + 1


def test_pinned_service() -> None:
    with pytest.raises(WrongService):
        verify_bundle(SIGNED_BUNDLE, NOW, VERIFIER, DEVICE.identifier)


def test_expiry_is_exclusive() -> None:
    verify_bundle(SIGNED_BUNDLE, CONTENTS.expires_at - 1, VERIFIER)
    with pytest.raises(BundleExpired):
        verify_bundle(SIGNED_BUNDLE, CONTENTS.expires_at, VERIFIER)


def test_device_without_a_clock() -> None:
    assert verify_bundle_on_device(SIGNED_BUNDLE, None, VERIFIER).contents == CONTENTS
    verify_bundle_on_device(altered(created_at=NOW + 3600), NOW, VERIFIER)
    only_local = verify_bundle_on_device(
        altered(routes=("/ip4/127.0.0.1/tcp/1/service/enrollment", "/dnsaddr/x/tcp/1/service/enrollment")),
        None,
        VERIFIER,
        SERVICE.identifier,
        lambda route: route.startswith("/ip4"),
    )
    assert only_local.routes == ("/ip4/127.0.0.1/tcp/1/service/enrollment",)


def test_all_forms() -> None:
    for form in (SIGNED_BUNDLE.encode(), SIGNED_BUNDLE.text.encode(), b"\n" + SIGNED_BUNDLE.text.encode() + b"\n"):
        assert SignedEnrollmentBundle.load(form) == SIGNED_BUNDLE
    assert isinstance(CONTENTS, EnrollmentBundle)


def test_routes() -> None:
    assert route_is_usable("/ip4/127.0.0.1/tcp/4000/service/enrollment")
    for route in ("/service/enrollment", "/ip4/127.0.0.1/tcp/4000", "", "\0"):
        assert not route_is_usable(route)
        with pytest.raises(NoUsableRoute):
            check_routes([route])
    with pytest.raises(NoUsableRoute):
        check_routes([])


def test_history_is_sent_only_when_longer() -> None:
    assert service_history_to_send(SERVICE, 1) is None
    assert service_history_to_send(SERVICE, 0) == SERVICE.change_history


def test_issued_bundles() -> None:
    async def scenario() -> None:
        settings = model_service().settings
        issued = await issue_bundle(SERVICE_KEYS, settings, None, NOW, FixedRandom("bundles"))
        bundle = SignedEnrollmentBundle.decode(issued.signed)
        verified = verify_bundle(bundle, NOW, VERIFIER, SERVICE.identifier)
        assert verified.contents.expires_at == issued.expires_at == NOW + 7 * 86400
        assert (bundle.bundle_hash, verified.contents.bundle_id) == (issued.bundle_hash, issued.bundle_id)
        end = SERVICE_KEYS.credential_key.data.expires_at
        with pytest.raises(InvalidField):
            await issue_bundle(SERVICE_KEYS, settings, 11, end - 10, FixedRandom("bundles"))

    asyncio.run(scenario())
