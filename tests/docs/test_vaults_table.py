"""The table of docs/vaults.md says of each vault what its code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ockam.vault import SecureChannelVault, SigningKeyType, SigningVault
from ockam.vault.aws import AwsSigningVault
from ockam.vault.aws import signing as aws
from ockam.vault.azure import AzureSigningVault
from ockam.vault.azure import signing as azure
from ockam.vault.pkcs11 import Pkcs11SecureChannelVault, Pkcs11SigningVault
from ockam.vault.pkcs11 import signing as pkcs11
from ockam.vault.software import SoftwareSecureChannelVault, SoftwareSigningVault

PAGE: Final = Path(__file__).parents[2] / "docs" / "vaults.md"
KEY_TYPES: Final = {"Ed25519": SigningKeyType.ED25519, "P-256": SigningKeyType.ECDSA_P256}


class Column(NamedTuple):
    classes: tuple[type, ...]
    key_types: frozenset[SigningKeyType]
    depends_on_the_token: bool = False


COLUMNS: Final = {
    "software": Column((SoftwareSigningVault, SoftwareSecureChannelVault), frozenset(SigningKeyType)),
    "PKCS#11": Column((Pkcs11SigningVault, Pkcs11SecureChannelVault), pkcs11.SIGNING_KEY_TYPES, True),
    "AWS KMS": Column((AwsSigningVault,), aws.SIGNING_KEY_TYPES),
    "Azure Key Vault": Column((AzureSigningVault,), azure.SIGNING_KEY_TYPES),
}
# Of a token: what makes or takes a key needs its mechanism; what uses one found it already.
NEEDS_A_MECHANISM: Final = re.compile(r"generate_(signing|static)|import_")


def rows() -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").partition("\n## What each can do\n")[2]
    lines = section.strip().split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["operation", *COLUMNS]
    return cells[2:]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_cell_is_what_the_code_offers(row: list[str]) -> None:
    operation = re.fullmatch(r"`(\w+)`(?:, (.+))?", row[0])
    assert operation is not None
    for cell, (name, column) in zip(row[1:], COLUMNS.items(), strict=True):
        offered = any(hasattr(vault, operation[1]) for vault in column.classes)
        if operation[2] is not None:
            offered = offered and KEY_TYPES[operation[2]] in column.key_types
        if not offered:
            expected = "no"
        elif column.depends_on_the_token and NEEDS_A_MECHANISM.match(operation[1]):
            expected = "token"
        else:
            expected = "yes"
        assert cell == expected, f"{operation[0]} of {name}"


def test_every_operation_has_a_row() -> None:
    methods = {
        name
        for interface in (SigningVault, SecureChannelVault)
        for name, _ in inspect.getmembers(interface, inspect.isfunction)
        if not name.startswith("_")
    }
    named = [row[0].split("`")[1] for row in rows()]
    assert set(named) == methods | {"import_signing_key"}
    assert named.count("generate_signing_key") == len(SigningKeyType)


@pytest.mark.parametrize("vault", [vault for column in COLUMNS.values() for vault in column.classes])
def test_a_vault_offers_one_of_the_interfaces_whole(vault: type) -> None:
    interface = SecureChannelVault if "SecureChannel" in vault.__name__ else SigningVault
    for name, method in inspect.getmembers(interface, inspect.isfunction):
        if not name.startswith("_"):
            ours = getattr(vault, name)
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(method).parameters), name
            assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(method), name
