"""A message takes a route: it passes the worker h1 on its way to echoer, and the reply passes it on its way back.

    app -> h1 -> echoer -> h1 -> app

$ python examples/03_routing.py
App Received: Hello Ockam!
"""

import asyncio

from ockam import Context, Echoer, Node, Routed, Worker, route


class Hop(Worker[bytes]):
    """Passes messages on: takes itself off the onward route and puts itself on the return route.

    The library has it as `ockam.Hop`.
    """

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        """Pass one message on."""
        await ctx.forward(message.local_message.step_forward(ctx.primary_address))


async def main() -> None:
    """Ask echoer by way of h1."""
    async with Node() as node:
        await node.start_worker("echoer", Echoer())
        await node.start_worker("h1", Hop())
        reply = await node.send_and_receive(route("h1", "echoer"), "Hello Ockam!", reply=str)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    asyncio.run(main())
