"""Kill -9 at any instant: no accepted device is lost, no bundle is used twice."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ockam.storage.opening import open_database
from ockam.storage.postgres.url import PostgresUrl
from tests.storage.databases import Databases

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("accepted_before", [1, 9, 40])
def test_kill(databases: Databases, accepted_before: int) -> None:
    location = databases.location("database")
    path = location.with_password if isinstance(location, PostgresUrl) else location
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.enroll_until_killed", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )
    assert child.stdout is not None
    with child.stdout:
        lines = [child.stdout.readline() for _ in range(accepted_before)]
        child.kill()
        lines += child.stdout.readlines()
    child.wait()
    reported = dict(line.split() for line in lines if line.endswith("\n"))
    assert len(reported) >= accepted_before
    with closing(open_database(location)) as database:
        answers, used, enrolled, events = database.read_blocking(
            lambda connection: (
                connection.execute("SELECT message_id, answer FROM enrollment_answer").fetchall(),
                connection.execute("SELECT count(*) FROM enrollment_bundle WHERE used = 1").fetchone()[0],
                connection.execute("SELECT count(*) FROM enrollee WHERE state = 1 AND eik IS NULL").fetchone()[0],
                connection.execute("SELECT count(*) FROM enrollment_event WHERE kind = 3").fetchone()[0],
            )
        )
    stored = {message_id.hex(): answer.hex() for message_id, answer in answers}
    assert reported.items() <= stored.items()
    # Each committed whole: an answer, a used bundle, an enrolled record and an event, or none of them.
    assert len(stored) == used == enrolled == events
