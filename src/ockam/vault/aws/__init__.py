"""Signing keys in AWS KMS: P-256 only. Needs the extra `aws`."""

from ockam.vault.aws.errors import AwsKmsError, InvalidHandle, TruncatedKeysList, UnsupportedKeyType
from ockam.vault.aws.signing import AwsKmsConfig, AwsSigningVault

__all__ = [
    "AwsKmsConfig",
    "AwsKmsError",
    "AwsSigningVault",
    "InvalidHandle",
    "TruncatedKeysList",
    "UnsupportedKeyType",
]
