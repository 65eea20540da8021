"""Sends a message over two TCP connections: to the middle node, and from there to the responder.

Start 04_routing_over_transport_two_hops_responder.py and ..._middle.py first.

$ python examples/04_routing_over_transport_two_hops_initiator.py --connect 127.0.0.1:3000
App Received: Hello Ockam!
"""

import argparse
import asyncio

from ockam import Node, route

ROUTE = "forward_to_responder,echoer"


async def main(connect: str, hops: list[str]) -> None:
    """Ask once."""
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        reply = await node.send_and_receive(route(connection, *hops), "Hello Ockam!", reply=str)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--route", default=ROUTE, metavar="HOP,...", help="hops behind it; default: %(default)s")
    options = parser.parse_args()
    asyncio.run(main(options.connect, options.route.split(",")))
