"""A file with the key that seals a vault's secrets: 32 random bytes as 64 hexadecimal digits, mode 0600.

It protects what it seals only where whoever gets the database does not get the file: another disk, a mounted secret.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ockam.errors import AlreadyExists, Misuse, Origin
from ockam.storage.errors import StorageError
from ockam.vault.software.sealing import SEALING_KEY_SIZE, SealingKey

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["create_key_file", "read_key_file"]

FILE_MODE: Final = 0o600
_MAX_FILE_SIZE: Final = 2 * SEALING_KEY_SIZE + 2


def create_key_file(path: Path | str, random: Callable[[int], bytes] = os.urandom) -> SealingKey:
    """Write a new key to a new file, and return it.

    Raises:
        AlreadyExists: there is a file; it may be the only copy of a key.
        StorageError: it cannot be written.
    """
    key = random(SEALING_KEY_SIZE)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(descriptor)
    except FileExistsError:
        raise AlreadyExists(f"the key file {path} exists already", origin=Origin.VAULT) from None
    except OSError as error:
        raise StorageError(f"the key file {path} cannot be written: {error.strerror}") from error
    return SealingKey.from_key(key)


def read_key_file(path: Path | str) -> SealingKey:
    """Return the key in a file.

    Raises:
        Misuse: it is readable by others than its owner, or holds no key.
        StorageError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_MAX_FILE_SIZE + 1)
    except OSError as error:
        raise StorageError(f"the key file {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise Misuse(f"the key file {path} may be read by others: chmod 600", origin=Origin.VAULT)
    try:
        return SealingKey.from_key(bytes.fromhex(text.decode("ascii")))
    except (ValueError, Misuse):
        raise Misuse(f"{path} is no key file: 64 hexadecimal digits", origin=Origin.VAULT) from None
