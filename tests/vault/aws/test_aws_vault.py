"""The KMS vault against moto, a stand-in for AWS."""

from __future__ import annotations

import logging
import urllib.request
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from ockam.identity import Identities
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault import EcdsaP256Signature, KeyNotFound, SigningKeyHandle, SigningKeyType, Vault, VaultUnavailable
from ockam.vault.aws import AwsKmsConfig, AwsKmsError, AwsSigningVault, InvalidHandle
from ockam.vault.aws.signing import RAW_MESSAGE_LIMIT, SIGNING_KEY_TYPES, MessageType
from ockam.vault.software import SoftwareVerifyingVault, create_software_vault
from tests.asynchronous import asynchronous
from tests.vault.signing_checks import assert_is_a_signing_vault, assert_signs_messages_of_wycheproof

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

P256 = SigningKeyType.ECDSA_P256


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto (the extra `services`) is not installed")
    pytest.importorskip("boto3", reason="the extra `aws` is not installed")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def client_arguments(url: str) -> dict[str, Any]:
    botocore = pytest.importorskip("botocore.config")
    return {
        "endpoint_url": url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        # One attempt: botocore waits between attempts.
        "config": botocore.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
    }


@pytest.fixture
def config(server: str) -> AwsKmsConfig:
    with urllib.request.urlopen(urllib.request.Request(f"{server}/moto-api/reset", method="POST")):  # noqa: S310
        pass
    # moto hashes whatever it gets; see test_a_digest_is_hashed_again_by_moto.
    return AwsKmsConfig(client=client_arguments(server), message_type=MessageType.RAW)


@pytest.fixture
def kms(config: AwsKmsConfig) -> Any:
    return pytest.importorskip("boto3").client("kms", **config.client)


@asynchronous
async def test_it_is_a_signing_vault(config: AwsKmsConfig) -> None:
    await assert_is_a_signing_vault(await AwsSigningVault.create(config), SIGNING_KEY_TYPES, smallest=1)


@asynchronous
async def test_messages_of_wycheproof(config: AwsKmsConfig) -> None:
    await assert_signs_messages_of_wycheproof(await AwsSigningVault.create(config), P256, smallest=1)


@asynchronous
async def test_a_digest_is_hashed_again_by_moto(config: AwsKmsConfig) -> None:
    # A mistake of moto: KMS signs a message of type DIGEST as it is. test_aws_vault_alone.py shows that the vault is
    # right. When this test fails, moto was mended, and RAW is no longer needed in these tests.
    vault = await AwsSigningVault.create(replace(config, message_type=MessageType.DIGEST))
    handle = await vault.generate_signing_key(P256)
    public_key = await vault.public_key(handle)
    signature = await vault.sign(handle, b"data")
    verifier = SoftwareVerifyingVault()
    assert not verifier.verify(public_key, b"data", signature)
    assert verifier.verify(public_key, sha256(b"data").digest(), signature)


@asynchronous
async def test_keys_are_learnt_when_the_vault_is_made(
    config: AwsKmsConfig, kms: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def new_key(**arguments: str) -> str:
        return str(kms.create_key(**arguments)["KeyMetadata"]["KeyId"])

    good = new_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    bad = [
        new_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P384"),
        new_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048"),
        new_key(KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT"),
    ]
    with caplog.at_level(logging.WARNING):
        vault = await AwsSigningVault.create(config)
    handle = SigningKeyHandle(good.encode())
    assert SoftwareVerifyingVault().verify(await vault.public_key(handle), b"data", await vault.sign(handle, b"data"))
    for key_id in bad:
        assert key_id in caplog.text
        with pytest.raises(KeyNotFound):
            await vault.public_key(SigningKeyHandle(key_id.encode()))
    chosen = await AwsSigningVault.create(replace(config, keys=(good, "00000000-0000-0000-0000-000000000000")))
    assert await chosen.handle_of(await vault.public_key(handle)) == handle
    none = await AwsSigningVault.create(replace(config, keys=()))
    with pytest.raises(KeyNotFound):
        await none.handle_of(await vault.public_key(handle))


@asynchronous
async def test_keys_are_made_and_deleted_as_asked(config: AwsKmsConfig, kms: Any) -> None:
    for multi_region in (False, True):
        vault = await AwsSigningVault.create(replace(config, multi_region=multi_region))
        handle = await vault.generate_signing_key(P256)
        metadata = kms.describe_key(KeyId=handle.value.decode())["KeyMetadata"]
        assert (metadata["KeySpec"], metadata["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
        assert metadata["MultiRegion"] is multi_region
        assert await vault.delete_signing_key(handle)
        metadata = kms.describe_key(KeyId=handle.value.decode())["KeyMetadata"]
        assert metadata["KeyState"] == "PendingDeletion"
        assert 6 < (metadata["DeletionDate"] - metadata["CreationDate"]).total_seconds() / 86400 <= 7.01


@asynchronous
async def test_unknown_and_foreign_handles(config: AwsKmsConfig) -> None:
    vault = await AwsSigningVault.create(config)
    unknown = SigningKeyHandle(b"00000000-0000-0000-0000-000000000000")
    with pytest.raises(KeyNotFound):
        await vault.sign(unknown, b"data")
    assert not await vault.delete_signing_key(unknown)
    foreign = SigningKeyHandle(sha256(b"an Ed25519 key").digest())
    with pytest.raises(InvalidHandle):
        await vault.sign(foreign, b"data")
    with pytest.raises(InvalidHandle):
        await vault.delete_signing_key(foreign)


@asynchronous
async def test_a_raw_message_has_a_limit(config: AwsKmsConfig) -> None:
    vault = await AwsSigningVault.create(config)
    handle = await vault.generate_signing_key(P256)
    assert isinstance(await vault.sign(handle, bytes(RAW_MESSAGE_LIMIT)), EcdsaP256Signature)
    for size in (0, RAW_MESSAGE_LIMIT + 1):
        with pytest.raises(AwsKmsError, match="DIGEST"):
            await vault.sign(handle, bytes(size))


@asynchronous
async def test_an_identity_whose_primary_key_is_in_kms(config: AwsKmsConfig) -> None:
    software = create_software_vault(random=FixedRandom())
    kms_vault = await AwsSigningVault.create(config)
    vault = Vault(kms_vault, software.credential, software.secure_channel, software.verifying)
    identities = Identities(vault, create_memory_repositories(), FixedClock(1_700_000_000))
    identifier = await identities.create_identity("kms", P256)
    await identities.secure_channel_purpose_key(identifier)
    rotated = await identities.rotate_identity(identifier, P256)
    assert len(rotated.change_history.changes) == 2
    other = Identities(create_software_vault(), create_memory_repositories(), FixedClock(1_700_000_000))
    assert await other.import_identity(await identities.export_identity(identifier)) == identifier


@asynchronous
async def test_kms_is_not_there(config: AwsKmsConfig) -> None:
    vault = await AwsSigningVault.create(config)
    handle = await vault.generate_signing_key(P256)
    gone = replace(config, client=client_arguments("http://127.0.0.1:9"))
    with pytest.raises(VaultUnavailable):
        await AwsSigningVault.create(gone)
    with pytest.raises(VaultUnavailable):
        await AwsSigningVault.create(replace(gone, keys=("one",)))
    vault._client = (await AwsSigningVault.create(replace(gone, keys=())))._client
    with pytest.raises(VaultUnavailable):
        await vault.sign(handle, b"data")
    with pytest.raises(VaultUnavailable):
        await vault.delete_signing_key(handle)
    await vault.public_key(handle)  # is known without asking
