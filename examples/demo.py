"""The three parties of an enrollment, in ten processes on this machine, and what somebody on the wire sees of it.

A service, an enroller with a station, and one device per line of fleet.csv. One of them comes too late, and one is an
impostor (its role says so to us): it has a stolen bundle and nobody's approval. Enrolled devices then exchange readings
end to end, through the service's relay. All that reaches service and station passes through wire taps; in the end
everything captured is searched for what must not be there.

$ python examples/demo.py
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from party import DEVICE, EXAMPLES, OCKAM, Party, PartyFailed, ockam, ockam_must
from wire_tap import LOOPBACK, WireTap

FLEET: Final = EXAMPLES / "fleet.csv"
ENROLL_SECONDS: Final = 20
SHORT_SECONDS: Final = 1
TOO_SHORT: Final = "1s"
ALLOWED_SITE: Final = "berlin"
IMPOSTOR: Final = "impostor"
UNAVAILABLE: Final = 69  # exit code: no answer
COLORS: Final = {"ok": 32, "no": 33, "wrong": 31, "quiet": 2}


class Teller:
    """Prints what happens with the time since the start; colours on a terminal only."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._colors = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(self, who: str, text: str, kind: str = "") -> None:
        """Print one line."""
        elapsed = f"{time.monotonic() - self._start:6.2f} s"
        print(f"{self.paint(elapsed, 'quiet')}  {who:<9} {self.paint(text, kind)}", flush=True)

    def paint(self, text: str, kind: str) -> str:
        """Colour a text."""
        return f"\x1b[{COLORS[kind]}m{text}\x1b[0m" if kind and self._colors else text

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start


@dataclass
class Device:
    """A line of the fleet file, and what became of it."""

    line: dict[str, str]
    home: Path
    party: Party | None = None
    offer: str = ""
    identifier: str = ""
    relay_name: str = ""
    state: str = "-"
    messages: int = 0

    @property
    def name(self) -> str:
        """The pet name."""
        return self.line["name"]

    @property
    def process(self) -> Party:
        """The running process."""
        assert self.party is not None
        return self.party


@dataclass
class Demo:
    """The whole story.

    Attributes:
        base: directory of all homes.
        fleet: the devices.
        wrong: what is not as it should be.
        secrets: what must not be seen on the wire, by name.
    """

    base: Path
    fleet: Path = FLEET
    teller: Teller = field(default_factory=Teller)
    devices: list[Device] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    secrets: dict[str, set[bytes]] = field(default_factory=dict)
    service_identifier: str = ""
    impostors: list[dict[str, str]] = field(default_factory=list)
    stolen: str = ""
    clean: bool = True

    def check(self, good: bool, otherwise: str) -> None:
        """Note what is wrong."""
        if not good:
            self.wrong.append(otherwise)
            self.teller.say("WRONG", otherwise, "wrong")

    def keep_off_the_wire(self, name: str, text: str) -> None:
        """Remember what to search for: a text; of an identifier its 32 bytes and its hex digits."""
        forms = {text.encode()}
        if len(text) == 65 and text.startswith("I"):
            forms = {bytes.fromhex(text[1:]), text[1:].encode()}
        self.secrets.setdefault(name, set()).update(forms)

    # ---- the story ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell it from beginning to end."""
        async with AsyncExitStack() as stack:
            at_service = await stack.enter_async_context(WireTap("service"))
            at_station = await stack.enter_async_context(WireTap("station"))
            service = await self._start_service(stack, at_service)
            await self._start_devices(stack, at_service)
            await self._approve(service)
            station = await self._start_station(stack, at_station)
            async with asyncio.TaskGroup() as together:
                for device in self.in_time:
                    together.create_task(self._enroll(device, at_station))
                for line in self.impostors:
                    together.create_task(self._impostor(line["name"], service))
                together.create_task(self._too_late(at_station, service))
            await self._exchange()
            await self._final_states()
            await asyncio.gather(
                *(party.stop() for party in (service, station, *(device.process for device in self.devices)))
            )
        for party in (service, station):
            self.check(party.status == 0, f"{party.name} ended with {party.status}")
        self.teller.say("all", "stopped")
        self._search(at_service, at_station)
        self._print_table()

    @property
    def in_time(self) -> list[Device]:
        """The devices whose approval lasts."""
        return [device for device in self.devices if device.line.get("expires_in") != TOO_SHORT]

    async def _start_service(self, stack: AsyncExitStack, tap: WireTap) -> Party:
        enroller = await ockam_must(self.base / "enroller", "enroller", "create")
        self.keep_off_the_wire("identifier of the enroller", enroller["identifier"])
        self.teller.say("enroller", f"made, {short(enroller['identifier'])}")
        start = (*OCKAM, "enrollment", "service", "start", "--output", "json", "--listen", f"{LOOPBACK}:0")
        # Bundles name the tap; where the service itself listens, only the tap knows.
        route = f"/ip4/{LOOPBACK}/tcp/{tap.port}/service/enrollment"
        command = (*start, "--enroller", enroller["identifier"], "--route", route)
        service = await stack.enter_async_context(Party.start("the service", *command, home=self.base / "service"))
        ready = await service.wait_for("ready")
        tap.target = address(ready["listen"])
        self.service_identifier = ready["identifier"]
        self.keep_off_the_wire("identifier of the service", ready["identifier"])
        self.teller.say("service", f"ready, {short(ready['identifier'])}, behind a wire tap at port {tap.port}")
        return service

    async def _start_devices(self, stack: AsyncExitStack, tap: WireTap) -> None:
        with self.fleet.open(encoding="utf-8", newline="") as file:
            for number, line in enumerate(csv.DictReader(file), 1):
                if line.get("role") == IMPOSTOR:
                    self.impostors.append(line)
                else:
                    self.devices.append(Device(line, self.base / f"device-{number}"))
        async with asyncio.TaskGroup() as together:
            together.create_task(self._get_bundles(tap))
            for device in self.devices:
                together.create_task(self._start_device(stack, device))

    async def _get_bundles(self, tap: WireTap) -> None:
        home, count = self.base / "enroller", str(len(self.devices))
        request = ("enroller", "bundles", "request", "--to", f"/ip4/{LOOPBACK}/tcp/{tap.port}")
        await ockam_must(home, *request, "--service", self.service_identifier, "--count", count)
        stolen = await ockam_must(home, *request, "--output", str(self.base / "stolen"))
        self.stolen = stolen["bundles"][0]["file"]
        self.teller.say("enroller", f"has {count} bundles for its station, and wrote one to a file")

    async def _start_device(self, stack: AsyncExitStack, device: Device) -> None:
        options = ("--home", str(device.home), "--name", device.name, "--service", self.service_identifier)
        device.party = await stack.enter_async_context(Party.start(device.name, *DEVICE, *options, home=device.home))
        device.offer = (await device.party.wait_for("offer"))["offer"]
        self.keep_off_the_wire("pet names", device.name)
        for attribute in device.line.keys() - {"offer", "name", "expires_in"}:
            self.keep_off_the_wire("attributes", device.line[attribute])

    async def _approve(self, service: Party) -> None:
        fleet = self.base / "fleet.csv"
        with fleet.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(self.devices[0].line))
            writer.writeheader()
            writer.writerows({**device.line, "offer": device.offer} for device in self.devices)
        await ockam_must(self.base / "enroller", "enroller", "approve", "--from", str(fleet))
        for device in self.devices:
            event = await service.wait_for("approved", name=device.name)
            self.teller.say(
                "service", f"pending   {device.name} ({event['id'][:20]}), for {device.line.get('expires_in') or '24h'}"
            )

    async def _start_station(self, stack: AsyncExitStack, tap: WireTap) -> Party:
        # A closed line, so that codes need no person (--yes); who is approved is in the fleet file already.
        command = (*OCKAM, "enroller", "station", "--listen", f"{LOOPBACK}:0", "--yes", "--bundles-only")
        home = self.base / "enroller"
        party = Party.start("the station", *command, "--output", "json", home=home)
        station = await stack.enter_async_context(party)
        ready = await station.wait_for("ready")
        tap.target = address(ready["listen"])
        self.keep_off_the_wire("identifier of the station", ready["identifier"])
        self.teller.say("enroller", f"station ready, behind a wire tap at port {tap.port}")
        return station

    async def _enroll(self, device: Device, tap: WireTap) -> None:
        command = f"enroll {LOOPBACK}:{tap.port} {ENROLL_SECONDS}"
        event = await device.process.do(command, "enrolled", "not enrolled")
        self.check(event["event"] == "enrolled", f"{device.name} is not enrolled: {event.get('text')}")
        if event["event"] == "enrolled":
            device.identifier, device.relay_name = event["identifier"], event["relay_name"]
            self.keep_off_the_wire("identifiers of devices", device.identifier)
            code = (await device.process.wait_for("code"))["code"]
            text = f"enrolled  {device.name} as {short(device.identifier)}, code {code[:3]} {code[3:]}"
            self.teller.say("service", text, "ok")

    async def _impostor(self, name: str, service: Party) -> None:
        self.keep_off_the_wire("pet names", name)
        home, wait = self.base / f"impostor-{name}", ("--wait", f"{SHORT_SECONDS}s")
        attempt = asyncio.create_task(ockam(home, "enrollee", "enroll", self.stolen, *wait, "--name", name))
        await service.wait_for("ignored", reason="unknown_enrollee")
        self.teller.say("service", "ignored   a message with a stolen bundle, by nobody who is approved", "no")
        status, _, stderr = await attempt
        self.check(status == UNAVAILABLE, f"{name} ended with {status}: {stderr}")
        self.teller.say("impostor", f"{name} gave up: no answer", "no")

    async def _too_late(self, tap: WireTap, service: Party) -> None:
        late = [device for device in self.devices if device not in self.in_time]
        names = {device.name for device in late}
        # Expiry is a matter of the service's clock: ask until it says so.
        while True:
            expired = await ockam_must(self.base / "service", "enrollment", "list", "--state", "expired")
            if names <= {record["name"] for record in expired}:
                break
        for device in late:
            self.teller.say("service", f"expired   {device.name}", "no")
            event = await device.process.do(f"enroll {LOOPBACK}:{tap.port} {SHORT_SECONDS}", "enrolled", "not enrolled")
            self.check(event.get("reason") == "NoAnswer", f"{device.name} came too late, and: {event}")
            await service.wait_for("ignored", reason="not_pending")
            self.teller.say("service", f"ignored   {device.name}, which came too late", "no")

    async def _exchange(self) -> None:
        friends = [device for device in self.in_time if device.line.get("site") == ALLOWED_SITE]
        strangers = [device for device in self.in_time if device.line.get("site") != ALLOWED_SITE]
        for asker, asked in zip(friends, [*friends[1:], friends[0]], strict=True):
            seen = len(asked.process.events)
            event = await asker.process.do(f"ask {asked.relay_name} {ENROLL_SECONDS}", "answer", "refused")
            self.check(event["event"] == "answer", f"{asker.name} got no answer of {asked.name}")
            if event["event"] != "answer":
                continue
            heard = await asked.process.wait_for("asked", skip=seen)
            self.check(heard["received"] == event["sent"], f"{asked.name} received something else")
            self.check(heard["sent"] == event["received"], f"{asker.name} received something else")
            self.check(event["peer"] == asked.identifier, f"{asker.name} spoke with somebody else")
            self.keep_off_the_wire("readings", event["sent"])
            self.keep_off_the_wire("readings", event["received"])
            asker.messages += 2
            asked.messages += 2
            self.teller.say("devices", f"{asker.name} -> {asked.name}: {event['sent']}", "ok")
            self.teller.say("devices", f"{asked.name} -> {asker.name}: {event['received']}", "ok")
        for stranger in strangers:
            seen = len(friends[0].process.events)
            event = await stranger.process.do(f"ask {friends[0].relay_name} {SHORT_SECONDS}", "answer", "refused")
            let_in = len(friends[0].process.events) > seen
            self.check(event["event"] == "refused" and not let_in, f"{stranger.name} was not refused")
            self.keep_off_the_wire("readings", event["sent"])
            stranger.messages += 1
            text = f"{stranger.name} is refused by {friends[0].name}: site is not {ALLOWED_SITE}"
            self.teller.say("devices", text, "no")

    async def _final_states(self) -> None:
        records = await ockam_must(self.base / "service", "enrollment", "list")
        for device in self.devices:
            (record,) = [record for record in records if record["name"] == device.name]
            device.state = record["state"]
            expected = "enrolled" if device in self.in_time else "expired"
            self.check(device.state == expected, f"{device.name} is {device.state}")
            self.check((record["identifier"] or "") == device.identifier, f"{device.name} is known as somebody else")

    # ---- what is left ------------------------------------------------------------------------------------------------

    def _search(self, *taps: WireTap) -> None:
        for tap in taps:
            # What is open by design is found, so the tap did see what passed.
            self.check(tap.search({"x": [b"api"]}) == ["x"], f"the tap at the {tap.name} has captured nothing")
            found = tap.search(self.secrets)
            self.check(not found, f"in clear at the {tap.name}: {', '.join(found)}")
            self.clean = self.clean and not found
        count = sum(map(len, self.secrets.values()))
        size = sum(tap.byte_count for tap in taps)
        talks = sum(len(tap.conversations) for tap in taps)
        self.teller.say(
            "wire taps", f"{size:,} bytes of {talks} connections searched for {count} texts and identifiers"
        )
        for name in self.secrets:
            self.teller.say("", f"  {name}")
        if self.clean:
            self.teller.say("wire taps", "none of them found", "ok")

    def _print_table(self) -> None:
        seen = "ciphertext only" if self.clean else "PLAINTEXT"
        rows = [("DEVICE", "PET NAME", "IDENTIFIER", "STATE", "MESSAGES", "THE RELAY SAW")]
        for number, device in enumerate(self.devices, 1):
            relay = seen if device.messages else "nothing"
            identifier = short(device.identifier) if device.identifier else "-"
            rows.append((str(number), device.name, identifier, device.state, str(device.messages), relay))
        for number, line in enumerate(self.impostors, len(self.devices) + 1):
            rows.append((str(number), line["name"], "-", "ignored", "0", "nothing"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print()
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print()


def leaves(group: BaseExceptionGroup[PartyFailed]) -> list[BaseException]:
    """Return the errors in a group of errors and groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def short(identifier: str) -> str:
    """Return the beginning of an identifier, for people."""
    return f"{identifier[:9]}…"


def address(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> int:
    """Run the demo; 0 if everything is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", type=Path, default=FLEET, metavar="CSV", help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ockam-demo-") as base:
        demo = Demo(Path(base), arguments.fleet)
        try:
            asyncio.run(demo.run())
        except* PartyFailed as failed:
            demo.wrong += [str(error) for error in leaves(failed)]
    for text in demo.wrong:
        print(demo.teller.paint(f"WRONG: {text}", "wrong"))
    count = len(demo.wrong)
    wrong = "1 thing is wrong" if count == 1 else f"{count} things are wrong"
    said = wrong if count else "Everything is as it should be"
    print(f"{said}, after {demo.teller.elapsed:.1f} s.")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
