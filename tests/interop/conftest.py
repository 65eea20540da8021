"""Finds, or builds, the reference peer."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.reference import Reference
from tests.program import ProgramFailed

BUILD = Path(__file__).with_name("build_peer.sh")


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The peer of OCKAM_PEER, or one built into a cache outside the clone; it has at least the common modes."""
    if "OCKAM_PEER" not in os.environ and shutil.which("cargo") is None:
        pytest.skip("needs Rust (cargo), or OCKAM_PEER with the path of a built peer")
    built = subprocess.run([BUILD], stdout=subprocess.PIPE, check=True, text=True)
    return Reference(built.stdout.strip())


@pytest.fixture(scope="session")
def extended(reference: Reference) -> Reference:
    """The peer with the modes of `peer/src/extended.rs`; a foreign OCKAM_PEER may have the common ones only."""
    try:
        asyncio.run(reference.answer("modes"))
    except ProgramFailed:
        pytest.skip("this OCKAM_PEER has only the common modes")
    return reference
