"""Counting database queries, so that no list costs more the longer it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Counted:
    """`count` and `statements` are filled when the block ends."""

    count = 0
    statements: tuple[str, ...] = ()


class QueryCounter:
    """`with query_counter.at_most(15): …` fails and prints the statements; `with query_counter.count() as counted: …` counts."""

    @contextmanager
    def count(self) -> Iterator[Counted]:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        counted = Counted()
        with CaptureQueriesContext(connection) as captured:
            yield counted
        counted.statements = tuple(query["sql"] for query in captured.captured_queries)
        counted.count = len(counted.statements)

    @contextmanager
    def at_most(self, limit: int) -> Iterator[Counted]:
        with self.count() as counted:
            yield counted
        if counted.count > limit:
            lines = "\n".join(f"{number:3}. {sql[:300]}" for number, sql in enumerate(counted.statements, 1))
            pytest.fail(f"{counted.count} queries, at most {limit} allowed:\n{lines}")


@pytest.fixture
def query_counter() -> QueryCounter:
    """Counts the queries of this test's connection."""
    return QueryCounter()
