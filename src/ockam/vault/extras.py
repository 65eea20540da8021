"""Packages that only some vaults need, imported when such a vault is made."""

import importlib
from typing import Any

from ockam.vault.errors import ExtraMissing

__all__ = ["optional_module"]


def optional_module(name: str, extra: str) -> Any:  # noqa: ANN401 - the package may be absent, and with it its types
    """Return a module of an optional package.

    Args:
        name: of the module.
        extra: of this library, that installs it.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"this vault needs the package {error.name}: pip install 'ockam[{extra}]'") from error
