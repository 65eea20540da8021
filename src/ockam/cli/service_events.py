"""What a running enrollment service prints: one line per thing that happens, at once.

Messages that get no answer come from strangers, as many as they like: of each reason at most one line a second is
printed, with how many it stands for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ockam.cli.output import printable
from ockam.cli.records import attributes_text, record_json
from ockam.enrollment.workers import events

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ockam.cli.output import Output
    from ockam.enrollment.api_messages import EnrolleeRecord
    from ockam.enrollment.service import Silence

__all__ = ["EventPrinter"]

SECONDS_PER_LINE: Final = 1.0


class EventPrinter:
    """Prints events until nobody reads them any more.

    Args:
        output: of the command.
        stop: set when stdout is closed.
        clock: seconds, from any beginning.
    """

    def __init__(self, output: Output, stop: asyncio.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._clock = clock
        self._stop = stop
        self._ignored: dict[Silence, _Counted] = {}

    def __call__(self, event: events.ServiceEvent) -> None:
        """Print one."""
        try:
            self._print(event)
        except BrokenPipeError:
            self._stop.set()

    def _print(self, event: events.ServiceEvent) -> None:
        match event:
            case events.BundlesIssued(count, by):
                self._say("bundles", f"{count} for {by}", count=count, by=str(by))
            case events.Approved(record, by):
                self._say("approved", _record_text(record), **record_json(record) | {"by": str(by)})
            case events.Changed(record, by):
                text = f"{_record_text(record)} is {record.state.name.lower()}"
                self._say("changed", text, **record_json(record) | {"by": str(by)})
            case events.Enrolled(record, identifier, attributes):
                fields = record_json(record) | {
                    "attributes": dict(attributes),
                    "identifier": str(identifier),
                    "state": "enrolled",
                }
                self._say("enrolled", f"{_record_text(record)} as {identifier}", **fields)
            case events.Rejected(reason):
                name = reason.name.lower()
                self._say("rejected", name.replace("_", " "), reason=name)
            case events.Resent(message_id):
                self._say("resent", message_id.hex()[:20], message_id=message_id.hex())
            case events.Ignored(reason):
                self._count(reason)
            case events.CallerDropped(identifier):
                self._say("dropped", f"a request of {identifier}, who is not known here", identifier=str(identifier))

    def _count(self, reason: Silence) -> None:
        now = self._clock()
        counted = self._ignored.setdefault(reason, _Counted())
        counted.count += 1
        if now - counted.printed_at < SECONDS_PER_LINE:
            return
        text, name, count = reason.value[1], reason.name.lower(), counted.count
        counted.printed_at, counted.count = now, 0
        times = "" if count == 1 else f" ({count} messages)"
        self._say("ignored", f"{text}{times}", reason=name, check=reason.check, count=count)

    def _say(self, name: str, text: str, /, **fields: object) -> None:
        when = time.strftime("%H:%M:%S", time.gmtime())
        self._output.event(name, f"{when}Z  {name:<8}  {text}", **fields)


class _Counted:
    def __init__(self) -> None:
        self.count = 0
        self.printed_at = float("-inf")


def _record_text(record: EnrolleeRecord) -> str:
    name = f" {printable(record.pet_name)}" if record.pet_name else ""
    attributes = f" ({printable(attributes_text(record.attributes))})" if record.attributes else ""
    return f"{record.short}{name}{attributes}"
