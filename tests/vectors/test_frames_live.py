"""Frames recorded between two processes of the reference: read as annotated, and written again byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ockam.core.message import decode_body, encode_body
from ockam.core.route import Route
from ockam.encoding.cbor import Decoder
from ockam.transport.framing import PROTOCOL_VERSION, decode_frame, encode_frame
from tests.stream_driver import decode_stream
from tests.transport.frame_stream import HOP, FrameStream

SESSIONS = json.loads((Path(__file__).parent / "data" / "frames-live.json").read_text(encoding="utf-8"))["sessions"]
ITEMS: dict[str, dict[str, Any]] = {
    f"{session['name']}-{number}": item for session in SESSIONS for number, item in enumerate(session["items"])
}
FRAMES = {name: item for name, item in ITEMS.items() if "payload" in item}
STRINGS = {name: item for name, item in FRAMES.items() if item["body"].startswith("bare string '")}
DIRECTIONS = [
    pytest.param(session, direction, id=f"{session['name']}-{direction}")
    for session in SESSIONS
    for direction in sorted({item["direction"] for item in session["items"]})
]


def routes(item: dict[str, Any]) -> tuple[Route, Route]:
    return Route.parse(" => ".join(item["onward"])), Route.parse(" => ".join(item["return"]))


def test_the_file_has_frames() -> None:
    assert len(FRAMES) > 20


@pytest.mark.parametrize("item", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_read_as_annotated(item: dict[str, Any]) -> None:
    data = bytes.fromhex(item["hex"])
    onward_route, return_route, start, stop = decode_frame(data, 4, len(data))
    assert (onward_route, return_route) == routes(item)
    assert data[start:stop].hex() == item["payload"]
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    tracing = Decoder(data, stop)
    assert tracing.text() == item["tracing"]
    tracing.finish()
    assert item["elements"] == 4


@pytest.mark.parametrize("item", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_written_again_byte_for_byte(item: dict[str, Any]) -> None:
    assert item["tracing"] == "{}"  # all that this library writes
    assert encode_frame(*routes(item), bytes.fromhex(item["payload"])).hex() == item["hex"]


def test_the_rest_are_version_bytes() -> None:
    rest = [item["hex"] for name, item in ITEMS.items() if name not in FRAMES]
    assert rest == [f"{PROTOCOL_VERSION:02x}"] * (2 * len(SESSIONS))


@pytest.mark.parametrize("item", STRINGS.values(), ids=STRINGS)
def test_a_string_body_is_read_and_written(item: dict[str, Any]) -> None:
    payload = bytes.fromhex(item["payload"])
    text = decode_body(payload, str)
    assert item["body"] == f"bare string '{text}'"
    assert encode_body(text) == payload


@pytest.mark.parametrize(("session", "direction"), DIRECTIONS)
def test_a_connection_is_read_however_it_is_cut(session: dict[str, Any], direction: str) -> None:
    items = [item for item in session["items"] if item["direction"] == direction and "payload" in item]
    expected = []
    for item in items:
        onward_route, return_route = routes(item)
        if onward_route.addresses:
            expected.append((str(onward_route), str(return_route.prepend(HOP)), bytes.fromhex(item["payload"])))
    decode_stream(FrameStream, [bytes.fromhex(item["hex"]) for item in items], expected)
