"""The enrollment service: it enrolls the devices that its enroller approves, without having met any of them.

Start this first, then ..._enroller.py, then ..._enrollee.py, each in its own terminal. So that nothing has to be
copied, the enroller of this example has a fixed identity that the service knows; name another one with --enroller.

$ python examples/10_enrollment_service.py --listen 127.0.0.1:4000
Listening on 127.0.0.1:4000
I5e0c...
Approved 46f3b0b4a90ee55d8cd3 (Robot Axiom)
Enrolled 46f3b0b4a90ee55d8cd3 (Robot Axiom) as Ib09c...
"""

import argparse
import asyncio
import contextlib

from ockam import Echoer, EnrollmentServiceOptions, Identifier, Node
from ockam.enrollment.workers.events import Approved, Enrolled, ServiceEvent

ENROLLER = "If4ef3818abcee2d3fe4526ca10f74205a07cc6d85a2cca85b567580c7139a562"


def report(event: ServiceEvent) -> None:
    """Print what happens."""
    match event:
        case Approved(record):
            print(f"Approved {record.short} ({record.pet_name})", flush=True)
        case Enrolled(record, identifier):
            print(f"Enrolled {record.short} ({record.pet_name}) as {identifier}", flush=True)


async def main(listen: str, enroller: str) -> None:
    """Serve until stopped."""
    async with Node() as node:
        identifier = await node.create_identity()
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        options = EnrollmentServiceOptions(enrollers=[Identifier.parse(enroller)])
        service = await node.create_enrollment_service(identifier, listener, options)
        service.on_event(report)
        # What enrolled devices find here, over the channel that their enrollment begins.
        await node.start_worker("echoer", Echoer())
        node.flow_controls.add_consumer("echoer", service.channels.flow_control_id)
        print(f"Listening on {listener.socket_address}", flush=True)
        print(identifier, flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--enroller", default=ENROLLER, metavar="IDENTIFIER", help="default: that of the example")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.listen, given.enroller))
