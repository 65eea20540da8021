"""The serving side of our benchmark: what the reference peer's mode `responder` runs, and the worker `usage`.

$ python bench/responder.py --listen 127.0.0.1:4000 --spin 75
{"ready": "127.0.0.1:4000"}
"""

from __future__ import annotations

import argparse
import json
import resource

from ockam import Context, Echoer, Node, Routed, SecureChannelListenerOptions, Worker, run


class Sink(Worker[str]):
    """Counts bytes; replies with the total when it gets the word `total`."""

    def __init__(self) -> None:
        self.total = 0

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        body = message.body
        if body == "total":
            total, self.total = self.total, 0
            await ctx.send(message.return_route, str(total))
            return
        # Bodies are ASCII here; in general the number of bytes is that of the encoded text.
        self.total += len(body) if body.isascii() else len(body.encode())


class Usage(Worker[str]):
    """Replies with the processor time that this process has used, in microseconds."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        await ctx.send(message.return_route, str(cpu_microseconds()))


def cpu_microseconds() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round((usage.ru_utime + usage.ru_stime) * 1e6)


async def main(listen: str) -> None:
    async with Node() as node:
        bob = await node.create_identity()
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        channels = await node.create_secure_channel_listener(bob, "bob_listener", options)
        for name, worker in (("echoer", Echoer()), ("sink", Sink())):
            await node.start_worker(name, worker)
            node.flow_controls.add_consumer(name, channels.flow_control_id)
        await node.start_worker("usage", Usage())
        node.flow_controls.add_consumer("usage", listener.flow_control_id)
        print(json.dumps({"ready": str(listener.socket_address)}), flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--spin", type=int, default=0, help="microseconds to poll before sleeping")
    arguments = parser.parse_args()
    run(main(arguments.listen), spin_microseconds=arguments.spin)
