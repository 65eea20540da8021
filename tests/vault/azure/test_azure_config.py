from __future__ import annotations

import pytest

from ockam.errors import Misuse
from ockam.vault.azure import AzureKeyVaultConfig


@pytest.mark.parametrize(
    ("url", "in_hsm"),
    [
        ("https://name.vault.azure.net", False),
        ("https://name.vault.azure.net/", False),
        ("https://name.managedhsm.azure.net", True),
        ("https://NAME.ManagedHSM.azure.net:443/", True),
        ("https://name.managedhsm.usgovcloudapi.net", True),
        ("https://managedhsm.vault.azure.net", False),
        ("https://localhost:1234", False),
    ],
)
def test_a_managed_hsm_is_known_by_its_url(url: str, in_hsm: bool) -> None:
    assert AzureKeyVaultConfig(url, None).in_hsm is in_hsm
    assert AzureKeyVaultConfig(url, None, managed_hsm=True).in_hsm
    assert not AzureKeyVaultConfig(url, None, managed_hsm=False).in_hsm


@pytest.mark.parametrize("url", ["http://name.vault.azure.net", "name.vault.azure.net", "https://", ""])
def test_only_https(url: str) -> None:
    with pytest.raises(Misuse, match="https://"):
        AzureKeyVaultConfig(url, None)


def test_the_credential_does_not_show() -> None:
    config = AzureKeyVaultConfig("https://name.vault.azure.net", "credential of mine", client={"proxy": "secret"})
    assert "credential of mine" not in repr(config)
    assert "secret" not in repr(config)
