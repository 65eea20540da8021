"""The commands of the three parties, each in a process and a home of its own."""

from __future__ import annotations

import base64
import json
import signal
from typing import TYPE_CHECKING

import pytest

from ockam.storage.home import Home
from tests.cli.command_line import ockam
from tests.cli.staying import RunningService, running_service, staying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUNDLE_PREFIX = "ockam-bundle:1:"
OFFER_PREFIX = "ockam-offer:1:"
NO_WAIT = ("--wait", "300ms")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


def offer_of(device: Path, *options: str) -> str:
    return ockam(device, "enrollee", "offer", *options).stdout


def approve(service: RunningService, *arguments: str) -> list[dict[str, object]]:
    approved: list[dict[str, object]] = ockam(
        service.enroller, "enroller", "approve", *arguments, "--output", "json"
    ).json["approved"]
    return approved


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def body_of(text: str) -> bytes:
    body = text.strip().rpartition(":")[2]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


# ---- the paved path --------------------------------------------------------------------------------------------------


def test_from_offer_to_member(service: RunningService, tmp_path: Path) -> None:
    offer = offer_of(tmp_path, "--name", "Robot Axiom")
    assert offer_of(tmp_path) == offer
    assert ockam(tmp_path, "enrollee", "status").stdout == "offered"
    (record,) = approve(service, offer, "--attribute", "site=berlin", "--expires-in", "2h")
    assert (record["name"], record["state"], record["attributes"]) == ("Robot Axiom", "pending", {"site": "berlin"})
    assert service.command.wait_for("approved", id=record["id"])["expires_at"] == record["expires_at"]

    bundle = service.bundle()
    done = ockam(tmp_path, "enrollee", "enroll", str(bundle), "--service", service.identifier, "--output", "json").json
    assert done["id"] == record["id"]
    assert done["service"] == service.identifier
    assert done["attributes"] == {"enrolled": "true", "ockam-relay": done["relay_name"], "site": "berlin"}
    event = service.command.wait_for("enrolled", id=record["id"])
    assert event["identifier"] == done["identifier"]

    # Also while the device runs, and its home is in use.
    with Home(tmp_path / "nodes" / "enrollee"):
        status = ockam(tmp_path, "enrollee", "status", "--output", "json").json
    assert status == done
    short = str(record["id"])[:20]
    found = ockam(service.home, "enrollment", "show", short, "--output", "json").json
    assert (found["state"], found["identifier"]) == ("enrolled", done["identifier"])
    remote = ("--to", service.route, "--output", "json")
    assert ockam(service.enroller, "enrollment", "show", short, *remote).json == found
    assert found in ockam(service.enroller, "enrollment", "list", "--name", "Robot", *remote).json
    assert found in ockam(service.home, "enrollment", "list", "--state", "enrolled").json
    assert found not in ockam(service.home, "enrollment", "list", "--state", "pending").json

    again = ockam(tmp_path, "enrollee", "enroll", str(bundle), "--output", "json", expect=70).error
    assert again["code"] == "OCK409"
    assert "enrolled already" in again["message"]
    assert ockam(tmp_path, "enrollee", "offer", expect=70).stdout == ""


def test_pipes(service: RunningService, tmp_path: Path) -> None:
    """`enrollee offer | enroller approve -`, and `bundles request --output - | enrollee enroll -`."""
    identifier = ockam(service.enroller, "enroller", "approve", "-", stdin=offer_of(tmp_path)).stdout
    bundle = ockam(service.enroller, "enroller", "bundles", "request", "--output", "-").stdout
    assert bundle.startswith(BUNDLE_PREFIX)
    enrolled_as = ockam(tmp_path, "enrollee", "enroll", "-", stdin=bundle).stdout
    assert service.command.wait_for("enrolled", id=identifier)["identifier"] == enrolled_as


def test_a_fleet(service: RunningService, tmp_path: Path) -> None:
    offers = [offer_of(tmp_path, "--at", f"device-{number}", "--name", "in the offer") for number in range(3)]
    fleet = tmp_path / "fleet.csv"
    fleet.write_text(f"offer,name,expires_in,site\n{offers[0]},Möwe,1h,berlin\n{offers[1]},,,\n")
    first, second, third = approve(service, "--from", str(fleet), offers[2], "--attribute", "role=robot")
    assert (first["name"], first["attributes"]) == ("Möwe", {"role": "robot", "site": "berlin"})
    assert (second["name"], second["attributes"]) == ("in the offer", {"role": "robot"})
    assert (third["name"], third["attributes"]) == ("in the offer", {"role": "robot"})
    assert [int(str(r["expires_at"])) - int(str(r["created_at"])) for r in (first, second)] == [3600, 86400]


def test_a_station(service: RunningService, tmp_path: Path) -> None:
    listen = ("--listen", "127.0.0.1:0", "--yes", "--attribute", "site=berlin")
    with staying(service.enroller, "enroller", "station", *listen) as station:
        address = station.wait_for("ready")["listen"]
        run = ("enrollee", "run", "--enroller", address, "--yes", "--service", service.identifier, "--output", "json")
        done = ockam(tmp_path, *run, "--name", "Robot Axiom").json
        assert done["attributes"]["site"] == "berlin"
        code = station.wait_for("code", id=done["id"])
        assert (code["name"], len(code["code"])) == ("Robot Axiom", 6)
        # One home, one process: a second one is told so, and by whom.
        busy = ockam(service.enroller, "enroller", "bundles", "list", "--output", "json", expect=69).error
        assert str(station.process.pid) in busy["message"]
        assert busy["retryable"] is True
        assert station.stop(signal.SIGINT) == 0
    assert station.events[-1] == {"event": "stopped", "served": 1}
    cached = ockam(service.enroller, "enroller", "bundles", "list").json
    assert {bundle["state"] for bundle in cached} >= {"handed out"}


def test_nobody_is_there_to_confirm(tmp_path: Path, service: RunningService) -> None:
    for arguments in (
        ["enrollee", "run", "--enroller", "127.0.0.1:1"],
        ["enroller", "station", "--listen", "127.0.0.1:0"],
    ):
        error = ockam(service.enroller, *arguments, "--output", "json", expect=64).error
        assert "--yes" in error["message"]


def test_approvals_wait_until_the_service_is_there(tmp_path: Path, service: RunningService) -> None:
    ockam(tmp_path, "enroller", "create")
    result = ockam(tmp_path, "enroller", "approve", offer_of(tmp_path), "--output", "json")
    assert (result.json["approved"], len(result.json["queued"])) == ([], 1)
    assert "give it once with --to" in result.stderr
    result = ockam(tmp_path, "enroller", "approve", "--to", "/ip4/127.0.0.1/tcp/1", "--output", "json")
    assert len(result.json["queued"]) == 1
    assert "1 queued" in result.stderr
    assert ockam(tmp_path, "enroller", "approve", "--at", "other", expect=70).stdout == ""


def test_the_same_approval_again_and_another_one(tmp_path: Path, service: RunningService) -> None:
    offer = offer_of(tmp_path)
    (record,) = approve(service, offer, "--attribute", "site=berlin")
    assert approve(service, offer, "--attribute", "site=berlin") == [record]
    result = ockam(service.enroller, "enroller", "approve", offer, "--output", "json", expect=77)
    assert result.json["refused"][0]["id"] == record["id"]
    assert record["id"][:20] in result.error["message"]  # type: ignore[index]  # a string


def test_a_service_goes_on_where_it_was_and_stops_gently(tmp_path: Path) -> None:
    with running_service(tmp_path, "--database", str(tmp_path / "tables.sqlite3")) as running:
        identifier = running.identifier
        (record,) = approve(running, offer_of(tmp_path))
        tables = ("--database", str(tmp_path / "tables.sqlite3"), "--output", "json")
        assert ockam(running.home, "enrollment", "list", *tables).json == [record]
        start = ("enrollment", "service", "start", "--listen", "127.0.0.1:0", "--output", "json")
        assert str(running.command.process.pid) in ockam(running.home, *start, expect=69).error["message"]
        assert running.command.stop(signal.SIGTERM) == 0
        assert running.command.events[-1]["event"] == "stopped"
        with staying(running.home, *start[:-2], *tables[:2]) as again:
            assert again.wait_for("ready")["identifier"] == identifier
            assert again.stop(signal.SIGINT) == 0
        assert ockam(running.home, "enrollment", "list", *tables).json == [record]


# ---- what each wrong thing gets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["garbage", f"{OFFER_PREFIX}garbage", f"{OFFER_PREFIX}gwFY", OFFER_PREFIX])
def test_an_offer_that_is_none(service: RunningService, text: str) -> None:
    error = ockam(service.enroller, "enroller", "approve", text, "--output", "json", expect=64).error
    assert error["code"] == "OCK400"
    assert error["hint"]


def test_an_offer_with_a_key_that_is_none(service: RunningService) -> None:
    zero = OFFER_PREFIX + base64url(b"\x82\x01\x58\x20" + bytes(32))
    error = ockam(service.enroller, "enroller", "approve", zero, "--output", "json", expect=64).error
    assert "eik" in error["message"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--attribute", "ockam-relay=x"], "reserved"),
        (["--attribute", "site"], "NAME=VALUE"),
        (["--attribute", "a=" + "x" * 1025], "1024 bytes"),
        (["--expires-in", "1.5h"], "no duration"),
        (["--expires-in", "500ms"], "whole seconds"),
    ],
)
def test_what_cannot_be_said_of_a_device(
    service: RunningService, tmp_path: Path, options: list[str], says: str
) -> None:
    offer = offer_of(tmp_path)
    error = ockam(service.enroller, "enroller", "approve", offer, *options, "--output", "json", expect=64).error
    assert says in error["message"]


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x1b[2J"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    error = ockam(tmp_path, "enrollee", "offer", "--name", name, "--output", "json", expect=64).error
    assert "pet_name" in error["message"]


def refused(device: Path, *arguments: str, stdin: str = "") -> tuple[int, str]:
    result = ockam(device, "enrollee", "enroll", *arguments, "--output", "json", stdin=stdin, expect=None)
    assert result.stdout == ""
    return result.status, json.loads(result.stderr.splitlines()[-1])["error"]["message"]


def test_bundles_that_do_not_hold_say_which(service: RunningService, tmp_path: Path) -> None:
    text = service.bundle().read_text()
    data = bytearray(body_of(text))
    assert refused(tmp_path, "garbage")[0] == 64
    assert refused(tmp_path, f"{BUNDLE_PREFIX}garbage")[0] == 64
    assert refused(tmp_path, "-", stdin=text[:-20])[0] == 64
    assert refused(tmp_path, "-")[0] == 64
    data[120] ^= 1  # inside the prekeys
    status, message = refused(tmp_path, BUNDLE_PREFIX + base64url(bytes(data)))
    assert (status, "altered" in message or "signed" in message) == (77, True), message
    status, message = refused(tmp_path, "-", "--service", "I" + "0" * 64, stdin=text)
    assert (status, "another service" in message) == (77, True), message
    assert ockam(tmp_path, "enrollee", "status").stdout == "offered"


def test_an_expired_bundle_says_so(service: RunningService, tmp_path: Path) -> None:
    bundle = service.bundle("--expires-in", "1s")
    for attempt in range(30):  # until its second is over; each time a device that has not begun with it
        status, message = refused(tmp_path, str(bundle), *NO_WAIT, "--at", f"device-{attempt}")
        if status != 69:
            break
    assert (status, "expired" in message) == (77, True), message


def test_a_used_bundle_gets_no_answer(service: RunningService, tmp_path: Path) -> None:
    bundle, first, second = str(service.bundle()), tmp_path / "first", tmp_path / "second"
    approve(service, offer_of(first), offer_of(second))
    ockam(first, "enrollee", "enroll", bundle)
    status, message = refused(second, bundle, *NO_WAIT)
    assert (status, "bundle was used" in message) == (69, True), message
    service.command.wait_for("ignored", reason="used_bundle")
    assert ockam(second, "enrollee", "status").stdout == "waiting"
    # Another bundle does.
    ockam(second, "enrollee", "enroll", str(service.bundle()))


def test_a_device_that_nobody_approved_is_let_in_once_somebody_has(service: RunningService, tmp_path: Path) -> None:
    bundle, offer = str(service.bundle()), offer_of(tmp_path)
    assert refused(tmp_path, bundle, *NO_WAIT)[0] == 69
    service.command.wait_for("ignored", reason="unknown_enrollee")
    approve(service, offer)
    ockam(tmp_path, "enrollee", "enroll", bundle)


def test_an_enroller_that_the_service_does_not_know(service: RunningService, tmp_path: Path) -> None:
    stranger = ockam(tmp_path, "enroller", "create").stdout
    request = ("enroller", "bundles", "request", "--to", service.route, "--timeout", "1s", "--output", "json")
    error = ockam(tmp_path, *request, expect=69).error
    assert stranger in error["message"]
    service.command.wait_for("dropped", identifier=stranger)


def test_another_service_than_the_pinned_one(service: RunningService, tmp_path: Path) -> None:
    request = ("enroller", "bundles", "request", "--to", service.route, "--output", "json")
    error = ockam(service.enroller, *request, "--service", "I" + "0" * 64, expect=77).error
    assert "pinned" in error["message"]
    ockam(tmp_path, "enroller", "create")
    ended = ockam(tmp_path, *request, "--service", "I" + "0" * 64, expect=None)
    assert ended.status in {69, 70, 77}


def test_homes_and_records_that_are_not_there(service: RunningService, tmp_path: Path) -> None:
    assert ockam(tmp_path, "enrollment", "list", "--output", "json", expect=70).error["code"] == "OCK409"
    assert (
        ockam(tmp_path, "enroller", "bundles", "list", "--output", "json", expect=70).error["hint"].startswith("`ockam")
    )
    assert ockam(tmp_path, "enrollee", "status", expect=70).stdout == ""
    assert not (tmp_path / "nodes").exists()
    missing = ("enrollment", "show", "0" * 20, "--output", "json")
    error = ockam(service.home, *missing, expect=70).error
    assert error["code"] == "OCK404", error
    assert ockam(service.home, "enrollment", "show", "0" * 19, "--output", "json", expect=64).error["code"] == "OCK400"
    for database, says in (("mysql://localhost/x", "not supported"), ("postgres://u:secret@localhost", "one name")):
        elsewhere = ("enrollment", "list", "--database", database, "--output", "json")
        message = ockam(service.home, *elsewhere, expect=64).error["message"]
        assert says in message
        assert "secret" not in message


def test_identifiers_and_addresses_that_are_none(tmp_path: Path) -> None:
    start = ("enrollment", "service", "start", "--output", "json")
    assert (
        "I and 64" in ockam(tmp_path, *start, "--listen", "127.0.0.1:0", "--enroller", "x", expect=64).error["message"]
    )
    assert ockam(tmp_path, *start, "--listen", "nowhere", expect=64).error["code"] == "OCK400"
    assert ockam(tmp_path, *start, "--listen", "127.0.0.1:0", "--route", "/x", expect=None).status in {64, 77}
