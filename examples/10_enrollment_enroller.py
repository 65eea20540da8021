"""The enroller: fetches bundles from the service, hands them to devices on a local link, approves the devices.

Both ends of the link show the same six digits. Here nobody compares them; a program with a person in front of it asks,
and returns what that person says.

$ python examples/10_enrollment_enroller.py --connect 127.0.0.1:4000 --listen 127.0.0.1:5000
Listening on 127.0.0.1:5000
Service I5e0c...
Code 204865 for Robot Axiom
"""

import argparse
import asyncio
import contextlib

from ockam import Node
from ockam.enrollment.messages import EnrolleeOffer
from ockam.vault.interfaces import SigningKeyType, SigningSecret
from ockam.vault.software import create_software_vault

# The identity of this example's enroller, which is no secret: its key and its change history. A real one makes its own
# (`await node.create_identity()`), in a home (`Node(home=...)`), and tells the service's operator its identifier.
SECRET = bytes.fromhex("5d0b1216c1adea324ad494aae89c2d64dc5329c3bde1408a35e8d7bc93ae36d7")
HISTORY = bytes.fromhex(
    "81825837830101583285f682008158200efc520a885a7d3402e4de76ebe222c0db65f8bde457071c9b77febcc8969a7df41a684ee180"
    "1a7b1ae4808200815840b34896bc31fb15ea3ef6083a57587f703b4c475b404c00606d5ca56d643db31d466bb45cd74d2aac0db45c61"
    "95f689e9a1f147235d6a136d29cdb900e458eb0b"
)


async def confirm(code: str, offer: EnrolleeOffer) -> bool:
    """Compare the code with the one on the device."""
    print(f"Code {code} for {offer.pet_name}", flush=True)
    return True


async def main(connect: str, listen: str) -> None:
    """Serve devices until stopped."""
    vault = create_software_vault()
    key = await vault.identity.import_signing_key(SigningSecret(SigningKeyType.ED25519, SECRET))
    async with Node(vault=vault) as node:
        identifier = await node.identities.import_private_identity(HISTORY, key)
        host, _, port = connect.rpartition(":")
        enroller = await node.create_enroller(identifier, f"/ip4/{host}/tcp/{port}")
        # A stock, so that devices can be served while the service is out of reach; their approvals wait then.
        await enroller.stock_bundles(10)
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        await enroller.start_station(listener, confirm=confirm, attributes={"site": "berlin"})
        print(f"Listening on {listener.socket_address}", flush=True)
        print(f"Service {enroller.service}", flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--listen", default="127.0.0.1:5000", metavar="ADDRESS", help="default: %(default)s")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.connect, given.listen))
