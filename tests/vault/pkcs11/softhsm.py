"""SoftHSM tokens in a directory of the test run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["PIN", "SoftHsm", "softhsm"]

PIN: Final = "1234"
MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


class SoftHsm:
    """The module, as this process has loaded it, and its tokens. One per process: the module is initialised once."""

    def __init__(self, pkcs11: Any, module: str, program: str) -> None:
        self.pkcs11 = pkcs11
        self.module = module
        self._program = program
        # In memory where there is such a place: SoftHSM waits for the disk at every attribute of an object.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a directory of our own in it
        self._directory = tempfile.TemporaryDirectory(prefix="ockam-softhsm-", dir=place)
        self.tokens = Path(self._directory.name) / "tokens"
        self.tokens.mkdir()
        configuration = Path(self._directory.name) / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        self._count = 0

    def new_token(self) -> str:
        """Make a token and return its label. Sessions that were open are closed by that."""
        self._count += 1
        label = f"ockam {self._count}"
        subprocess.run(
            [self._program, "--init-token", "--free", "--label", label, "--so-pin", "5678", "--pin", PIN],
            check=True,
            capture_output=True,
            timeout=60,
        )
        self.reload()
        return label

    def reload(self) -> None:
        """Let the module look which tokens there are."""
        self.pkcs11.lib(self.module).reinitialize()

    def remove_tokens(self) -> Path:
        """Take all tokens away, as if unplugged, and return where they are now."""
        aside = self.tokens.with_name("aside")
        self.tokens.rename(aside)
        self.tokens.mkdir()
        return aside

    def bring_tokens_back(self, aside: Path) -> None:
        """Plug in what was taken away."""
        shutil.rmtree(self.tokens)
        aside.rename(self.tokens)
        self.reload()


_found: list[SoftHsm] = []


def softhsm() -> SoftHsm:
    """Return the one of this process; skips the test where there is none."""
    if not _found:
        pkcs11 = pytest.importorskip("pkcs11", reason="the extra `pkcs11` is not installed")
        program = shutil.which("softhsm2-util")
        module = os.environ.get("SOFTHSM2_MODULE") or next((path for path in MODULES if Path(path).exists()), None)
        if program is None or module is None:
            pytest.skip("SoftHSM (Debian: softhsm2) is not installed")
        _found.append(SoftHsm(pkcs11, module, program))
    return _found[0]
