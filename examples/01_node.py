"""Starts a node, sends a message to a worker on it, and stops the node again.

$ python examples/01_node.py
App Received: Hello Ockam!
"""

import asyncio

from ockam import Echoer, Node


async def main() -> None:
    """Run a node for as long as one message takes."""
    # Everything that lives on a node is stopped when its block ends.
    async with Node() as node:
        await node.start_worker("echoer", Echoer())
        reply = await node.send_and_receive("echoer", "Hello Ockam!", reply=str)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    asyncio.run(main())
