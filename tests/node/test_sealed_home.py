"""A node whose secrets are sealed at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ockam.node import Node
from ockam.storage.home import DATABASE_NAME
from ockam.vault.errors import CannotUnseal, SecretNotSealed, SecretsSealed
from ockam.vault.software import SealingKey
from tests.asynchronous import asynchronous

if TYPE_CHECKING:
    from pathlib import Path


def key(text: str) -> SealingKey:
    return SealingKey.from_key(text.encode().ljust(32, b"."))


def everything_in(home: Path) -> bytes:
    content = b"".join(path.read_bytes() for path in home.iterdir() if path.name.startswith(DATABASE_NAME))
    assert content
    return content


@asynchronous
async def test_a_sealed_home_opens_with_its_key_only(tmp_path: Path) -> None:
    async with Node(home=tmp_path, sealing_key=key("right")) as node:
        alice = await node.create_identity("alice")
        device = await node.create_enrollee("Robot Axiom")
        offer = device.offer
        await device.close()
    with pytest.raises(SecretsSealed):
        await Node(home=tmp_path).start()
    with pytest.raises(CannotUnseal):
        await Node(home=tmp_path, sealing_key=key("wrong")).start()
    # A failed start lets go of the home.
    async with Node(home=tmp_path, sealing_key=key("right")) as node:
        assert await node.identity_named("alice") == alice
        await node.identities.secure_channel_purpose_key(alice)
        device = await node.create_enrollee()
        assert device.offer == offer
        await device.close()


@asynchronous
async def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    async with Node(home=tmp_path, sealing_key=key("right")) as node:
        alice = await node.create_identity("alice")
        identity = await node.identities.identity(alice)
        handle = await node.identities.vault.identity.handle_of(identity.latest_public_key)
        stored = await node.secrets.signing_secret(handle)
        assert stored is not None
    assert stored.secret not in everything_in(tmp_path)


@asynchronous
async def test_a_plain_home_says_that_it_is_not_sealed(tmp_path: Path) -> None:
    async with Node(home=tmp_path) as node:
        await node.create_identity()
    with pytest.raises(SecretNotSealed):
        await Node(home=tmp_path, sealing_key=key("right")).start()
    async with Node(home=tmp_path):
        pass
