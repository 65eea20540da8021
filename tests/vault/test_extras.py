"""Vaults whose package is not installed say which one, and everything else goes on without it."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ockam.errors import Misuse
from ockam.vault import ExtraMissing
from ockam.vault.aws import AwsSigningVault
from ockam.vault.azure import AzureKeyVaultConfig, AzureSigningVault
from ockam.vault.extras import optional_module
from ockam.vault.pkcs11 import Pkcs11Token
from tests.asynchronous import asynchronous

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("pkcs11", "boto3", "botocore", "azure")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """None in sys.modules makes an import fail as if there was no such package."""
    for name in [*PACKAGES, *(name for name in sys.modules if name.partition(".")[0] in PACKAGES)]:
        monkeypatch.setitem(sys.modules, name, None)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("nothing_installed")
def test_pkcs11() -> None:
    with pytest.raises(ExtraMissing, match=r"ockam\[pkcs11\]") as caught:
        Pkcs11Token("module.so", "label", "1234")
    assert isinstance(caught.value, Misuse)


@pytest.mark.usefixtures("nothing_installed")
@asynchronous
async def test_aws() -> None:
    with pytest.raises(ExtraMissing, match=r"ockam\[aws\]"):
        await AwsSigningVault.create()


@pytest.mark.usefixtures("nothing_installed")
@asynchronous
async def test_azure() -> None:
    with pytest.raises(ExtraMissing, match=r"ockam\[azure\]"):
        await AzureSigningVault.create(AzureKeyVaultConfig("https://name.vault.azure.net", None))


def test_a_package_that_is_there_but_broken_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, *_: Any) -> Any:
        raise ImportError(f"{name} cannot load its library")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(ImportError) as caught:
        optional_module("pkcs11", "pkcs11")
    assert not isinstance(caught.value, ExtraMissing)
    assert builtins.ImportError is type(caught.value)
