"""The public Noise test vectors: our core under the standard names, standard IVs and standard key order."""

import json
from pathlib import Path
from typing import Any

import pytest

from ockam.secure_channel.noise import HandshakeState, Role, standard_suite
from tests.secure_channel.pair import key, once

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "noise-xx-25519.json").read_text())[
    "vectors"
]


def party(vector: dict[str, Any], role: Role, prefix: str) -> HandshakeState:
    return HandshakeState(
        standard_suite(vector["protocol_name"]),
        role,
        key(bytes.fromhex(vector[f"{prefix}_static"])),
        once(bytes.fromhex(vector[f"{prefix}_ephemeral"])),
        prologue=bytes.fromhex(vector[f"{prefix}_prologue"]),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["protocol_name"]))
def test_noise_xx(vector: dict[str, Any]) -> None:
    writer, reader = party(vector, Role.INITIATOR, "init"), party(vector, Role.RESPONDER, "resp")
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    for payload, ciphertext in messages[:3]:
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
        writer, reader = reader, writer
    assert writer.symmetric_state.h == reader.symmetric_state.h == bytes.fromhex(vector["handshake_hash"])

    # Noise: the initiator sends with c1, the responder with c2; the turns go on alternating.
    responder, initiator = writer, reader
    (initiator_c1, initiator_c2), (responder_c1, responder_c2) = initiator.split(), responder.split()
    directions = [(responder_c2, initiator_c2), (initiator_c1, responder_c1)]
    assert len(messages) == 6
    for turn, (payload, ciphertext) in enumerate(messages[3:]):
        sender, receiver = directions[turn % 2]
        assert sender.encrypt_with_ad(b"", payload) == ciphertext
        assert receiver.decrypt_with_ad(b"", ciphertext) == payload
