"""Making bundles and member credentials. Signing may happen in another machine, so these are asynchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.enrollment.enrollment_bundle import EnrollmentBundle, SignedEnrollmentBundle, check_routes
from ockam.enrollment.errors import InvalidField
from ockam.enrollment.messages import BUNDLE_ID_SIZE
from ockam.enrollment.pending import bundle_expiry
from ockam.enrollment.prekey_bundle import KEY_SIZE, PrekeyBundle, SecretKey
from ockam.enrollment.repository import IssuedBundle
from ockam.enrollment.xeddsa import NONCE_SIZE
from ockam.identity.attributes import Attributes
from ockam.identity.credential import CredentialAndPurposeKey, CredentialData
from ockam.identity.issuing import issue_credential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ockam.enrollment.service import ServiceKeys, ServiceSettings
    from ockam.identity.change_history import Identity


async def issue_bundle(
    keys: ServiceKeys, settings: ServiceSettings, expires_in: int | None, now: int, random: Callable[[int], bytes]
) -> IssuedBundle:
    """Make one bundle with fresh prekeys.

    Args:
        keys: of the service.
        settings: its routes.
        expires_in: seconds, None for seven days.
        now: seconds.
        random: the system's random source; 272 bytes are taken.

    Raises:
        NoUsableRoute: the service has no route, or one that no device could use.
        InvalidField: expires_in is 0, more than a year, or beyond the attestation of the credential key.
    """
    check_routes(settings.bundle_routes)
    expires_at = bundle_expiry(now, expires_in)
    if expires_at > keys.credential_key.data.expires_at:
        raise InvalidField("expires_in_seconds", "the service's own key expires before that")
    signed_prekey, one_time_prekey = SecretKey(random(KEY_SIZE)), SecretKey(random(KEY_SIZE))
    prekeys = PrekeyBundle.create(keys.enrollment_key, signed_prekey.public, one_time_prekey.public, random(NONCE_SIZE))
    bundle_id = random(BUNDLE_ID_SIZE)
    bundle = EnrollmentBundle(bundle_id, keys.identity.identifier, prekeys, settings.bundle_routes, now, expires_at)
    data = bundle.signed_data()
    signature = await keys.signer.sign(keys.credential_key.handle, keys.verifier.sha256(data))
    signed = SignedEnrollmentBundle(data, signature, keys.credential_key.attestation, keys.identity.change_history)
    return IssuedBundle(
        bundle_id,
        signed.encode(),
        signed.bundle_hash,
        expires_at,
        len(keys.identity.changes),
        signed_prekey.secret,
        one_time_prekey.secret,
    )


async def issue_member_credential(
    keys: ServiceKeys, subject: Identity, attributes: Mapping[str, str], ttl_seconds: int, now: int
) -> CredentialAndPurposeKey:
    """Return a credential for a verified identity, which need not be stored yet.

    Args:
        keys: of the service.
        subject: about whom.
        attributes: as in `attributes.member_attributes`.
        ttl_seconds: how long it is valid; cut to the attestation of the credential key, or nobody would accept it.
        now: seconds.
    """
    data = CredentialData(
        subject.identifier,
        subject.latest_change_hash,
        Attributes.from_text(attributes),
        now,
        min(now + ttl_seconds, keys.credential_key.data.expires_at),
    )
    return await issue_credential(data, keys.credential_key, keys.signer, keys.verifier)
