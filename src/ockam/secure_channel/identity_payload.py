"""The payload of handshake messages 2 and 3: who the sender is.

    IdentityAndCredentials   [ ChangeHistory, PurposeKeyAttestation, [* CredentialAndPurposeKey] ]

Always three elements when written; an empty list of credentials is 80. Read as the reference reads: further elements
are skipped, bytes behind it are left alone, a missing element is an error.

Source: protocols/secure-channels.md "IdentityAndCredentials"; reference handshake/handshake_worker.rs and
identity_and_credentials in secure_channel/message.rs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ockam.encoding.cbor import Decoder, encode_array
from ockam.errors import DecodeError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.purpose_key import PurposeKeyAttestation, PurposeKeyAttestationData, SecureChannelStatic
from ockam.secure_channel.errors import InvalidKeyData, InvalidKeyType
from ockam.vault.keys import X25519PublicKey

__all__ = [
    "MAX_CREDENTIALS",
    "IdentityAndCredentials",
    "check_attested_key",
    "encode_credentials",
    "read_credentials",
]

# Chosen by us: every credential costs two signature checks. The reference sends none or one, and takes any number.
MAX_CREDENTIALS = 64


@dataclass(frozen=True, slots=True)
class IdentityAndCredentials:
    """What one side says about itself. Nothing in it is verified yet.

    Attributes:
        change_history: the sender's identity.
        purpose_key_attestation: for the static key of the handshake.
        credentials: at most MAX_CREDENTIALS; the reference sends none or one.
    """

    change_history: ChangeHistory
    purpose_key_attestation: PurposeKeyAttestation
    credentials: tuple[CredentialAndPurposeKey, ...] = ()

    def encode(self) -> bytes:
        """Return the CBOR form; signed parts are the bytes that were received or signed."""
        return encode_array(
            self.change_history.encode(),
            self.purpose_key_attestation.encode(),
            encode_credentials(self.credentials),
        )

    @classmethod
    def read(cls, decoder: Decoder) -> Self:
        """Return the payload that comes next in unauthenticated CBOR."""
        fields = decoder.array()
        fields.require()
        change_history = ChangeHistory.read(decoder)
        fields.require()
        attestation = PurposeKeyAttestation.read(decoder)
        fields.require()
        credentials = read_credentials(decoder)
        fields.close()
        return cls(change_history, attestation, credentials)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the payload of a handshake message, unauthenticated; bytes behind it are ignored.

        Raises:
            DecodeError: not an IdentityAndCredentials.
        """
        return cls.read(Decoder(payload))


def encode_credentials(credentials: Sequence[CredentialAndPurposeKey]) -> bytes:
    """Return the CBOR list of credentials."""
    return encode_array(*(credential.encode() for credential in credentials))


def read_credentials(decoder: Decoder) -> tuple[CredentialAndPurposeKey, ...]:
    """Return the list of credentials that comes next in unauthenticated CBOR.

    Raises:
        DecodeError: not such a list, or more than MAX_CREDENTIALS.
    """
    credentials: list[CredentialAndPurposeKey] = []
    items = decoder.array()
    while items.next():
        if len(credentials) == MAX_CREDENTIALS:
            raise DecodeError(f"more than {MAX_CREDENTIALS} credentials are presented")
        credentials.append(CredentialAndPurposeKey.read(decoder))
    return tuple(credentials)


def check_attested_key(attestation: PurposeKeyAttestationData, static_key: X25519PublicKey) -> None:
    """Check that a verified attestation is for the static key that the peer used in the handshake.

    Args:
        attestation: verified, subject included.
        static_key: rs of the handshake.

    Raises:
        InvalidKeyType: the attestation is not for a secure channel key.
        InvalidKeyData: it is for another key.
    """
    match attestation.public_key:
        case SecureChannelStatic(key):
            if key != static_key:
                raise InvalidKeyData
        case _:
            raise InvalidKeyType
