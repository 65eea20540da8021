"""Opens a secure channel through a middle node, over two TCP connections, and sends a message through it.

Start 05_secure_channel_over_two_transport_hops_responder.py and ..._middle.py first.

$ python examples/05_secure_channel_over_two_transport_hops_initiator.py --connect 127.0.0.1:3000
App Received: Hello Ockam!
"""

import argparse
import asyncio

from ockam import Node, SecureChannelOptions, route

ROUTE = "forward_to_bob,bob_listener"


async def main(connect: str, hops: list[str], message: str) -> None:
    """Open a channel, ask once."""
    async with Node() as node:
        alice = await node.create_identity()
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        options = SecureChannelOptions(timeout=10)
        channel = await node.create_secure_channel(alice, route(connection, *hops), options)
        # The channel is a hop: what follows it in a route is on the other end of it.
        reply = await node.send_and_receive(route(channel, "echoer"), message, reply=str, timeout=30)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--route", default=ROUTE, metavar="HOP,...", help="to the listener; default: %(default)s")
    parser.add_argument("--message", default="Hello Ockam!", metavar="TEXT", help="default: %(default)s")
    options = parser.parse_args()
    asyncio.run(main(options.connect, options.route.split(","), options.message))
