"""The KMS vault with a client of ours that does what KMS documents: without boto3, and where moto differs."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from ockam.errors import Kind, Origin
from ockam.vault import KeyNotFound, SigningKeyHandle, VaultAccessDenied, VaultError, VaultUnavailable
from ockam.vault.aws import AwsKmsConfig, AwsKmsError, AwsSigningVault, TruncatedKeysList, UnsupportedKeyType
from ockam.vault.aws.errors import InvalidHandle, meaning
from ockam.vault.software import SoftwareVerifyingVault
from tests.asynchronous import asynchronous

HANDLE = SigningKeyHandle(b"the-key")


class ClientError(Exception):
    """As botocore's."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


class Kms:
    """One P-256 key."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.public: Any = self.private.public_key()
        self.truncated = False
        self.spec = "ECC_NIST_P256"
        self.usage = "SIGN_VERIFY"
        self.calls: list[dict[str, Any]] = []
        self.signature: bytes | None = None

    def list_keys(self) -> dict[str, Any]:
        return {"Keys": [{"KeyId": "the-key"}], "Truncated": self.truncated}

    def get_public_key(self, **arguments: Any) -> dict[str, Any]:
        if arguments["KeyId"] != "the-key":
            raise ClientError("NotFoundException")
        der = self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"KeySpec": self.spec, "KeyUsage": self.usage, "PublicKey": der}

    def sign(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        assert arguments["MessageType"] == "DIGEST"
        assert len(arguments["Message"]) == 32
        algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        return {"Signature": self.signature or self.private.sign(arguments["Message"], algorithm)}


async def vault_over(client: Kms, config: AwsKmsConfig | None = None) -> AwsSigningVault:
    vault = AwsSigningVault(client, config or AwsKmsConfig(), (ClientError,))
    await vault._learn_keys()
    return vault


@asynchronous
async def test_what_is_sent_by_default_is_the_digest() -> None:
    client = Kms()
    vault = await vault_over(client)
    public_key = await vault.public_key(HANDLE)
    assert await vault.handle_of(public_key) == HANDLE
    for data in (b"", b"data", bytes(100_000)):
        assert SoftwareVerifyingVault().verify(public_key, data, await vault.sign(HANDLE, data))
    assert {(call["KeyId"], call["SigningAlgorithm"]) for call in client.calls} == {("the-key", "ECDSA_SHA_256")}


@asynchronous
async def test_more_keys_than_one_answer_holds() -> None:
    client = Kms()
    client.truncated = True
    with pytest.raises(TruncatedKeysList, match="AwsKmsConfig"):
        await vault_over(client)
    chosen = await vault_over(client, AwsKmsConfig(keys=("the-key",)))
    assert await chosen.handle_of(await chosen.public_key(HANDLE)) == HANDLE


@pytest.mark.parametrize("what", ["spec", "usage", "curve", "rsa"])
@asynchronous
async def test_keys_of_other_kinds_are_refused(what: str) -> None:
    client = Kms()
    if what == "spec":
        client.spec = "ECC_SECG_P256K1"
    elif what == "usage":
        client.usage = "KEY_AGREEMENT"
    elif what == "curve":
        client.public = ec.generate_private_key(ec.SECP384R1()).public_key()
    else:
        client.public = rsa.generate_private_key(65537, 2048).public_key()
    vault = await vault_over(client)
    with pytest.raises(KeyNotFound):
        await vault.public_key(HANDLE)
    with pytest.raises(UnsupportedKeyType):
        await vault._fetch_public_key("the-key")


@pytest.mark.parametrize("signature", [b"\x30", bytes(64), utils.encode_dss_signature(1 << 256, 1)])
@asynchronous
async def test_what_is_no_signature_is_an_error(signature: bytes) -> None:
    client = Kms()
    client.signature = signature
    vault = await vault_over(client)
    with pytest.raises(AwsKmsError):
        await vault.sign(HANDLE, b"data")


@asynchronous
async def test_short_r_and_s_are_padded() -> None:
    client = Kms()
    client.signature = utils.encode_dss_signature(1, 2)
    vault = await vault_over(client)
    assert (await vault.sign(HANDLE, b"data")).value == bytes(31) + b"\x01" + bytes(31) + b"\x02"


class NoCredentialsError(Exception):
    """As botocore's."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClientError("NotFoundException"), KeyNotFound),
        (ClientError("AccessDeniedException"), VaultAccessDenied),
        (ClientError("UnrecognizedClientException"), VaultAccessDenied),
        (ClientError("ThrottlingException"), VaultUnavailable),
        (ClientError("KMSInternalException", 500), VaultUnavailable),
        (ClientError("DisabledException"), AwsKmsError),
        (ClientError("KMSInvalidStateException"), AwsKmsError),
        (NoCredentialsError(), VaultAccessDenied),
        (OSError("no route"), VaultUnavailable),
    ],
)
def test_errors_have_origin_and_kind_of_the_reference(error: Exception, expected: type[VaultError]) -> None:
    ours = meaning(error)
    assert type(ours) is expected
    assert (ours.origin, ours.kind) == (Origin.OTHER, Kind.IO)


def test_errors_of_its_own_have_origin_and_kind_of_the_reference() -> None:
    for error in (AwsKmsError(), TruncatedKeysList(), UnsupportedKeyType(), InvalidHandle()):
        assert (error.origin, error.kind) == (Origin.OTHER, Kind.IO)
