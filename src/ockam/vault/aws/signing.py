"""A signing vault whose keys stay in AWS KMS.

Source:
    reference ockam_vault_aws/src/; handles are the UTF-8 bytes of KMS key ids.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from ockam.errors import Kind, Origin
from ockam.vault.aws.errors import AwsKmsError, InvalidHandle, TruncatedKeysList, UnsupportedKeyType, meaning
from ockam.vault.errors import InvalidKeyType, KeyNotFound, VaultError, VaultUnavailable
from ockam.vault.extras import optional_module
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType
from ockam.vault.keys import EcdsaP256PublicKey, VerifyingPublicKey
from ockam.vault.signatures import EcdsaP256Signature, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SIGNING_KEY_TYPES", "AwsKmsConfig", "AwsSigningVault", "MessageType"]

log = logging.getLogger("ockam.vault")

SIGNING_KEY_TYPES: Final = frozenset({SigningKeyType.ECDSA_P256})
DELETION_WINDOW_DAYS: Final = 7
RAW_MESSAGE_LIMIT: Final = 4096
"""Fixed by KMS: bytes of a message that is sent instead of its digest."""

_KEY_SPEC: Final = "ECC_NIST_P256"
_KEY_USAGE: Final = "SIGN_VERIFY"
_ALGORITHM: Final = "ECDSA_SHA_256"


class MessageType(Enum):
    """What is sent to be signed. The signatures are the same."""

    DIGEST = "DIGEST"
    """Its SHA-256, as the reference does."""
    RAW = "RAW"
    """The data itself, 1 … 4096 bytes; for stand-ins that hash whatever they get."""


@dataclass(frozen=True, slots=True)
class AwsKmsConfig:
    """How to use KMS.

    Attributes:
        multi_region: whether keys that are made may be replicated to other regions.
        keys: ids of the keys to use; None: those that KMS lists, at most what one answer holds (100).
        client: arguments of `boto3.client("kms", …)`: region, endpoint, credentials; where AWS's own environment
            variables and files do not say them.
        message_type: what is sent to be signed.
    """

    multi_region: bool = False
    keys: tuple[str, ...] | None = None
    client: Mapping[str, Any] = field(default_factory=dict, repr=False)
    message_type: MessageType = MessageType.DIGEST


class AwsSigningVault:
    """Signs in KMS, over the network, in worker threads. Made by `create`.

    Which keys there are is asked once, when the vault is made; later only this vault's own changes count.
    """

    def __init__(self, client: Any, config: AwsKmsConfig, errors: tuple[type[Exception], ...]) -> None:  # noqa: ANN401
        self._client = client
        self._config = config
        self._errors = errors
        self._keys: dict[SigningKeyHandle, EcdsaP256PublicKey] = {}

    @classmethod
    async def create(cls, config: AwsKmsConfig | None = None) -> AwsSigningVault:
        """Connect to KMS and learn which keys it has. A key that cannot be used is logged and left out.

        Raises:
            ExtraMissing: the extra `aws` is not installed.
            TruncatedKeysList: more keys than one answer lists.
            VaultAccessDenied: KMS refused us.
            VaultUnavailable: KMS cannot be reached, or no region is configured.
        """
        boto3 = optional_module("boto3", "aws")
        exceptions = optional_module("botocore.exceptions", "aws")
        config = config or AwsKmsConfig()
        errors = (exceptions.BotoCoreError, exceptions.ClientError)
        try:
            # Reads files and environment variables.
            client = await asyncio.to_thread(lambda: boto3.client("kms", **config.client))
        except errors as error:
            raise meaning(error) from error
        vault = cls(client, config, errors)
        await vault._learn_keys()
        return vault

    async def generate_signing_key(self, key_type: SigningKeyType) -> SigningKeyHandle:
        """Make a P-256 key in KMS.

        Raises:
            InvalidKeyType: KMS makes no Ed25519 keys.
            VaultAccessDenied: KMS refused us.
            VaultUnavailable: KMS cannot be reached.
        """
        if key_type not in SIGNING_KEY_TYPES:
            raise InvalidKeyType("KMS makes P-256 keys only")
        answer = await self._call(
            "create_key", KeyUsage=_KEY_USAGE, KeySpec=_KEY_SPEC, MultiRegion=self._config.multi_region
        )
        key_id = str(answer["KeyMetadata"]["KeyId"])
        handle = SigningKeyHandle(key_id.encode())
        self._keys[handle] = await self._fetch_public_key(key_id)
        return handle

    async def sign(self, handle: SigningKeyHandle, data: bytes) -> Signature:
        """Sign `data`. The nonce is KMS's own, not that of RFC 6979.

        Raises:
            InvalidHandle: not one of KMS.
            KeyNotFound: no such key.
            VaultAccessDenied: KMS refused us.
            VaultUnavailable: KMS cannot be reached.
        """
        message = sha256(data).digest() if self._config.message_type is MessageType.DIGEST else data
        if not 1 <= len(message) <= RAW_MESSAGE_LIMIT:
            raise AwsKmsError(f"KMS signs 1 … {RAW_MESSAGE_LIMIT} bytes as a raw message: use MessageType.DIGEST")
        answer = await self._call(
            "sign",
            KeyId=_key_id(handle),
            Message=message,
            MessageType=self._config.message_type.value,
            SigningAlgorithm=_ALGORITHM,
        )
        return EcdsaP256Signature(_raw_signature(bytes(answer["Signature"])))

    async def public_key(self, handle: SigningKeyHandle) -> VerifyingPublicKey:
        """Return the public half.

        Raises:
            KeyNotFound: not one of the keys that this vault knows.
        """
        key = self._keys.get(handle)
        if key is None:
            raise KeyNotFound(origin=Origin.OTHER, kind=Kind.IO)
        return key

    async def handle_of(self, public_key: VerifyingPublicKey) -> SigningKeyHandle:
        """Return the handle of the key with this public half.

        Raises:
            KeyNotFound: not one of the keys that this vault knows.
        """
        for handle, known in self._keys.items():
            if known == public_key:
                return handle
        raise KeyNotFound(origin=Origin.OTHER, kind=Kind.IO)

    async def delete_signing_key(self, handle: SigningKeyHandle) -> bool:
        """Let KMS delete a key in seven days, and forget it now; True if there was one.

        Raises:
            InvalidHandle: not one of KMS.
            VaultAccessDenied: KMS refused us.
            VaultUnavailable: KMS cannot be reached.
        """
        try:
            await self._call("schedule_key_deletion", KeyId=_key_id(handle), PendingWindowInDays=DELETION_WINDOW_DAYS)
        except KeyNotFound:
            return False
        self._keys.pop(handle, None)
        return True

    async def _learn_keys(self) -> None:
        key_ids = self._config.keys
        if key_ids is None:
            answer = await self._call("list_keys")
            if answer.get("Truncated"):
                raise TruncatedKeysList
            key_ids = tuple(str(key["KeyId"]) for key in answer["Keys"])
        for key_id in key_ids:
            try:
                self._keys[SigningKeyHandle(key_id.encode())] = await self._fetch_public_key(key_id)
            except VaultUnavailable:
                # Reference: leaves out every key while the network is down, and then finds none.
                raise
            except VaultError as error:
                log.warning("left out, the KMS key %s: %s", key_id, error)

    async def _fetch_public_key(self, key_id: str) -> EcdsaP256PublicKey:
        answer = await self._call("get_public_key", KeyId=key_id)
        # KMS calls the field KeySpec; CustomerMasterKeySpec is its name from before 2021.
        spec = answer.get("KeySpec", answer.get("CustomerMasterKeySpec"))
        if (spec, answer.get("KeyUsage")) != (_KEY_SPEC, _KEY_USAGE):
            raise UnsupportedKeyType
        return EcdsaP256PublicKey(_point(bytes(answer["PublicKey"])))

    async def _call(self, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 - what boto3 makes of JSON
        call: Callable[..., Any] = getattr(self._client, operation)
        try:
            return await asyncio.to_thread(call, **arguments)
        except self._errors as error:
            raise meaning(error) from error


def _key_id(handle: SigningKeyHandle) -> str:
    try:
        return handle.value.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidHandle from None


def _point(subject_public_key_info: bytes) -> bytes:
    try:
        key = serialization.load_der_public_key(subject_public_key_info)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedKeyType from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnsupportedKeyType
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _raw_signature(der: bytes) -> bytes:
    try:
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError) as error:
        raise AwsKmsError("KMS answered with something that is no P-256 signature") from error
