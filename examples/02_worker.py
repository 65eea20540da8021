"""A worker of one's own: it gets messages at its address, one after the other, and answers each.

$ python examples/02_worker.py
App Received: Hello Ockam!
"""

import asyncio

from ockam import Context, Node, Routed, Worker


class Echoer(Worker[str]):
    """Sends every text back to where it came from. `str` says how the body of a message is decoded."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        """Answer one message: its return route is the way back to its sender."""
        await ctx.send(message.return_route, message.body)


async def main() -> None:
    """Ask the worker once."""
    async with Node() as node:
        await node.start_worker("echoer", Echoer())
        reply = await node.send_and_receive("echoer", "Hello Ockam!", reply=str)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    asyncio.run(main())
