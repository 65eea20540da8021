"""The client: gets its credential from the issuer, presents it to the server, and sends a message to `echo`.

Start ..._issuer.py and ..._server.py first.

$ python examples/06_credentials_exchange_client.py --connect 127.0.0.1:4000 --issuer 127.0.0.1:5000
Received: Hello Ockam!
"""

import argparse
import asyncio

from credentials_exchange import ATTRIBUTES, CLIENT_HISTORY, CLIENT_SECRET, ISSUER, SERVER, become

from ockam import Node, SecureChannelOptions, TrustIdentifier, route


async def main(connect: str, issuer: str) -> None:
    """Open a channel, see who answers, ask once."""
    async with Node() as node:
        client = await become(node, CLIENT_HISTORY, CLIENT_SECRET)
        tcp = await node.create_tcp_transport()
        # Asks the issuer for our credential; the channel to it also brings the issuer's change history.
        retriever = await node.create_credential_retriever(client, ISSUER, route(f"1#{issuer}", "api"))
        await retriever.initialize()

        connection = await tcp.connect(connect)
        options = SecureChannelOptions(
            trust_policy=TrustIdentifier(SERVER), authority=ISSUER, credential_retriever=retriever, timeout=10
        )
        channel = await node.create_secure_channel(client, route(connection, "api"), options)
        # The server has presented its credential as well; what it says is kept.
        known = await node.identities.attributes(channel.their_identifier, ISSUER)
        if known is None or known.text().get("cluster") != ATTRIBUTES["cluster"]:
            raise SystemExit("the server is not in production")
        reply = await node.send_and_receive(route(channel, "echo"), "Hello Ockam!", reply=str, timeout=30)
        print(f"Received: {reply}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--issuer", default="127.0.0.1:5000", metavar="ADDRESS", help="default: %(default)s")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.connect, arguments.issuer))
