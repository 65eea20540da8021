"""The parties of the enrollment model (`vectors/data/enrollment-model.json`), with its keys and times."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from ockam.enrollment.bucket import Rate
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.prekey_bundle import SecretKey
from ockam.enrollment.service import EnrollmentService, ServiceKeys, ServiceSettings
from ockam.identity.change_history import ChangeHistory
from ockam.identity.identifier import Identifier
from ockam.identity.purpose_key import CredentialPurposeKey, PurposeKeyAttestation
from ockam.identity.verification import read_attestation_data, verify_change_history
from ockam.testing import FixedRandom
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType, SigningSecret
from ockam.vault.keys import Ed25519PublicKey
from ockam.vault.software import MemorySecretsRepository, SoftwareSigningVault, SoftwareVerifyingVault

MODEL: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "data" / "enrollment-model.json").read_text()
)
T0: Final[int] = MODEL["time"]["T0"]
NOW: Final[int] = MODEL["time"]["now_when_received"]
KEYS: Final[dict[str, Any]] = MODEL["keys"]
VERIFIER: Final = SoftwareVerifyingVault()
UNLIMITED: Final = Rate(1e9, 1e9)


def model_bytes(section: str, name: str) -> bytes:
    """Return a value of the vectors."""
    return bytes.fromhex(MODEL[section][name])


def secret_key(name: str) -> SecretKey:
    """Return an X25519 key of the model."""
    return SecretKey(bytes.fromhex(KEYS[name]["secret"]))


def history(name: str) -> ChangeHistory:
    """Return a change history of the model."""
    return ChangeHistory.decode_exactly(bytes.fromhex(KEYS[name]["change_history"]))


def attestation(text: str) -> PurposeKeyAttestation:
    """Return an attestation from its hexadecimal form."""
    return PurposeKeyAttestation.decode(bytes.fromhex(text))


def signing_vault(*names: str) -> tuple[SoftwareSigningVault, list[SigningKeyHandle]]:
    """Return a vault that holds Ed25519 keys of the model, and their handles."""

    async def fill() -> tuple[SoftwareSigningVault, list[SigningKeyHandle]]:
        repository = MemorySecretsRepository()
        vault = SoftwareSigningVault(repository, FixedRandom("unused"))
        handles = []
        for name in names:
            handle = await vault.handle_of(Ed25519PublicKey(bytes.fromhex(KEYS[name]["public"])))
            secret = SigningSecret(SigningKeyType.ED25519, bytes.fromhex(KEYS[name]["secret"]))
            await repository.store_signing_secret(handle, secret)
            handles.append(handle)
        return vault, handles

    return asyncio.run(fill())


SERVICE: Final = verify_change_history(history("service identity"), VERIFIER)
DEVICE: Final = verify_change_history(history("device identity"), VERIFIER)
ENROLLER: Final = Identifier(bytes.fromhex(KEYS["enroller identity"]["identifier"]))
SIGNED_BUNDLE: Final = SignedEnrollmentBundle.decode(model_bytes("bundle", "signed_bundle"))
MESSAGE: Final = model_bytes("message", "enrollment_message")


def service_keys() -> ServiceKeys:
    """Return the model service's keys."""
    vault, (credential,) = signing_vault("service credential key")
    attested = attestation(KEYS["service credential key"]["attestation"])
    return ServiceKeys(
        SERVICE,
        secret_key("service identity (IK_S)"),
        CredentialPurposeKey(attested, read_attestation_data(attested), credential),
        vault,
        VERIFIER,
    )


SERVICE_KEYS: Final = service_keys()


def model_service(random: str = "model", **settings: Any) -> EnrollmentService:
    """Return the model's service; no administrators and no limits unless given."""
    defaults: dict[str, Any] = {
        "administrators": frozenset(),
        "bundle_routes": SIGNED_BUNDLE.contents().routes,
        "member_routes": ("/dnsaddr/enroll.example.com/tcp/4000/service/api",),
        "source_rate": UNLIMITED,
        "bundle_rate": UNLIMITED,
    }
    return EnrollmentService(SERVICE_KEYS, ServiceSettings(**(defaults | settings)), FixedRandom(random))
