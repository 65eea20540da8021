"""Where a node keeps its data and its keys: the configurations that one suite of tests runs over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from ockam.node import Node
from ockam.storage import SqliteSecretsRepository
from ockam.storage.opening import open_database
from ockam.vault import SigningKeyType, Vault
from ockam.vault.software import create_software_vault

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.storage.opening import DatabaseLocation
    from ockam.storage.sql import SqlDatabase
    from ockam.vault.pkcs11 import Pkcs11Token
    from tests.vault.pkcs11.softhsm import SoftHsm

__all__ = ["Configuration", "DatabaseConfiguration", "HomeConfiguration", "MemoryConfiguration", "SoftHsmConfiguration"]


class Configuration(ABC):
    """Makes nodes of one kind; one at a time runs. `keeps`: the next one goes on where the one before was."""

    keeps: ClassVar[bool] = True
    key_types: tuple[SigningKeyType, ...] = (SigningKeyType.ED25519, SigningKeyType.ECDSA_P256)

    @abstractmethod
    def node(self, **options: Any) -> Node:
        """Return the node, not started."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of everything."""


class MemoryConfiguration(Configuration):
    """Everything in memory."""

    keeps = False

    def node(self, **options: Any) -> Node:
        return Node(**options)


class HomeConfiguration(Configuration):
    """A directory with an SQLite file."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def node(self, **options: Any) -> Node:
        return Node(home=self._home, **options)


class DatabaseConfiguration(Configuration):
    """One of the nodes that share a database."""

    def __init__(self, location: DatabaseLocation) -> None:
        self._location = location

    def node(self, **options: Any) -> Node:
        return Node(database=self._location, node_name="robot-7", **options)


class SoftHsmConfiguration(Configuration):
    """A home whose identities have their primary keys on a token; purpose keys are in software, in a file beside it."""

    def __init__(self, folder: Path, hsm: SoftHsm) -> None:
        self._folder = folder
        self._hsm = hsm
        self._label = hsm.new_token()
        self._token: Pkcs11Token | None = None
        self._secrets: SqlDatabase | None = None
        if not self._open().offers("EDDSA"):
            self.key_types = (SigningKeyType.ECDSA_P256,)

    def node(self, **options: Any) -> Node:
        from ockam.vault.pkcs11 import Pkcs11SigningVault

        # As a new process would: nothing that is open is taken over.
        self.close()
        token = self._open()
        self._secrets = open_database(self._folder / "purpose-keys")
        software = create_software_vault(SqliteSecretsRepository(self._secrets))
        vault = Vault(Pkcs11SigningVault(token), software.credential, software.secure_channel, software.verifying)
        return Node(home=self._folder / "home", vault=vault, **options)

    def _open(self) -> Pkcs11Token:
        from ockam.vault.pkcs11 import Pkcs11Token
        from tests.vault.pkcs11.softhsm import PIN

        self._token = Pkcs11Token(self._hsm.module, self._label, PIN)
        return self._token

    def close(self) -> None:
        if self._token is not None:
            self._token.close()
            self._token = None
        if self._secrets is not None:
            self._secrets.close()
            self._secrets = None
