"""A signing vault whose keys stay in Azure Key Vault, or in a Managed HSM.

The reference has no such vault. Handles are the UTF-8 bytes of `name/version`; apart from that it behaves as the KMS
vault does. Deleting a key deletes all its versions: each key that is made here has a name of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ockam.errors import Misuse
from ockam.vault.errors import (
    InvalidKeyType,
    KeyNotFound,
    OperationUnsupported,
    VaultAccessDenied,
    VaultError,
    VaultUnavailable,
)
from ockam.vault.extras import optional_module
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType
from ockam.vault.keys import EcdsaP256PublicKey, VerifyingPublicKey
from ockam.vault.signatures import SIGNATURE_SIZE, EcdsaP256Signature, Signature
from ockam.vault.software.cache import LruCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SIGNING_KEY_TYPES", "AzureKeyVaultConfig", "AzureSigningVault"]

log = logging.getLogger("ockam.vault")

SIGNING_KEY_TYPES: Final = frozenset({SigningKeyType.ECDSA_P256})
LOADED_KEYS_LIMIT: Final = 1024

_MANAGED_HSM_HOST: Final = re.compile(r"\.managedhsm(-[a-z]+)?\.[a-z.]+$")
_HANDLE: Final = re.compile(rb"([0-9A-Za-z-]{1,127})/([0-9A-Za-z]{1,64})")
_COORDINATE_SIZE: Final = 32
_NAME_RANDOM_SIZE: Final = 16
_FORBIDDEN_STATUSES: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class AzureKeyVaultConfig:
    """Which Key Vault, and how to use it.

    Attributes:
        url: `https://NAME.vault.azure.net`, or `https://NAME.managedhsm.azure.net`.
        credential: of the package azure-identity, or any object with its `get_token`.
        keys: handles' texts (`name/version`) or names (latest version) of the keys to use; None: all that are listed.
        managed_hsm: whether keys are made in an HSM (`EC-HSM`); None: as the URL says.
        name_prefix: of keys that are made.
        client: further arguments of azure's `KeyClient`.
    """

    url: str
    credential: Any = field(repr=False)
    keys: tuple[str, ...] | None = None
    managed_hsm: bool | None = None
    name_prefix: str = "ockam"
    client: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse a URL that azure's client would refuse later, with a token in its hand."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname:
            raise Misuse("the URL of a Key Vault begins with https://")

    @property
    def in_hsm(self) -> bool:
        """Whether keys are made in an HSM."""
        if self.managed_hsm is not None:
            return self.managed_hsm
        return _MANAGED_HSM_HOST.search(urlsplit(self.url).hostname or "") is not None


class AzureSigningVault:
    """Signs in Key Vault, over the network, in worker threads. Made by `create`.

    Which keys there are is asked once, when the vault is made; later only this vault's own changes count.
    """

    def __init__(self, client: Any, config: AzureKeyVaultConfig, azure: _Azure) -> None:  # noqa: ANN401
        self._client = client
        self._config = config
        self._azure = azure
        self._keys: dict[SigningKeyHandle, EcdsaP256PublicKey] = {}
        self._signers: LruCache[SigningKeyHandle, Any] = LruCache(LOADED_KEYS_LIMIT)

    @classmethod
    async def create(cls, config: AzureKeyVaultConfig) -> AzureSigningVault:
        """Connect to Key Vault and learn which keys it has. A key that cannot be used is logged and left out.

        Raises:
            ExtraMissing: the extra `azure` is not installed.
            VaultAccessDenied: Key Vault refused us.
            VaultUnavailable: Key Vault cannot be reached.
        """
        azure = _Azure()
        client = azure.keys.KeyClient(config.url, config.credential, **config.client)
        vault = cls(client, config, azure)
        try:
            await vault._learn_keys()
        except BaseException:
            vault.close()
            raise
        return vault

    def close(self) -> None:
        """Close the connections. Twice is allowed."""
        self._client.close()

    async def generate_signing_key(self, key_type: SigningKeyType) -> SigningKeyHandle:
        """Make a P-256 key.

        Raises:
            InvalidKeyType: Key Vault makes no Ed25519 keys.
            VaultAccessDenied: Key Vault refused us.
            VaultUnavailable: Key Vault cannot be reached.
        """
        if key_type not in SIGNING_KEY_TYPES:
            raise InvalidKeyType("Key Vault makes P-256 keys only")
        key = await self._call(
            self._client.create_ec_key,
            f"{self._config.name_prefix}-{os.urandom(_NAME_RANDOM_SIZE).hex()}",
            curve="P-256",
            key_operations=["sign", "verify"],
            hardware_protected=self._config.in_hsm,
        )
        return self._learn(key)

    async def sign(self, handle: SigningKeyHandle, data: bytes) -> Signature:
        """Sign `data`. The nonce is Key Vault's own, not that of RFC 6979.

        Raises:
            KeyNotFound: no such key.
            VaultAccessDenied: Key Vault refused us.
            VaultUnavailable: Key Vault cannot be reached.
        """
        signer = self._signers.find(handle)
        if signer is None:
            name, version = _name_and_version(handle)
            signer = self._client.get_cryptography_client(name, key_version=version)
            self._signers.keep(handle, signer)
        answer = await self._call(signer.sign, self._azure.crypto.SignatureAlgorithm.es256, sha256(data).digest())
        signature = bytes(answer.signature)  # r ‖ s
        if len(signature) != SIGNATURE_SIZE:
            raise VaultUnavailable("Key Vault answered with something that is no P-256 signature")
        return EcdsaP256Signature(signature)

    async def public_key(self, handle: SigningKeyHandle) -> VerifyingPublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: not one of the keys that this vault knows.
        """
        key = self._keys.get(handle)
        if key is None:
            raise KeyNotFound
        return key

    async def handle_of(self, public_key: VerifyingPublicKey) -> SigningKeyHandle:
        """Return the handle of the key with this public half.

        Raises:
            KeyNotFound: not one of the keys that this vault knows.
        """
        for handle, known in self._keys.items():
            if known == public_key:
                return handle
        raise KeyNotFound

    async def delete_signing_key(self, handle: SigningKeyHandle) -> bool:
        """Delete a key, all versions of it; True if there was one. With soft-delete on, an operator can get it back.

        Raises:
            VaultAccessDenied: Key Vault refused us.
            VaultUnavailable: Key Vault cannot be reached.
        """
        try:
            name, _ = _name_and_version(handle)
            # The poller would wait until the key has gone through; that it is on its way is enough for us.
            await self._call(self._client.begin_delete_key, name)
        except KeyNotFound:
            return False
        self._keys.pop(handle, None)
        self._signers.forget(handle)
        return True

    async def _learn_keys(self) -> None:
        wanted = self._config.keys
        if wanted is None:
            wanted = tuple(await self._call(self._listed_names))
        for key in wanted:
            name, _, version = key.partition("/")
            try:
                self._learn(await self._call(self._client.get_key, name, version or None))
            except VaultUnavailable:  # it is not about this key
                raise
            except VaultError as error:
                log.warning("left out, the key %s of Key Vault: %s", key, error)

    def _listed_names(self) -> list[str]:
        return [str(key.name) for key in self._client.list_properties_of_keys() if key.enabled is not False]

    def _learn(self, key: Any) -> SigningKeyHandle:  # noqa: ANN401 - a KeyVaultKey
        web_key = key.key
        kind = getattr(web_key.kty, "value", web_key.kty)
        curve = getattr(web_key.crv, "value", web_key.crv)
        operations = {getattr(operation, "value", operation) for operation in web_key.key_ops or ()}
        if kind not in ("EC", "EC-HSM") or curve != "P-256" or "sign" not in operations:
            raise OperationUnsupported("it is not a P-256 key that may sign")
        x, y = bytes(web_key.x), bytes(web_key.y)
        if not len(x) == len(y) == _COORDINATE_SIZE:
            raise OperationUnsupported("its public key is no P-256 point")
        handle = SigningKeyHandle(f"{key.name}/{key.properties.version}".encode())
        self._keys[handle] = EcdsaP256PublicKey(b"\x04" + x + y)
        return handle

    async def _call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        try:
            return await asyncio.to_thread(function, *arguments, **options)
        except self._azure.errors as error:
            raise self._azure.meaning(error) from error


class _Azure:
    """The modules of azure that are used, and what their errors mean."""

    def __init__(self) -> None:
        self.keys = optional_module("azure.keyvault.keys", "azure")
        self.crypto = optional_module("azure.keyvault.keys.crypto", "azure")
        exceptions = optional_module("azure.core.exceptions", "azure")
        # ValueError: a challenge for another domain than the one asked, a malformed identifier.
        self.errors: tuple[type[Exception], ...] = (exceptions.AzureError, ValueError)
        self._not_found: type[Exception] = exceptions.ResourceNotFoundError
        self._not_authenticated: type[Exception] = exceptions.ClientAuthenticationError

    def meaning(self, error: Exception) -> VaultError:
        """Return our error for one of azure's."""
        status = getattr(error, "status_code", None)
        if isinstance(error, self._not_found):
            return KeyNotFound()
        if isinstance(error, self._not_authenticated) or status in _FORBIDDEN_STATUSES:
            return VaultAccessDenied(f"Key Vault refused us ({_text(error)})")
        return VaultUnavailable(f"Key Vault cannot be used: {_text(error)}")


def _text(error: Exception) -> str:
    return next(iter(str(getattr(error, "message", None) or error).splitlines()), type(error).__name__)


def _name_and_version(handle: SigningKeyHandle) -> tuple[str, str]:
    found = _HANDLE.fullmatch(handle.value)
    if found is None:  # a handle of another vault
        raise KeyNotFound
    return found[1].decode(), found[2].decode()
