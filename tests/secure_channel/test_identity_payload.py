import json
from pathlib import Path
from typing import Any

import pytest

from ockam.encoding.cbor import encode_array_head
from ockam.errors import DecodeError
from ockam.identity.errors import InvalidKeyData, InvalidKeyType
from ockam.identity.identifier import ChangeHash, Identifier
from ockam.identity.purpose_key import CredentialSigning, PurposeKeyAttestationData, SecureChannelStatic
from ockam.secure_channel.identity_payload import MAX_CREDENTIALS, IdentityAndCredentials, check_attested_key
from ockam.vault.keys import Ed25519PublicKey, X25519PublicKey

MODEL: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "data" / "secure-channel-model.json").read_text()
)
WITH_CREDENTIAL = bytes.fromhex(MODEL["handshake_payloads"]["message3_identity_and_credentials"])
WITHOUT_CREDENTIAL = bytes.fromhex(MODEL["handshake_payloads"]["message2_identity_and_credentials"])
HISTORY = bytes.fromhex(MODEL["identities"]["initiator"]["change_history_cbor"])
ATTESTATION = bytes.fromhex(MODEL["identities"]["initiator"]["purpose_key_attestation_cbor"])
CREDENTIAL = bytes.fromhex(MODEL["identities"]["authority"]["credential_and_purpose_key_cbor"])


@pytest.mark.parametrize(("encoded", "credentials"), [(WITHOUT_CREDENTIAL, 0), (WITH_CREDENTIAL, 1)])
def test_round_trip(encoded: bytes, credentials: int) -> None:
    payload = IdentityAndCredentials.decode(encoded)
    assert len(payload.credentials) == credentials
    assert payload.encode() == encoded


def test_an_empty_list_of_credentials_is_written() -> None:
    assert WITHOUT_CREDENTIAL.endswith(b"\x80")
    assert IdentityAndCredentials.decode(WITHOUT_CREDENTIAL).encode()[0] == 0x83


# Wider than our encoder, as the reference is.
@pytest.mark.parametrize(
    "encoded",
    [
        b"\x84" + HISTORY + ATTESTATION + b"\x80" + b"\xf6",
        b"\x84" + HISTORY + ATTESTATION + b"\x80" + b"\x82\x01\x02",
        b"\x9f" + HISTORY + ATTESTATION + b"\x80" + b"\xff",
        b"\x83" + HISTORY + ATTESTATION + b"\x9f\xff",
        b"\x83" + HISTORY + ATTESTATION + b"\x80" + b"anything",
    ],
)
def test_accepted_beyond_the_usual_form(encoded: bytes) -> None:
    payload = IdentityAndCredentials.decode(encoded)
    assert payload.encode() == b"\x83" + HISTORY + ATTESTATION + b"\x80"


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x80",
        b"\x81" + HISTORY,
        b"\x82" + HISTORY + ATTESTATION,
        b"\x83" + HISTORY + ATTESTATION,
        b"\x83" + HISTORY + ATTESTATION + b"\xf6",
        b"\x83" + HISTORY + ATTESTATION + b"\xa0",
        b"\x83" + HISTORY + ATTESTATION + b"\x81",
        b"\xa0",
        b"\xc0" + WITHOUT_CREDENTIAL,
    ],
)
def test_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        IdentityAndCredentials.decode(encoded)


def test_the_number_of_credentials_is_bounded() -> None:
    head = b"\x83" + HISTORY + ATTESTATION
    most = head + encode_array_head(MAX_CREDENTIALS) + CREDENTIAL * MAX_CREDENTIALS
    assert len(IdentityAndCredentials.decode(most).credentials) == MAX_CREDENTIALS
    with pytest.raises(DecodeError, match="credentials"):
        IdentityAndCredentials.decode(
            head + encode_array_head(MAX_CREDENTIALS + 1) + CREDENTIAL * (MAX_CREDENTIALS + 1)
        )


def test_the_attested_key_must_be_the_static_key() -> None:
    def attestation(key: SecureChannelStatic | CredentialSigning) -> PurposeKeyAttestationData:
        return PurposeKeyAttestationData(Identifier(bytes(32)), ChangeHash(bytes(32)), key, 0, 1)

    static_key = X25519PublicKey(b"\x09" * 32)
    check_attested_key(attestation(SecureChannelStatic(static_key)), static_key)
    with pytest.raises(InvalidKeyData):
        check_attested_key(attestation(SecureChannelStatic(X25519PublicKey(b"\x0a" * 32))), static_key)
    with pytest.raises(InvalidKeyType):
        check_attested_key(attestation(CredentialSigning(Ed25519PublicKey(b"\x09" * 32))), static_key)
