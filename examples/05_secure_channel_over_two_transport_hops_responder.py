"""The far end of a secure channel: its worker `echoer` is reachable through the channel only.

Start this first, then ..._middle.py, then ..._initiator.py. The line that begins with I is the identifier of this node:
who pins it knows that the other end of the channel is this program, whatever lies between.

$ python examples/05_secure_channel_over_two_transport_hops_responder.py --listen 127.0.0.1:4000
Listening on 127.0.0.1:4000
I5e0c...
"""

import argparse
import asyncio
import contextlib

from ockam import Echoer, Node, SecureChannelListenerOptions


async def main(listen: str) -> None:
    """Serve until stopped."""
    async with Node() as node:
        bob = await node.create_identity()
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        # Handshakes may come from the connections of this listener ...
        options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        channels = await node.create_secure_channel_listener(bob, "bob_listener", options)
        # ... and messages for echoer from the channels only.
        await node.start_worker("echoer", Echoer())
        node.flow_controls.add_consumer("echoer", channels.flow_control_id)
        print(f"Listening on {listener.socket_address}", flush=True)
        print(bob, flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args().listen))
