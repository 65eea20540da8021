"""What a node does with identities and credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.core.access_control import ALLOW_ALL, AccessControl
from ockam.core.route import RouteLike
from ockam.core.route import route as make_route
from ockam.encoding.hex import decode_hex
from ockam.errors import Misuse, Origin
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.purpose_key import PurposeKeyAttestation, PurposeKeyAttestationData
from ockam.identity.repository import can_be_name
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType, SigningSecret
from ockam.vault.software import (
    SoftwareSigningVault,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ockam.authority.members import Members
    from ockam.core.address import Address
    from ockam.core.flow_control import FlowControlId
    from ockam.identity.change_history import Comparison
    from ockam.identity.credential_retriever import RefreshTiming
    from ockam.identity.identifier import Identifier
    from ockam.identity.verification import VerifiedCredential
    from ockam.secure_channel.workers.remote_credential import RemoteCredentialRetriever
from ockam.node.parts import NodeParts

__all__ = ["DEFAULT_CREDENTIAL_TTL_SECONDS", "NodeIdentities"]

DEFAULT_CREDENTIAL_TTL_SECONDS = 30 * 24 * 3600
"""Source: reference credential issuer, 30 days."""


class NodeIdentities(NodeParts):
    """Identities and credentials."""

    async def create_identity(
        self, name: str | None = None, *, key_type: SigningKeyType = SigningKeyType.ED25519
    ) -> Identifier:
        """Make a new identity.

        Args:
            name: what to call it on this node.

        Raises:
            AlreadyExists: the name is taken.
            Misuse: the name is not text that can be stored: it has a NUL, or bytes that were not UTF-8.
        """
        return await self.identities.create_identity(name, key_type)

    async def identity_named(self, name: str) -> Identifier | None:
        """Return the identity of that name on this node."""
        if not can_be_name(name):
            return None
        named = await self.identities.repositories.named_identities.named_identity(name)
        return named.identifier if named is not None else None

    async def ensure_identity(self, name: str) -> Identifier:
        """Return the identity of that name on this node; make it if there is none."""
        return await self.identity_named(name) or await self.create_identity(name)

    async def import_identity(self, change_history: bytes, expected: Identifier | None = None) -> Identifier:
        """Verify the change history of another identity, and keep it.

        Args:
            change_history: as `export_identity` gave it on the other node.
            expected: whose it must be.

        Raises:
            OckamError: it does not verify, is older than or in conflict with what is known, or of another identity.
        """
        return await self.identities.import_identity(change_history, expected)

    async def export_identity(self, identifier: Identifier) -> bytes:
        """Return the change history of a known identity: public, and all that others need to know it."""
        return await self.identities.export_identity(identifier)

    async def import_identity_hex(self, change_history: str, expected: Identifier | None = None) -> Identifier:
        """Like `import_identity`, of hexadecimal text in either case."""
        return await self.import_identity(decode_hex(change_history.strip()), expected)

    async def export_identity_hex(self, identifier: Identifier) -> str:
        """Like `export_identity`, as lower-case hexadecimal text."""
        return (await self.export_identity(identifier)).hex()

    async def import_private_identity(
        self, change_history: bytes, key: SigningKeyHandle | SigningSecret, expected: Identifier | None = None
    ) -> Identifier:
        """Be an identity that was made elsewhere.

        Args:
            change_history: as `export_identity` gave it.
            key: the primary key of its latest change: its handle in the node's vault, or the secret itself, which is
                put there.
            expected: whose history it must be.

        Raises:
            WrongSecretKey: it is not that key; the history is stored all the same.
            Misuse: the vault takes no secrets.
            OckamError: the history does not verify, or is older than or in conflict with what is known.
        """
        if isinstance(key, SigningSecret):
            vault = self.identities.vault.identity
            if not isinstance(vault, SoftwareSigningVault):
                raise Misuse("this vault takes no secrets: give the handle of a key in it", origin=Origin.VAULT)
            key = await vault.import_signing_key(key)
        return await self.identities.import_private_identity(change_history, key, expected)

    async def rotate_identity(
        self,
        identifier: Identifier,
        *,
        key_type: SigningKeyType = SigningKeyType.ED25519,
        revoke_all_purpose_keys: bool = False,
    ) -> bytes:
        """Give one of our identities a new primary key, and return its change history, longer by one change.

        Open channels stay. New ones show the new history; peers that have seen it refuse the old one from then on, and
        every attestation and credential under the old key.

        Args:
            key_type: of the new key.
            revoke_all_purpose_keys: carried and signed; the rotation revokes them in any case.

        Raises:
            OckamError: not one of our identities.
        """
        rotated = await self.identities.rotate_identity(
            identifier, key_type, revoke_all_purpose_keys=revoke_all_purpose_keys
        )
        return rotated.export()

    async def create_secure_channel_key(self, identifier: Identifier) -> None:
        """Have one of our identities attest its key for channels now, if it has none that is valid.

        From then on its channels open without its primary key, which may be in a vault that is not always there.

        Raises:
            OckamError: not one of our identities, or its primary key cannot attest now.
        """
        await self.identities.secure_channel_purpose_key(identifier)

    async def compare_identity(self, change_history: bytes) -> Comparison:
        """Verify a change history, and return how it relates to what is known of the same identity; nothing is stored.

        Raises:
            IdentityNotFound: nothing is known of it.
            OckamError: it does not verify.
        """
        return await self.identities.compare_identity(change_history)

    async def verify_purpose_key_attestation(
        self, attestation: bytes, subject: Identifier
    ) -> PurposeKeyAttestationData:
        """Return what an attestation says, once it is verified; the subject must be known.

        Raises:
            OckamError: it does not verify.
        """
        return await self.identities.verify_purpose_key_attestation(PurposeKeyAttestation.decode(attestation), subject)

    async def issue_credential(
        self,
        issuer: Identifier,
        subject: Identifier,
        attributes: Mapping[str, str],
        *,
        ttl_seconds: int = DEFAULT_CREDENTIAL_TTL_SECONDS,
    ) -> bytes:
        """Return a credential of `issuer`, one of our own, about `subject`, which must be known.

        Raises:
            OckamError: the issuer is not ours, the subject not known, or the time longer than the issuer's key lives.
        """
        credential = await self.identities.issue_credential(issuer, subject, attributes, ttl_seconds)
        return credential.encode()

    async def verify_credential(
        self, credential_and_purpose_key: bytes, subject: Identifier, authorities: Sequence[Identifier]
    ) -> VerifiedCredential:
        """Return what a credential says about `subject`, once it is verified.

        Args:
            credential_and_purpose_key: as `issue_credential` gave it.
            authorities: who may have issued it; their change histories must be known.

        Raises:
            OckamError: it does not verify.
        """
        decoded = CredentialAndPurposeKey.decode(credential_and_purpose_key)
        return await self.identities.verify_credential(decoded, subject, authorities)

    async def create_credential_issuer(
        self,
        issuer: Identifier,
        members: Members | Mapping[Identifier, Mapping[str, str]],
        address: Address | str = "credential_issuer",
        *,
        ttl_seconds: int = DEFAULT_CREDENTIAL_TTL_SECONDS,
        consumer_of: Sequence[FlowControlId] = (),
        incoming: AccessControl = ALLOW_ALL,
    ) -> Address:
        """Issue credentials, as one of our identities, to members that ask over a secure channel.

        Args:
            members: who gets one, with which attributes.
            ttl_seconds: how long each is valid.
            consumer_of: flow controls whose messages reach the worker, such as that of a channel listener.
            incoming: access control for who may ask.

        Raises:
            AddressInUse: a worker has that address.
            OckamError: the issuer is not ours.
        """
        from ockam.node import credentials  # not before it is used: most nodes issue nothing

        return await credentials.create_credential_issuer(
            self, issuer, members, address, ttl_seconds, consumer_of, incoming
        )

    async def create_credential_retriever(
        self,
        subject: Identifier,
        issuer: Identifier,
        route: RouteLike,
        *,
        service: str = "credential_issuer",
        scope: str = "credential_issuer",
        timing: RefreshTiming | None = None,
    ) -> RemoteCredentialRetriever:
        """Return what asks an authority for credentials about one of our identities, and asks again in time.

        It asks when it is first used: `SecureChannelOptions(credential_retriever=...)`. One may serve any number of
        channels, which present each new credential by themselves.

        Args:
            subject: one of our identities.
            issuer: who the authority must be.
            route: to its channel listener; a TCP address in it is connected to for each request.
            service: its worker.
            scope: under which the credential is stored, to be found again after a restart.
            timing: when it is asked again.
        """
        from ockam.node import credentials

        tcp, wanted = self._parts.tcp(), make_route(route)
        return credentials.create_credential_retriever(
            self, lambda: credentials.connected(tcp, wanted), subject, issuer, service, scope, timing
        )
