"""The identities of example 06. They are no secret: real ones are made by `create_identity`, and stay where they are.

They are those of the reference's example, so that any of its three programs can be a node of the reference.
"""

from typing import Final

from ockam import Identifier, Node
from ockam.vault.interfaces import SigningKeyType, SigningSecret

ATTRIBUTES: Final = {"cluster": "production"}

ISSUER: Final = Identifier.parse("If56990ed7e379ab114163c1233b3939325aec6b187d611d5734eb7d01690736b")
ISSUER_SECRET: Final = bytes.fromhex("0127359911708ef4de9adaaf27c357501473c4a10a5326a69c1f7f874a0cd82e")
ISSUER_HISTORY: Final = bytes.fromhex(
    "81825837830101583285f68200815820afbca9cf5d440147450f9f0d0a038a337b3fe5c17086163f2c54509558b62ef4f41a"
    "654cf97d1a7818fc7d8200815840650c4c939b96142546559aed99c52b64aa8a2f7b242b46534f7f8d0c5cc083d2c97210b9"
    "3e9bca990e9cb9301acc2b634ffb80be314025f9adc870713e6fde0d"
)

CLIENT: Final = Identifier.parse("Ie70dc5545d64724880257acb32b8851e7dd1dd57076838991bc343165df71bfe")
CLIENT_SECRET: Final = bytes.fromhex("31ff4e1cd55f17735a633fbab4b838cf88d1252d164735cb3185a6e315438c2c")
CLIENT_HISTORY: Final = bytes.fromhex(
    "81825837830101583285f68200815820530d1c2e9822433b679a66a60b9c2ed47c370cd0ce51cbe1a7ad847b5835a963f41a"
    "654cf98e1a7818fc8e820081584085054457d079a67778f235a90fa1b926d676bad4b1063cec3c1b869950beb01d22f93059"
    "1897f761c2247938ce1d8871119488db35fb362727748407885a1608"
)

SERVER: Final = Identifier.parse("Ife42b412ecdb7fda4421bd5046e33c1017671ce7a320c3342814f0b99df9ab60")
SERVER_SECRET: Final = bytes.fromhex("5fb3663df8405379981462babed7507e3d53a8d061188105e3adbd70e0a74b8a")
SERVER_HISTORY: Final = bytes.fromhex(
    "81825837830101583285f682008158201d387ce453816d91159740a55e9a62ad3b58be9ecf7ef08760c42c0d885b6c2ef41a"
    "654cf9681a7818fc688200815840dc10ba498655dac0ebab81c6e1af45f465408ddd612842f10a6ced53c06d4562117e14d6"
    "56be85685aa5bfbd5e5ede6f0ecf5eb41c19a5594e7a25b7a42c5c07"
)


async def become(node: Node, history: bytes, secret: bytes) -> Identifier:
    """Be one of them on this node."""
    return await node.import_private_identity(history, SigningSecret(SigningKeyType.ED25519, secret))
