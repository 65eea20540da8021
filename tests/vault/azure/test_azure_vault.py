"""The Key Vault vault: the real client of azure against a stand-in of ours."""

from __future__ import annotations

import logging
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ockam.identity import Identities
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault import KeyNotFound, SigningKeyHandle, SigningKeyType, Vault, VaultAccessDenied, VaultUnavailable
from ockam.vault.azure import AzureKeyVaultConfig, AzureSigningVault
from ockam.vault.azure.signing import SIGNING_KEY_TYPES
from ockam.vault.software import SoftwareVerifyingVault, create_software_vault
from tests.asynchronous import asynchronous
from tests.vault.azure.key_vault import TOKEN, KeyVault, Refused
from tests.vault.signing_checks import assert_is_a_signing_vault, assert_signs_messages_of_wycheproof

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services

P256 = SigningKeyType.ECDSA_P256


class Token(NamedTuple):
    token: str
    expires_on: int
    refresh_on: int | None = None
    token_type: str = "Bearer"


class Credential:
    """What azure-identity gives."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.scopes: set[str] = set()

    def get_token(self, *scopes: str, **_: Any) -> Token:
        self.scopes.update(scopes)
        return Token(self.token, 4_000_000_000)

    def get_token_info(self, *scopes: str, **_: Any) -> Token:
        return self.get_token(*scopes)

    def close(self) -> None:
        pass


@pytest.fixture(params=["vault", "managed HSM"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyVault]:
    pytest.importorskip("azure.keyvault.keys", reason="the extra `azure` is not installed")
    running = KeyVault(tmp_path, managed_hsm=request.param == "managed HSM")
    yield running
    running.stop()
    assert running.mistakes == []


@pytest.fixture
def config(service: KeyVault) -> AzureKeyVaultConfig:
    return AzureKeyVaultConfig(
        service.url,
        Credential(),
        managed_hsm=service.managed_hsm,
        # retry_total: azure waits between attempts. The resource is not one of localhost.
        client={
            "verify_challenge_resource": False,
            "connection_verify": str(service.certificate),
            "retry_total": 0,
        },
    )


@asynchronous
async def test_it_is_a_signing_vault(config: AzureKeyVaultConfig) -> None:
    vault = await AzureSigningVault.create(config)
    await assert_is_a_signing_vault(vault, SIGNING_KEY_TYPES)
    vault.close()


@asynchronous
async def test_messages_of_wycheproof(config: AzureKeyVaultConfig) -> None:
    vault = await AzureSigningVault.create(config)
    await assert_signs_messages_of_wycheproof(vault, P256)
    vault.close()


@asynchronous
async def test_keys_are_made_in_the_hsm_where_there_is_one(config: AzureKeyVaultConfig, service: KeyVault) -> None:
    vault = await AzureSigningVault.create(replace(config, name_prefix="team"))
    handle = await vault.generate_signing_key(P256)
    (key,) = service.keys.values()
    assert key.kind == ("EC-HSM" if service.managed_hsm else "EC")
    assert key.name.startswith("team-")
    assert sorted(key.operations) == ["sign", "verify"]
    assert handle.value.decode() == f"{key.name}/{key.version}"
    scope = "https://managedhsm.azure.net/.default" if service.managed_hsm else "https://vault.azure.net/.default"
    assert config.credential.scopes == {scope}
    vault.close()


@asynchronous
async def test_keys_are_learnt_when_the_vault_is_made(
    config: AzureKeyVaultConfig, service: KeyVault, caplog: pytest.LogCaptureFixture
) -> None:
    good = [service.add(f"good-{number}") for number in range(3)]  # more than one page
    service.add("p384", curve="P-384")
    service.add("rsa", kind="RSA")
    service.add("verifies", operations=("verify",))
    service.add("disabled").enabled = False
    with caplog.at_level(logging.WARNING):
        vault = await AzureSigningVault.create(config)
    verifier = SoftwareVerifyingVault()
    for key in good:
        handle = SigningKeyHandle(f"{key.name}/{key.version}".encode())
        public_key = await vault.public_key(handle)
        assert await vault.handle_of(public_key) == handle
        assert verifier.verify(public_key, b"data", await vault.sign(handle, b"data"))
    assert len(vault._keys) == len(good)
    assert all(name in caplog.text for name in ("p384", "rsa", "verifies"))
    vault.close()

    names = (good[0].name, f"{good[1].name}/{good[1].version}", f"{good[2].name}/{'0' * 32}", "none")
    chosen = await AzureSigningVault.create(replace(config, keys=names))
    assert [handle.value.decode().partition("/")[0] for handle in chosen._keys] == ["good-0", "good-1"]
    chosen.close()


@asynchronous
async def test_unknown_and_foreign_handles(config: AzureKeyVaultConfig) -> None:
    vault = await AzureSigningVault.create(config)
    foreign = sha256(b"a key of another vault").digest()
    for value in (b"none/" + b"0" * 32, b"none", b"", b"../x/y", foreign):
        handle = SigningKeyHandle(value)
        with pytest.raises(KeyNotFound):
            await vault.sign(handle, b"data")
        with pytest.raises(KeyNotFound):
            await vault.public_key(handle)
        assert not await vault.delete_signing_key(handle)
    with pytest.raises(KeyNotFound):
        await vault.handle_of(await software_public_key())
    vault.close()


async def software_public_key() -> Any:
    software = create_software_vault(random=FixedRandom())
    return await software.identity.public_key(await software.identity.generate_signing_key(P256))


@asynchronous
async def test_a_key_that_was_deleted_elsewhere(config: AzureKeyVaultConfig, service: KeyVault) -> None:
    vault = await AzureSigningVault.create(config)
    handle = await vault.generate_signing_key(P256)
    await vault.sign(handle, b"data")
    service.keys.clear()
    with pytest.raises(KeyNotFound):
        await vault.sign(handle, b"data")
    assert not await vault.delete_signing_key(handle)
    vault.close()


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (Refused(403, "Forbidden"), VaultAccessDenied),
        (Refused(401, "Unauthorized"), VaultAccessDenied),
        (Refused(429, "Throttled"), VaultUnavailable),
        (Refused(503, "ServiceUnavailable"), VaultUnavailable),
    ],
)
@asynchronous
async def test_what_the_service_refuses(
    config: AzureKeyVaultConfig, service: KeyVault, refused: Refused, expected: type[Exception]
) -> None:
    vault = await AzureSigningVault.create(config)
    handle = await vault.generate_signing_key(P256)
    service.failing = refused
    with pytest.raises(expected):
        await vault.sign(handle, b"data")
    with pytest.raises(expected):
        await vault.generate_signing_key(P256)
    with pytest.raises(expected):
        await vault.delete_signing_key(handle)
    with pytest.raises(expected):
        await AzureSigningVault.create(config)
    service.failing = None
    await vault.sign(handle, b"data")
    vault.close()


@asynchronous
async def test_a_token_that_is_refused(config: AzureKeyVaultConfig) -> None:
    with pytest.raises(VaultAccessDenied):
        await AzureSigningVault.create(replace(config, credential=Credential("of somebody else")))


@asynchronous
async def test_a_service_that_is_not_there_or_is_another(config: AzureKeyVaultConfig, service: KeyVault) -> None:
    with pytest.raises(VaultUnavailable):
        await AzureSigningVault.create(replace(config, url="https://localhost:9"))
    # The default: a token is given only to the domain that it is for, under a certificate that verifies.
    strangers: list[dict[str, Any]] = [
        {"connection_verify": str(service.certificate), "retry_total": 0},
        {"verify_challenge_resource": False, "retry_total": 0},
    ]
    for client in strangers:
        with pytest.raises(VaultUnavailable):
            await AzureSigningVault.create(replace(config, client=client))


@pytest.mark.parametrize("size", [0, 63, 65, 70])
@asynchronous
async def test_what_is_no_signature_is_an_error(config: AzureKeyVaultConfig, service: KeyVault, size: int) -> None:
    vault = await AzureSigningVault.create(config)
    handle = await vault.generate_signing_key(P256)
    service.signature = bytes(size)
    with pytest.raises(VaultUnavailable):
        await vault.sign(handle, b"data")
    vault.close()


@asynchronous
async def test_an_identity_whose_primary_key_is_in_key_vault(config: AzureKeyVaultConfig) -> None:
    software = create_software_vault(random=FixedRandom())
    key_vault = await AzureSigningVault.create(config)
    vault = Vault(key_vault, software.credential, software.secure_channel, software.verifying)
    identities = Identities(vault, create_memory_repositories(), FixedClock(1_700_000_000))
    identifier = await identities.create_identity("azure", P256)
    await identities.secure_channel_purpose_key(identifier)
    rotated = await identities.rotate_identity(identifier, P256)
    other = Identities(create_software_vault(), create_memory_repositories(), FixedClock(1_700_000_000))
    assert await other.import_identity(rotated.export()) == identifier
    key_vault.close()
