"""Commands that stay, followed by the JSON lines they print."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli.command_line import OCKAM, WAIT_SECONDS, environment, ockam

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

__all__ = ["RunningService", "Staying", "running_service", "staying"]


class Staying:
    """A running command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, name: str, **fields: object) -> dict[str, Any]:
        """The first event of this name and with these fields, as soon as it is there."""

        def found() -> dict[str, Any] | None:
            matching = (e for e in self.events if e["event"] == name and fields.items() <= e.items())
            return next(matching, None)

        with self._changed:
            self._changed.wait_for(lambda: self._ended or found() is not None, WAIT_SECONDS)
            event = found()
        assert event is not None, (name, fields, self.events)
        return event

    def stop(self, number: signal.Signals | None = None) -> int:
        """Its exit code after a signal, SIGTERM by default."""
        if self.process.poll() is None:
            if number is None:
                self.process.terminate()
            else:
                self.process.send_signal(number)
        status = self.process.wait(WAIT_SECONDS)
        self._thread.join(WAIT_SECONDS)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@contextmanager
def staying(home: Path, *arguments: str) -> Iterator[Staying]:
    """Run a command that stays; it is ended with the block."""
    with subprocess.Popen(
        [*OCKAM, *arguments, "--output", "json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(home),
    ) as process:
        command = Staying(process)
        try:
            yield command
        finally:
            command.stop()


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service, and the home of an enroller that it knows and that knows it."""

    home: Path
    enroller: Path
    command: Staying
    identifier: str
    route: str

    def bundle(self, *options: str) -> Path:
        """A file with a fresh bundle."""
        request = ("enroller", "bundles", "request", "--output", "json", "--output", str(self.enroller / "bundles"))
        return Path(ockam(self.enroller, *request, *options).json["bundles"][0]["file"])


@contextmanager
def running_service(base: Path, *options: str) -> Iterator[RunningService]:
    """Start a service with one enroller."""
    home, enroller = base / "service", base / "enroller"
    identifier = ockam(enroller, "enroller", "create", "--output", "json").json["identifier"]
    start = ("enrollment", "service", "start", "--listen", "127.0.0.1:0", "--enroller", identifier)
    with staying(home, *start, *options) as command:
        ready = command.wait_for("ready")
        route = f"/ip4/127.0.0.1/tcp/{ready['listen'].rpartition(':')[2]}"
        ockam(enroller, "enroller", "bundles", "request", "--to", route, "--service", ready["identifier"])
        yield RunningService(home, enroller, command, ready["identifier"], route)
