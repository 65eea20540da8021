"""The far end of a route over two TCP connections; it is the same program as with one.

    initiator -> middle -> responder

Start this first, then ..._middle.py, then ..._initiator.py.

$ python examples/04_routing_over_transport_two_hops_responder.py --listen 127.0.0.1:4000
Listening on 127.0.0.1:4000
"""

import argparse
import asyncio
import contextlib

from ockam import Echoer, Node


async def main(listen: str) -> None:
    """Serve until stopped."""
    async with Node() as node:
        await node.start_worker("echoer", Echoer())
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        node.flow_controls.add_consumer("echoer", listener.flow_control_id)
        print(f"Listening on {listener.socket_address}", flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args().listen))
