"""Commits of enrollments per second: SQLite, PostgreSQL, and two processes on one PostgreSQL.

    python -m bench.postgres [postgres://…]

Each enrollment is what a service asks of its database: the look-up of a message, the look-up of an identity, and
check 8 (four rows in one durable transaction); 64 at a time. Without a URL of an empty database a private server is
started, as for the tests, with fsync.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ockam.enrollment.api_messages import ApprovalEntry
from ockam.enrollment.repository import Enrollment, EnrollmentOutcome, IssuedBundle
from ockam.identity.identifier import Identifier
from ockam.storage import open_database
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

COUNT, AT_ONCE, NOW = 2000, 64, 1_700_000_000


async def enroll(repository: SqliteEnrollmentRepository, start: Barrier | None) -> float:
    """Enroll devices, and return how long that took after all was prepared."""
    owner = Identifier(os.urandom(32))
    bundles = [
        IssuedBundle(os.urandom(16), b"s" * 300, os.urandom(32), NOW + 1000, 1, b"a" * 32, b"b" * 32)
        for _ in range(COUNT)
    ]
    entries = [ApprovalEntry(os.urandom(32), f"device {number}") for number in range(COUNT)]
    await repository.add_bundles(bundles, owner, None, None, NOW)
    for first in range(0, COUNT, 100):
        await repository.approve(entries[first : first + 100], owner, None, 1000, NOW)
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(bundle: IssuedBundle, entry: ApprovalEntry) -> None:
        async with limit:
            identifier, message_id = Identifier(os.urandom(32)), os.urandom(32)
            device = entry.enrollment_identifier
            await repository.lookup(bundle.bundle_id, device, message_id)
            await repository.known_identity(identifier)
            enrollment = Enrollment(
                *(bundle.bundle_id, device, message_id, b"a" * 800, identifier, b"h" * 200),
                *({"enrolled": "true"}, device.hex()[:20]),
            )
            assert await repository.enroll(enrollment, NOW + 1) is EnrollmentOutcome.ENROLLED

    if start is not None:
        start.wait()
    began = time.perf_counter()
    await asyncio.gather(*map(one, bundles, entries))
    return time.perf_counter() - began


def run(where: str, start: Barrier | None = None) -> None:
    """Measure one process."""
    with closing(open_database(where)) as database:
        seconds = asyncio.run(enroll(SqliteEnrollmentRepository(database, bytes(32)), start))
        print(f"  {COUNT / seconds:6.0f} /s  {database.statistics()}", flush=True)


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        run(str(Path(folder) / "database"))
    cluster = None
    if len(sys.argv) > 1:
        url = sys.argv[1]
    else:
        from tests.storage.postgres.cluster import Cluster, binaries

        found = binaries()
        if found is None:
            sys.exit("no PostgreSQL server is installed: give the URL of an empty database")
        cluster = Cluster(found)
        url = cluster.new_database().with_password
    try:
        print("PostgreSQL, one process")
        run(url)
        print("PostgreSQL, two processes, each")
        start = multiprocessing.Barrier(2)
        both = [multiprocessing.Process(target=run, args=(url, start)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
    finally:
        if cluster is not None:
            cluster.remove()


if __name__ == "__main__":
    main()
