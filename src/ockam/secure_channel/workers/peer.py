"""Who is at the other end: the checks that every peer has to pass before a channel exists.

The order is the reference's (its numbers are those of docs/secure-channels.md "Verification"), except that nothing of
an unverified peer is stored: the reference keeps the change history of a peer that fails a later check.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ockam.errors import OckamError
from ockam.identity.change_history import ChangeHistory, Comparison, Identity, compare
from ockam.identity.errors import ConsistencyError
from ockam.identity.identifier import Identifier
from ockam.identity.verification import verify_change_history, verify_purpose_key_attestation
from ockam.secure_channel.errors import SecureChannelTrustCheckFailed
from ockam.secure_channel.identity_payload import IdentityAndCredentials, check_attested_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identities import Identities
    from ockam.secure_channel.trust_policy import TrustPolicy
    from ockam.vault.keys import X25519PublicKey

__all__ = ["receive_credentials", "verify_peer"]

log = logging.getLogger("ockam.secure_channel")

# Chosen by us: a peer that comes back says the same about itself. Only the parsing is remembered, no verdict.
MAX_REMEMBERED_BYTES: Final = 4096
_decode = lru_cache(maxsize=512)(IdentityAndCredentials.decode)


async def verify_peer(
    identities: Identities,
    payload: bytes,
    static_key: X25519PublicKey,
    trust_policy: TrustPolicy,
    authorities: Sequence[Identifier],
) -> Identifier:
    """Return the identifier that the peer has proven to be, after every check; store its history and attributes.

    Args:
        payload: of handshake message 2 or 3, sent by whoever holds the secret of `static_key`.
        static_key: rs of the handshake.
        trust_policy: has the last word.
        authorities: whose credentials count, each by itself.

    Raises:
        OckamError: a check failed. Credentials that do not verify are only logged.
    """
    presented = _decode(payload) if len(payload) <= MAX_REMEMBERED_BYTES else IdentityAndCredentials.decode(payload)
    identity = await _verify_history(identities, presented.change_history)
    data = verify_purpose_key_attestation(
        presented.purpose_key_attestation,
        identity,
        identities.now(),
        identities.vault.verifying,
        identity.identifier,
    )
    check_attested_key(data, static_key)
    if not trust_policy.check(identity.identifier):
        raise SecureChannelTrustCheckFailed
    await identities.repositories.change_histories.update_identity(identity)
    await receive_credentials(identities, identity.identifier, presented.credentials, authorities)
    return identity.identifier


async def receive_credentials(
    identities: Identities,
    subject: Identifier,
    credentials: Sequence[CredentialAndPurposeKey],
    authorities: Sequence[Identifier],
) -> None:
    """Keep what each presented credential that verifies says; the last one stands. Nothing here ends a channel."""
    if not authorities:
        if credentials:
            log.warning("%s presented a credential, but no authority is set: it counts for nothing", subject)
        return
    for credential in credentials:
        try:
            await identities.receive_presented_credential(subject, authorities, credential)
        except OckamError as error:
            log.warning("a credential that %s presented does not count: %s", subject, error)


async def _verify_history(identities: Identities, history: ChangeHistory) -> Identity:
    histories = identities.repositories.change_histories
    verifier = identities.vault.verifying
    known = None
    if history.changes:
        known = await histories.change_history(Identifier(verifier.sha256(history.changes[0].data)))
        if known is not None and known.change_history == history:
            # Verified before it was stored, and verifying is a pure function of these bytes.
            return known
    identity = verify_change_history(history, verifier)
    if known is not None and compare(identity, known) in (Comparison.OLDER, Comparison.CONFLICT):
        raise ConsistencyError
    return identity
