"""A device whose answer is gone at the service, after 24 hours or by a lost disk, but who may be a member all the same.

It opens an ordinary channel to the service of its bundle, as the identity that its message was made with, and asks
`credential_issuer`. A device that is no member is told so, and goes on waiting.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ockam.core.request import Method
from ockam.enrollment.attributes import RELAY_ATTRIBUTE
from ockam.enrollment.enrollee import Enrolled
from ockam.enrollment.workers.host import API, CREDENTIAL_ISSUER, Way
from ockam.errors import OckamError
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.verification import verify_credential

if TYPE_CHECKING:
    from ockam.enrollment.enrollee import Waiting
    from ockam.enrollment.workers.host import Host, OpenChannel
    from ockam.identity.identifier import Identifier

__all__ = ["FIRST_ASKED_AFTER_SECONDS", "recover"]

log = logging.getLogger("ockam.enrollment")

# Chosen by us.
FIRST_ASKED_AFTER_SECONDS: Final = 10.0
"""Without an answer; then again whenever the time has doubled: each costs the service a handshake."""
TIMEOUT_SECONDS: Final = 10.0


async def recover(host: Host, waiting: Waiting, own: Identifier) -> Enrolled | None:
    """Ask the service whether this device is a member, and return what to store; None if it is not, or by no way."""
    contents = waiting.signed_bundle.contents()
    for text in contents.routes:
        try:
            way = Way.parse(text).ending_in(API)
            service = contents.service
            opened = await host.open_channel(way, own, service, timeout=TIMEOUT_SECONDS, authority=service)
        except OckamError as error:
            log.info("the service could not be asked over %s: %s", text, error)
            continue
        try:
            return await _ask(host, opened, waiting, own)
        finally:
            # It was opened without a credential, and so is good for nothing else.
            await opened.close()
    return None


async def _ask(host: Host, opened: OpenChannel, waiting: Waiting, own: Identifier) -> Enrolled | None:
    contents, offer = waiting.signed_bundle.contents(), waiting.offered.offer
    try:
        response = await host.ask(opened.channel, CREDENTIAL_ISSUER, Method.POST, "/", None, TIMEOUT_SECONDS)
        if not response.is_ok:
            return None
        credential = CredentialAndPurposeKey.decode(response.body or b"")
        # The handshake has brought, and stored, the service's history.
        service = await host.identities.identity(contents.service)
        verifier = host.identities.vault.verifying
        verified = verify_credential(credential, service, host.now(), verifier, own, [contents.service])
    except OckamError as error:
        log.info("the service gave no credential: %s", error)
        return None
    return Enrolled(
        offer.enrollment_identifier,
        offer.pet_name,
        contents.service,
        service.change_history,
        credential,
        (),
        verified.attributes.get(RELAY_ATTRIBUTE),
        verified.expires_at - verified.created_at,
        verified.created_at,
        waiting.offered.clock_set_aside,
        contents.routes,
    )
