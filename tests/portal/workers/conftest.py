"""The PostgreSQL server of the tests of storage, for a stream to lead to."""

from tests.storage.conftest import cluster

__all__ = ["cluster"]
