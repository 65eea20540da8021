"""A device: knows only where an enroller is, becomes a member, and talks to the service over the keys that come of it.

Start 10_enrollment_service.py and ..._enroller.py first.

$ python examples/10_enrollment_enrollee.py --connect 127.0.0.1:5000 --name "Robot Axiom"
Offer 46f3b0b4a90ee55d8cd3
Code 204865
Enrolled as Ib09c... by I5e0c...: {'enrolled': 'true', 'ockam-relay': '46f3b0b4a90ee55d8cd3', 'site': 'berlin'}
App Received: Hello Ockam!
"""

import argparse
import asyncio

from ockam import Node, route


async def confirm(code: str) -> bool:
    """Show the code; a device without a screen and buttons agrees to any."""
    print(f"Code {code}", flush=True)
    return True


async def main(connect: str, name: str) -> None:
    """Enroll, then ask once."""
    # With Node(home=...) the device remembers where it was, whenever it is switched off.
    async with Node() as node:
        device = await node.create_enrollee(name)
        print(f"Offer {device.offer.enrollment_identifier.hex()[:20]}", flush=True)
        enrollment = await device.enroll_through(connect, confirm=confirm)
        print(f"Enrolled as {enrollment.identifier} by {enrollment.service}: {enrollment.attributes}", flush=True)
        channel = await enrollment.open_channel()
        reply = await node.send_and_receive(route(channel, "echoer"), "Hello Ockam!", reply=str, timeout=30)
        print(f"App Received: {reply}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connect", default="127.0.0.1:5000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--name", default="Robot Axiom", metavar="TEXT", help="default: %(default)s")
    given = parser.parse_args()
    asyncio.run(main(given.connect, given.name))
