"""Sends a message to a worker of another node over TCP: a connection is a hop of the route like any worker.

Start 04_routing_over_transport_responder.py first.

$ python examples/04_routing_over_transport_initiator.py --connect 127.0.0.1:4000 --route echoer
App Received: Hello Ockam!
"""

import argparse
import asyncio

from ockam import Node, route


async def main(connect: str, hops: list[str]) -> None:
    """Ask once."""
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        reply = await node.send_and_receive(route(connection, *hops), "Hello Ockam!", reply=str)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--route", default="echoer", metavar="HOP,...", help="hops behind it; default: %(default)s")
    options = parser.parse_args()
    asyncio.run(main(options.connect, options.route.split(",")))
