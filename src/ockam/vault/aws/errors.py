"""Errors of the KMS vault: all of origin Other and kind Io, as in the reference.

Source:
    reference ockam_vault_aws/src/error.rs.
"""

from __future__ import annotations

from typing import Final

from ockam.errors import EnvironmentFault, Kind, Misuse, Origin
from ockam.vault.errors import KeyNotFound, VaultAccessDenied, VaultError, VaultUnavailable

__all__ = ["AwsKmsError", "InvalidHandle", "TruncatedKeysList", "UnsupportedKeyType", "meaning"]


class AwsKmsError(VaultError, EnvironmentFault):
    """KMS could not do it."""

    default_origin = Origin.OTHER
    default_kind = Kind.IO


class TruncatedKeysList(AwsKmsError):
    """The account has more keys than one answer of KMS lists: name the ones to use in `AwsKmsConfig(keys=…)`."""


class UnsupportedKeyType(AwsKmsError, Misuse):
    """The KMS key is not one for P-256 signatures (ECC_NIST_P256, SIGN_VERIFY)."""


class InvalidHandle(AwsKmsError, Misuse):
    """The handle is none of this vault: it is not the text of a KMS key id."""


_NOT_FOUND: Final = frozenset({"NotFoundException"})
_DENIED: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "OptInRequired",
        "UnrecognizedClientException",
    }
)
_TEMPORARY: Final = frozenset({"KeyUnavailableException", "LimitExceededException", "ThrottlingException"})
_SERVER_ERROR: Final = 500


def meaning(error: Exception) -> VaultError:
    """Return our error for one of botocore's."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):  # KMS has not answered
        if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
            return VaultAccessDenied(f"there are no credentials for KMS: {error}", origin=Origin.OTHER, kind=Kind.IO)
        return VaultUnavailable(f"KMS cannot be reached: {error}", origin=Origin.OTHER, kind=Kind.IO)
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_ERROR)
    if code in _NOT_FOUND:
        return KeyNotFound(origin=Origin.OTHER, kind=Kind.IO)
    if code in _DENIED:
        return VaultAccessDenied(f"KMS refused us ({code})", origin=Origin.OTHER, kind=Kind.IO)
    if code in _TEMPORARY or status >= _SERVER_ERROR:
        return VaultUnavailable(f"KMS cannot be used now ({code})", origin=Origin.OTHER, kind=Kind.IO)
    return AwsKmsError(f"KMS did not do it ({code})")
