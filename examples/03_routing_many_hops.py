"""A route may have any number of hops, and none of them knows it as a whole.

    app -> h1 -> h2 -> h3 -> echoer, and the same way back

$ python examples/03_routing_many_hops.py
App Received: Hello Ockam!
"""

import asyncio

from ockam import Echoer, Hop, Node, route


async def main() -> None:
    """Ask echoer by way of three hops."""
    async with Node() as node:
        await node.start_worker("echoer", Echoer())
        for name in ("h1", "h2", "h3"):
            await node.start_worker(name, Hop())
        reply = await node.send_and_receive(route("h1", "h2", "h3", "echoer"), "Hello Ockam!", reply=str)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    asyncio.run(main())
