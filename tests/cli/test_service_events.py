from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from ockam import Identifier
from ockam.cli.output import Output
from ockam.cli.service_events import EventPrinter
from ockam.cli.settings import Settings
from ockam.enrollment.api_messages import EnrolleeRecord
from ockam.enrollment.pending import State
from ockam.enrollment.service import Silence
from ockam.enrollment.workers import events

ENROLLER = Identifier(bytes(32))
DEVICE = Identifier(bytes(range(32)))
RECORD = EnrolleeRecord(bytes(32), "Robot\x1b Axiom", State.PENDING, ENROLLER, 1, 2, None, None, {"site": "berlin"})


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def printer(stream: io.StringIO, settings: Settings, *times: float) -> tuple[EventPrinter, asyncio.Event]:
    stop, moments = asyncio.Event(), iter(times)
    return EventPrinter(Output(settings, stream, io.StringIO()), stop, lambda: next(moments)), stop


def as_json(event: events.ServiceEvent) -> dict[str, Any]:
    stream = io.StringIO()
    printer(stream, Settings(output="json"), 0.0)[0](event)
    result: dict[str, Any] = json.loads(stream.getvalue())
    return result


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (events.BundlesIssued(3, ENROLLER), {"event": "bundles", "count": 3, "by": str(ENROLLER)}),
        (events.Approved(RECORD, ENROLLER), {"event": "approved", "id": "00" * 32, "state": "pending"}),
        (events.Changed(RECORD, ENROLLER), {"event": "changed", "state": "pending", "by": str(ENROLLER)}),
        (
            events.Enrolled(RECORD, DEVICE, {"enrolled": "true"}),
            {"event": "enrolled", "identifier": str(DEVICE), "state": "enrolled", "attributes": {"enrolled": "true"}},
        ),
        (events.Resent(bytes(32)), {"event": "resent", "message_id": "00" * 32}),
        (events.CallerDropped(DEVICE), {"event": "dropped", "identifier": str(DEVICE)}),
        (
            events.Ignored(Silence.UNKNOWN_ENROLLEE),
            {"event": "ignored", "reason": "unknown_enrollee", "check": 3, "count": 1},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_events_as_json(event: events.ServiceEvent, fields: dict[str, object]) -> None:
    assert fields.items() <= as_json(event).items()


def test_a_name_of_a_stranger_does_not_reach_the_terminal_as_it_is() -> None:
    stream = io.StringIO()
    printer(stream, Settings())[0](events.Approved(RECORD, ENROLLER))
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("approved  00000000000000000000 Robot\N{REPLACEMENT CHARACTER} Axiom (site=berlin)")


def test_strangers_cannot_flood_the_output() -> None:
    stream = io.StringIO()
    show, _ = printer(stream, Settings(output="json"), 0.0, 0.1, 0.9, 0.95, 1.0, 1.1)
    for reason in [Silence.MALFORMED] * 3 + [Silence.UNKNOWN_BUNDLE] + [Silence.MALFORMED] * 2:
        show(events.Ignored(reason))
    shown = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event["reason"], event["count"]) for event in shown] == [
        ("malformed", 1),
        ("unknown_bundle", 1),
        ("malformed", 3),
    ]


def test_a_service_that_nobody_reads_stops() -> None:
    show, stop = printer(Closed(), Settings())
    show(events.CallerDropped(DEVICE))
    assert stop.is_set()
