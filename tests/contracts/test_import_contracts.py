"""The import contracts of pyproject.toml hold, and notice when they do not: a copy of the sources breaks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    # An editable install must not win over the copy: PYTHONPATH comes first.
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "--no-cache"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"\n{line}\n")


def test_the_contracts_hold(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/route.py", "import asyncio", "protocol cores do no I/O BROKEN"),
        ("identity/verification.py", "import time", "protocol cores do no I/O BROKEN"),
        ("secure_channel/handshake.py", "import socket", "protocol cores do no I/O BROKEN"),
        ("encoding/cbor.py", "import ockam.core.address", "layers point down BROKEN"),
        ("core/address.py", "import ockam.multiaddr.codec", "layers point down BROKEN"),
        ("vault/pkcs11/keys.py", "import ockam.vault.aws.errors", "vault back ends are independent BROKEN"),
    ],
)
def test_a_broken_contract_is_noticed(copy: Path, module: str, line: str, contract: str) -> None:
    append(copy / "src" / "ockam" / module, line)
    result = lint_imports(copy)
    assert result.returncode != 0
    assert contract in result.stdout


def test_a_new_package_must_be_given_a_layer(copy: Path) -> None:
    package = copy / "src" / "ockam" / "newcomer"
    package.mkdir()
    (package / "__init__.py").touch()
    result = lint_imports(copy)
    assert result.returncode != 0
    assert "newcomer" in result.stdout + result.stderr
