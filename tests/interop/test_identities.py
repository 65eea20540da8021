"""Histories, attestations and credentials: ours judged by the reference, and its own by us."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from ockam import Identifier, Node, OckamError
from ockam.vault.interfaces import SigningKeyType

if TYPE_CHECKING:
    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop

ED25519, P256 = SigningKeyType.ED25519, SigningKeyType.ECDSA_P256
KEYS = [
    pytest.param([ED25519], id="Ed25519"),
    pytest.param([P256], id="P-256"),
    pytest.param([ED25519, ED25519, ED25519], id="Ed25519 rotated"),
    pytest.param([P256, P256], id="P-256 rotated"),
    pytest.param([ED25519, P256, ED25519, P256], id="mixed"),
]


async def create_identity(node: Node, keys: list[SigningKeyType]) -> Identifier:
    identifier = await node.identities.create_identity(key_type=keys[0])
    for key_type in keys[1:]:
        await node.identities.rotate_identity(identifier, key_type)
    return identifier


def flipped(data: bytes, position: int) -> str:
    return (data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :]).hex()


# ---- ours, judged by the reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", KEYS)
def test_the_reference_accepts_our_histories(extended: Reference, keys: list[SigningKeyType]) -> None:
    async def main() -> None:
        async with Node() as node:
            identifier = await create_identity(node, keys)
            history = await node.export_identity(identifier)
            answer = await extended.answer("check-history", history.hex())
            assert answer == {"accepted": True, "value": str(identifier)}
            for position in (10, len(history) // 2, len(history) - 1):
                refused = extended.start("check-history", flipped(history, position))
                async with refused as program:
                    answer = await program.json()
                    assert answer["accepted"] is False or answer["value"] != str(identifier)

    asyncio.run(main())


@pytest.mark.parametrize("keys", KEYS)
def test_the_reference_accepts_our_attestations(extended: Reference, keys: list[SigningKeyType]) -> None:
    async def main() -> None:
        async with Node() as node:
            identifier = await create_identity(node, keys)
            history = (await node.export_identity(identifier)).hex()
            channel_key = await node.identities.secure_channel_purpose_key(identifier)
            credential_key = await node.identities.credential_purpose_key(identifier)
            for purpose, attestation in (
                ("secure_channel", channel_key.attestation),
                ("credential", credential_key.attestation),
            ):
                encoded = attestation.encode()
                answer = await extended.answer("check-attestation", history, encoded.hex())
                assert answer["accepted"] is True
                assert (answer["value"]["subject"], answer["value"]["purpose"]) == (str(identifier), purpose)
                answer = await extended.answer("check-attestation", history, flipped(encoded, len(encoded) - 1))
                assert answer["accepted"] is False

    asyncio.run(main())


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("attributes", [{}, {"role": "sensor"}, {"floor": "3", "aa": "b", "b": "", "name": "Ünï ✓"}])
def test_the_reference_accepts_our_credentials(
    extended: Reference, keys: list[SigningKeyType], attributes: dict[str, str]
) -> None:
    async def main() -> None:
        async with Node() as node:
            issuer, subject = await create_identity(node, keys), await node.create_identity()
            history = (await node.export_identity(issuer)).hex()
            credential = await node.issue_credential(issuer, subject, attributes, ttl_seconds=600)
            answer = await extended.answer("check-credential", history, str(subject), credential.hex())
            assert answer["accepted"] is True
            assert answer["value"]["attributes"] == attributes
            assert answer["value"]["expires_at"] - answer["value"]["created_at"] == 600
            answer = await extended.answer("check-credential", history, str(issuer), credential.hex())
            assert answer["accepted"] is False

    asyncio.run(main())


# ---- the reference's, judged by us -----------------------------------------------------------------------------------


async def vectors(reference: Reference) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(await reference.run("vectors"))
    return result


def test_we_accept_histories_and_attestations(reference: Reference) -> None:
    async def main() -> None:
        for identity in (await vectors(reference))["identities"]:
            async with Node() as node:
                identifier = Identifier.parse(identity["identifier"])
                for history in identity["histories"]:
                    encoded = bytes.fromhex(history)
                    assert await node.import_identity(encoded, identifier) == identifier
                    assert await node.export_identity(identifier) == encoded
                for kind in ("secure_channel_attestation", "credential_attestation"):
                    encoded = bytes.fromhex(identity[kind])
                    await node.verify_purpose_key_attestation(encoded, identifier)
                    with pytest.raises(OckamError):
                        await node.verify_purpose_key_attestation(
                            bytes.fromhex(flipped(encoded, len(encoded) - 1)), identifier
                        )

    asyncio.run(main())


def test_we_refuse_an_attestation_of_a_history_that_went_on(reference: Reference) -> None:
    async def main() -> None:
        rotated = [i for i in (await vectors(reference))["identities"] if len(i["histories"]) > 1]
        assert rotated
        for identity in rotated:
            async with Node() as node:
                identifier = await node.import_identity(bytes.fromhex(identity["histories"][0]))
                with pytest.raises(OckamError):
                    await node.verify_purpose_key_attestation(
                        bytes.fromhex(identity["secure_channel_attestation"]), identifier
                    )

    asyncio.run(main())


def test_we_refuse_credentials_that_outlive_the_issuers_key(reference: Reference) -> None:
    """The mode `vectors` issues them for ten years under a key attested for five; the reference refuses them, too."""

    async def main() -> None:
        made = await vectors(reference)
        async with Node() as node:
            issuer = await node.import_identity(bytes.fromhex(made["issuer_history"]))
            for credential in made["credentials"]:
                subject = await node.import_identity(bytes.fromhex(credential["subject_history"]))
                with pytest.raises(OckamError):
                    await node.verify_credential(
                        bytes.fromhex(credential["credential_and_purpose_key"]), subject, [issuer]
                    )

    asyncio.run(main())


@pytest.mark.parametrize("attributes", [{}, {"role": "sensor"}, {"floor": "3", "aa": "b", "b": "", "name": "Ünï ✓"}])
def test_we_accept_credentials(extended: Reference, attributes: dict[str, str]) -> None:
    async def main() -> None:
        async with Node() as node, extended.start("issue") as issuer_program:
            issuer = await node.import_identity(bytes.fromhex((await issuer_program.json())["history"]))
            subject, other = await node.create_identity(), await node.create_identity()
            history = (await node.export_identity(subject)).hex()
            await issuer_program.write(json.dumps({"subject": history, "attributes": attributes, "ttl": 600}))
            encoded = bytes.fromhex((await issuer_program.json())["credential"])
            credential = await node.verify_credential(encoded, subject, [issuer])
            assert credential.attributes == attributes
            for wrong, who, authorities in (
                (encoded, other, [issuer]),
                (encoded, subject, [other]),
                (encoded, subject, []),
                (bytes.fromhex(flipped(encoded, len(encoded) - 1)), subject, [issuer]),
            ):
                with pytest.raises(OckamError):
                    await node.verify_credential(wrong, who, authorities)

    asyncio.run(main())
