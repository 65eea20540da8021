"""A node between the two ends of a secure channel. It passes messages on and can neither read nor change them.

Start 05_secure_channel_over_two_transport_hops_responder.py first.

$ python examples/05_secure_channel_over_two_transport_hops_middle.py --listen 127.0.0.1:3000 --connect 127.0.0.1:4000
Listening on 127.0.0.1:3000
"""

import argparse
import asyncio
import contextlib

from ockam import Node, Relay, route


async def main(listen: str, connect: str) -> None:
    """Serve until stopped."""
    async with Node() as node:
        tcp = await node.create_tcp_transport()
        bob = await tcp.connect(connect)
        await node.start_worker("forward_to_bob", Relay(route(bob)))
        listener = await tcp.listen(listen)
        node.flow_controls.add_consumer("forward_to_bob", listener.flow_control_id)
        print(f"Listening on {listener.socket_address}", flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:3000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--connect", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(options.listen, options.connect))
