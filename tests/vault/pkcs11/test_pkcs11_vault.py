"""The PKCS#11 vault on SoftHSM, a token in software."""

from __future__ import annotations

import asyncio
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from ockam import Node, route
from ockam.errors import EnvironmentFault, Misuse
from ockam.identity import Identities
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock
from ockam.vault import (
    InvalidKeyType,
    InvalidSecret,
    InvalidSecretLength,
    InvalidSharedSecret,
    KeyNotFound,
    OperationUnsupported,
    SigningKeyHandle,
    SigningKeyType,
    SigningSecret,
    VaultAccessDenied,
    VaultUnavailable,
    X25519KeyHandle,
    X25519PublicKey,
)
from ockam.vault.pkcs11 import Pkcs11SecureChannelVault, Pkcs11SigningVault, Pkcs11Token, create_pkcs11_vault
from ockam.vault.pkcs11.signing import SIGNING_KEY_TYPES
from ockam.vault.software import (
    MemorySecretsRepository,
    SoftwareDiffieHellmanKey,
    SoftwareSigningVault,
    SoftwareVerifyingVault,
)
from tests.asynchronous import asynchronous
from tests.vault.pkcs11.softhsm import PIN, SoftHsm, softhsm
from tests.vault.signing_checks import (
    assert_is_a_signing_vault,
    assert_signs_messages_of_wycheproof,
    wycheproof_messages,
)
from tests.vectors.test_wycheproof import cases, data

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services


@pytest.fixture
def hsm() -> SoftHsm:
    return softhsm()


@pytest.fixture
def token(hsm: SoftHsm) -> Iterator[Pkcs11Token]:
    opened = Pkcs11Token(hsm.module, hsm.new_token(), PIN)
    yield opened
    opened.close()


# --- signing ----------------------------------------------------------------------------------------------------------


@asynchronous
async def test_it_is_a_signing_vault(token: Pkcs11Token) -> None:
    await assert_is_a_signing_vault(Pkcs11SigningVault(token), SIGNING_KEY_TYPES)


@pytest.mark.parametrize("key_type", SigningKeyType)
@asynchronous
async def test_handles_are_those_of_the_software_vault_and_survive_a_restart(
    token: Pkcs11Token, hsm: SoftHsm, key_type: SigningKeyType
) -> None:
    vault = Pkcs11SigningVault(token)
    handle = await vault.generate_signing_key(key_type)
    public_key = await vault.public_key(handle)
    assert handle.value == sha256(public_key.value).digest()
    token.close()
    hsm.reload()
    again = Pkcs11SigningVault(Pkcs11Token(hsm.module, token.label, PIN))
    assert await again.public_key(handle) == public_key
    assert SoftwareVerifyingVault().verify(public_key, b"data", await again.sign(handle, b"data"))
    again._token.close()


@asynchronous
async def test_a_private_key_cannot_be_read_from_the_token(token: Pkcs11Token) -> None:
    vault = create_pkcs11_vault(token)
    handles = [(await vault.identity.generate_signing_key(key_type)).value for key_type in SigningKeyType]
    handles.append((await vault.secure_channel.generate_static_x25519_key()).value)
    attribute = token.pkcs11.Attribute
    with token.use() as session:
        for handle in handles:
            (private,) = session.get_objects(
                {attribute.CLASS: token.pkcs11.ObjectClass.PRIVATE_KEY, attribute.ID: handle}
            )
            assert (private[attribute.SENSITIVE], private[attribute.EXTRACTABLE]) == (True, False)
            with pytest.raises(token.pkcs11.AttributeSensitive):
                private[attribute.VALUE]


@pytest.mark.parametrize("key_type", SigningKeyType)
@asynchronous
async def test_an_imported_key_signs_as_the_software_vault_does(token: Pkcs11Token, key_type: SigningKeyType) -> None:
    secret = SigningSecret(key_type, bytes(range(1, 33)))
    software = SoftwareSigningVault(MemorySecretsRepository(), lambda size: bytes(size))
    vault, verifier = Pkcs11SigningVault(token), SoftwareVerifyingVault()
    handle = await vault.import_signing_key(secret)
    assert handle == await software.import_signing_key(secret) == await vault.import_signing_key(secret)
    public_key = await vault.public_key(handle)
    assert public_key == await software.public_key(handle)
    for message in wycheproof_messages(key_type):
        signature = await vault.sign(handle, message)
        assert verifier.verify(public_key, message, signature)
        if key_type is SigningKeyType.ED25519:  # ECDSA nonces are the token's own
            assert signature == await software.sign(handle, message)
    assert await vault.delete_signing_key(handle)
    assert not await vault.delete_signing_key(handle)


@pytest.mark.parametrize("key_type", SigningKeyType)
@asynchronous
async def test_messages_of_wycheproof(token: Pkcs11Token, key_type: SigningKeyType) -> None:
    await assert_signs_messages_of_wycheproof(Pkcs11SigningVault(token), key_type)


@asynchronous
async def test_what_is_no_secret_is_refused_before_the_token_sees_it(token: Pkcs11Token) -> None:
    vault = create_pkcs11_vault(token)
    assert isinstance(vault.identity, Pkcs11SigningVault)
    with pytest.raises(InvalidSecretLength):
        await vault.identity.import_signing_key(SigningSecret(SigningKeyType.ED25519, bytes(31)))
    with pytest.raises(InvalidSecret):
        await vault.identity.import_signing_key(SigningSecret(SigningKeyType.ECDSA_P256, bytes(32)))
    with pytest.raises(InvalidSecretLength):
        await vault.secure_channel.import_static_x25519_key(bytes(33))
    assert token.generation == 0


@asynchronous
async def test_a_key_of_another_tool_is_used_under_its_own_id(token: Pkcs11Token) -> None:
    pkcs11 = token.pkcs11
    with token.use() as session:
        domain = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107")}, local=True
        )
        domain.generate_keypair(store=True, id=b"mine", label="another tool")
        domain.generate_keypair(store=True, id=b"", label="without an id")
        session.generate_keypair(pkcs11.KeyType.RSA, 1024, store=True, id=b"rsa")
    vault = Pkcs11SigningVault(token)
    handle = SigningKeyHandle(b"mine")
    public_key = await vault.public_key(handle)
    assert await vault.handle_of(public_key) == handle
    assert SoftwareVerifyingVault().verify(public_key, b"data", await vault.sign(handle, b"data"))
    for unusable in (b"rsa", b"", b"none"):
        with pytest.raises(KeyNotFound):
            await vault.sign(SigningKeyHandle(unusable), b"data")
        assert not await vault.delete_signing_key(SigningKeyHandle(unusable))


@asynchronous
async def test_signing_key_and_channel_key_are_not_mixed_up(token: Pkcs11Token) -> None:
    vault = create_pkcs11_vault(token)
    signing = await vault.identity.generate_signing_key(SigningKeyType.ED25519)
    static = await vault.secure_channel.generate_static_x25519_key()
    with pytest.raises(KeyNotFound):
        await vault.identity.sign(SigningKeyHandle(static.value), b"data")
    with pytest.raises(KeyNotFound):
        await vault.secure_channel.x25519_private_key(X25519KeyHandle(signing.value))


@asynchronous
async def test_signatures_are_made_in_other_threads_one_at_a_time(
    token: Pkcs11Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, verifier = Pkcs11SigningVault(token), SoftwareVerifyingVault()
    handle = await vault.generate_signing_key(SigningKeyType.ED25519)
    public_key = await vault.public_key(handle)
    threads, inside = set(), []
    use = vault._keys.use

    def recorded(*arguments: Any) -> Any:
        with token.use():
            threads.add(threading.get_ident())
            inside.append(1)
            assert len(inside) == 1
            try:
                return use(*arguments)
            finally:
                inside.pop()

    monkeypatch.setattr(vault._keys, "use", recorded)
    messages = [bytes([number]) for number in range(50)]
    signatures = await asyncio.gather(*(vault.sign(handle, message) for message in messages))
    assert all(verifier.verify(public_key, *pair) for pair in zip(messages, signatures, strict=True))
    assert threading.get_ident() not in threads


# --- secure channels --------------------------------------------------------------------------------------------------


@asynchronous
async def test_static_keys_on_the_token(token: Pkcs11Token) -> None:
    vault = Pkcs11SecureChannelVault(token)
    handle = await vault.generate_static_x25519_key()
    key = await vault.x25519_private_key(handle)
    assert await vault.x25519_private_key(handle) is key
    assert await vault.x25519_public_key(handle) == key.public
    assert await vault.x25519_handle_of(key.public) == handle == X25519KeyHandle(sha256(key.public.value).digest())
    ephemeral = vault.generate_ephemeral_x25519_key()
    assert isinstance(ephemeral, SoftwareDiffieHellmanKey)
    assert key.exchange(ephemeral.public) == ephemeral.exchange(key.public)
    assert await vault.delete_static_x25519_key(handle)
    assert not await vault.delete_static_x25519_key(handle)
    with pytest.raises(KeyNotFound):
        await vault.x25519_private_key(handle)
    with pytest.raises(KeyNotFound):
        key.exchange(ephemeral.public)


def test_wycheproof_x25519(token: Pkcs11Token) -> None:
    async def main() -> int:
        vault = Pkcs11SecureChannelVault(token)
        tested = 0
        for _, test in cases("x25519"):
            handle = await vault.import_static_x25519_key(data(test, "private"))
            key = await vault.x25519_private_key(handle)
            peer = X25519PublicKey(data(test, "public"))
            if data(test, "shared") == bytes(32):
                with pytest.raises(InvalidSharedSecret):
                    key.exchange(peer)
            else:
                assert key.exchange(peer) == data(test, "shared"), test
            assert await vault.delete_static_x25519_key(handle)  # SoftHSM reads all there are, again and again
            tested += 1
        return tested

    assert asyncio.run(main()) > 500  # without a time limit: it makes hundreds of files


@asynchronous
async def test_exchanges_leave_nothing_in_the_session(token: Pkcs11Token) -> None:
    vault = Pkcs11SecureChannelVault(token)
    key = await vault.x25519_private_key(await vault.generate_static_x25519_key())
    peer = vault.generate_ephemeral_x25519_key().public
    with token.use() as session:
        before = len(list(session.get_objects({})))
        for _ in range(5):
            key.exchange(peer)
        assert len(list(session.get_objects({}))) == before


@asynchronous
async def test_an_identity_whose_keys_are_all_on_the_token(token: Pkcs11Token) -> None:
    repositories, clock = create_memory_repositories(), FixedClock(1_700_000_000)
    identities = Identities(create_pkcs11_vault(token), repositories, clock)
    identifier = await identities.create_identity("token")
    static = await identities.secure_channel_purpose_key(identifier)
    credential = await identities.credential_purpose_key(identifier)
    token.close()
    again = Identities(create_pkcs11_vault(token), repositories, clock)
    assert (await again.secure_channel_purpose_key(identifier)).key.public == static.key.public
    assert (await again.credential_purpose_key(identifier)).attestation == credential.attestation
    await again.rotate_identity(identifier)


@asynchronous
async def test_a_channel_between_keys_on_the_token(token: Pkcs11Token) -> None:
    async with Node(vault=create_pkcs11_vault(token)) as node:
        identifier = await node.create_identity("token")
        await node.create_secure_channel_listener(identifier, "listener")
        channel = await node.create_secure_channel(identifier, route("listener"))
        assert channel.their_identifier == identifier


# --- what goes wrong --------------------------------------------------------------------------------------------------


@asynchronous
async def test_a_wrong_pin(hsm: SoftHsm) -> None:
    for pin in ("0000", ""):
        vault = Pkcs11SigningVault(Pkcs11Token(hsm.module, hsm.new_token(), pin))
        with pytest.raises(VaultAccessDenied, match="PIN") as caught:
            await vault.generate_signing_key(SigningKeyType.ED25519)
        assert isinstance(caught.value, Misuse)
        assert PIN not in repr(vault._token)


@asynchronous
async def test_a_token_is_open_once_in_a_process(token: Pkcs11Token, hsm: SoftHsm) -> None:
    assert token.offers("ECDSA")
    second = Pkcs11SigningVault(Pkcs11Token(hsm.module, token.label, PIN))
    with pytest.raises(VaultAccessDenied, match="share"):
        await second.generate_signing_key(SigningKeyType.ED25519)
    token.close()
    await second.generate_signing_key(SigningKeyType.ED25519)
    second._token.close()


@asynchronous
async def test_no_such_token_or_module(hsm: SoftHsm) -> None:
    hsm.new_token()
    for module, label in ((hsm.module, "none"), ("/nonexistent.so", "ockam")):
        vault = Pkcs11SigningVault(Pkcs11Token(module, label, PIN))
        with pytest.raises(VaultUnavailable) as caught:
            await vault.handle_of(await SoftwareSigning().key())
        assert isinstance(caught.value, EnvironmentFault)


class SoftwareSigning:
    async def key(self) -> Any:
        vault = SoftwareSigningVault(MemorySecretsRepository(), lambda size: bytes(range(1, size + 1)))
        return await vault.public_key(await vault.generate_signing_key(SigningKeyType.ED25519))


@asynchronous
async def test_a_token_that_is_removed_and_comes_back(token: Pkcs11Token, hsm: SoftHsm) -> None:
    vault = create_pkcs11_vault(token)
    signing = await vault.identity.generate_signing_key(SigningKeyType.ECDSA_P256)
    static = await vault.secure_channel.generate_static_x25519_key()
    key = await vault.secure_channel.x25519_private_key(static)
    peer = vault.secure_channel.generate_ephemeral_x25519_key()
    aside = hsm.remove_tokens()
    try:
        for _ in range(2):
            with pytest.raises(VaultUnavailable):
                await vault.identity.sign(signing, b"data")
            with pytest.raises(VaultUnavailable):
                key.exchange(peer.public)
            with pytest.raises(VaultUnavailable):
                await vault.identity.delete_signing_key(SigningKeyHandle(bytes(32)))
            with pytest.raises(VaultUnavailable):
                await vault.secure_channel.generate_static_x25519_key()
    finally:
        hsm.bring_tokens_back(aside)
    assert key.exchange(peer.public) == peer.exchange(key.public)
    public_key = await vault.identity.public_key(signing)
    assert SoftwareVerifyingVault().verify(public_key, b"data", await vault.identity.sign(signing, b"data"))


@asynchronous
async def test_no_answer_of_a_token_that_is_gone_is_taken_for_none_there(token: Pkcs11Token, hsm: SoftHsm) -> None:
    # SoftHSM finds no objects then, and says that all is well.
    vault, unknown = Pkcs11SigningVault(token), SigningKeyHandle(bytes(32))
    for operation in (vault.delete_signing_key, vault.public_key):
        assert not await vault.delete_signing_key(unknown)
        aside = hsm.remove_tokens()
        try:
            with pytest.raises(VaultUnavailable):
                await operation(unknown)
        finally:
            hsm.bring_tokens_back(aside)


@asynchronous
async def test_a_key_that_another_program_made_anew(token: Pkcs11Token) -> None:
    vault = Pkcs11SigningVault(token)
    secret = SigningSecret(SigningKeyType.ED25519, bytes(range(32)))
    handle = await vault.import_signing_key(secret)
    signature = await vault.sign(handle, b"data")
    other = Pkcs11SigningVault(token)
    assert await other.delete_signing_key(handle)
    assert await other.import_signing_key(secret) == handle
    assert await vault.sign(handle, b"data") == signature
    assert await other.delete_signing_key(handle)
    with pytest.raises(KeyNotFound):
        await vault.sign(handle, b"data")


@asynchronous
async def test_a_token_without_the_mechanisms(token: Pkcs11Token, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = create_pkcs11_vault(token)
    assert token.offers("ECDSA", "EDDSA", "ECDH1_DERIVE")
    assert not token.offers("ECDSA", "NO_SUCH_MECHANISM")
    monkeypatch.setattr(token, "offers", lambda *names: "ECDSA" in names)
    await vault.identity.generate_signing_key(SigningKeyType.ECDSA_P256)
    with pytest.raises(InvalidKeyType, match="Ed25519"):
        await vault.identity.generate_signing_key(SigningKeyType.ED25519)
    with pytest.raises(OperationUnsupported, match="X25519"):
        await vault.secure_channel.generate_static_x25519_key()


@pytest.mark.parametrize(
    ("name", "error", "forgotten"),
    [
        ("DeviceRemoved", VaultUnavailable, True),
        ("TokenNotPresent", VaultUnavailable, True),
        ("SessionHandleInvalid", VaultUnavailable, True),
        ("UserNotLoggedIn", VaultUnavailable, True),
        ("RandomNoRNG", VaultUnavailable, False),
        ("PinLocked", VaultAccessDenied, False),
        ("TokenWriteProtected", VaultAccessDenied, False),
        ("MechanismInvalid", OperationUnsupported, False),
        ("DomainParamsInvalid", OperationUnsupported, False),
    ],
)
def test_what_the_token_says_is_told_as_one_of_our_errors(
    token: Pkcs11Token, name: str, error: type[Exception], forgotten: bool
) -> None:
    with token.use():
        pass
    with pytest.raises(error), token.use():
        raise getattr(token.pkcs11, name)
    with token.use():
        assert token.generation == (2 if forgotten else 1)


def test_every_name_in_the_table_of_errors_is_one_of_python_pkcs11(hsm: SoftHsm) -> None:
    from ockam.vault.pkcs11 import token as module

    for name in (*module._LOST, *module._DENIED, *module._UNSUPPORTED):
        assert issubclass(getattr(hsm.pkcs11, name), hsm.pkcs11.PKCS11Error)
