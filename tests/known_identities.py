"""The three identities of example 06, from the vectors: histories and keys, which are no secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ockam import Identifier
from ockam.vault import SigningKeyType, SigningSecret

__all__ = ["ATTRIBUTES", "CLIENT", "ISSUER", "SERVER", "Known"]

ATTRIBUTES = {"cluster": "production"}


@dataclass(frozen=True, slots=True)
class Known:
    """One of them."""

    identifier: Identifier
    history: bytes
    secret: SigningSecret

    @property
    def texts(self) -> tuple[str, str]:
        """History and secret in hexadecimal, as the reference peer takes them."""
        return self.history.hex(), self.secret.secret.hex()


def _known(name: str) -> Known:
    path = Path(__file__).parent / "vectors" / "data" / "identity-known.json"
    (entry,) = (entry for entry in json.loads(path.read_text())["identities"] if entry["name"] == f"example06_{name}")
    secret = SigningSecret(SigningKeyType.ED25519, bytes.fromhex(entry["secret_key"]))
    return Known(Identifier.parse(entry["identifier"]), bytes.fromhex(entry["change_history"]), secret)


ISSUER, CLIENT, SERVER = _known("issuer"), _known("client"), _known("server")
