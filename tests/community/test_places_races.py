"""Two people change the tree at the same moment."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import pytest
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper

from wushe.community.models import Place
from wushe.community.operations import places
from wushe.community.rules import places as rules
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem

OPERATOR = Actor.operator("test")
START = date(2020, 1, 1)


def _two_grids() -> tuple[Place, Place]:
    parent: Place | None = None
    for level in rules.OFFICIAL_LEVELS:
        parent = places.create_place(
            by=OPERATOR, parent_id=parent.id if parent else None, level=level, name=f"合成{level}", on=START
        )
    assert parent is not None
    made = [
        places.create_place(by=OPERATOR, parent_id=parent.id, level=rules.GRID, name=name, on=START)
        for name in ("甲网格", "乙网格")
    ]
    return made[0], made[1]


def _move_into_each_other(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Move each of two grids into the other at once, both past their checks before either writes, if the lock lets them."""
    first, second = _two_grids()
    both_checked = threading.Barrier(2)
    plain = places._move

    def move(place: Place, target: Place, on: date) -> int:
        with suppress(threading.BrokenBarrierError):
            both_checked.wait(timeout=1.5)
        return plain(place, target, on)

    monkeypatch.setattr(places, "_move", move)
    outcomes: list[str] = []

    def run(place: Place, target: Place) -> None:
        try:
            places.move_place(by=OPERATOR, place_id=place.id, to_id=target.id, on=date(2024, 3, 1))
            outcomes.append("moved")
        except Problem as problem:
            outcomes.append(problem.code)
        except Exception as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def _ring_exists() -> bool:
    return any(
        place.parent is not None and not place.path.startswith(place.parent.path)
        for place in Place.objects.select_related("parent")
    )


@pytest.mark.django_db(transaction=True)
def test_two_grids_never_end_up_inside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _move_into_each_other(monkeypatch) == ["moved", "place.cyclic"]
    assert not _ring_exists()


@pytest.mark.django_db(transaction=True)
def test_without_the_guard_the_second_runs_into_the_database(
    monkeypatch: pytest.MonkeyPatch, database: str, fault_fired: Callable[[str], None]
) -> None:
    """The control: PostgreSQL without the lock of the tree, SQLite without taking the write lock before reading.

    Both then pass their checks; only row locks on the unique paths, or a refused lock, stop the ring, with an error nobody
    can act on.
    """
    if database == "postgresql":
        monkeypatch.setattr(places, "_lock_tree", lambda: None)
    else:
        monkeypatch.setattr(DatabaseWrapper, "_start_transaction_under_autocommit", _begin_deferred)
    assert _move_into_each_other(monkeypatch) == ["OperationalError", "moved"]
    fault_fired("two moves at once without their guard")


def _begin_deferred(self: DatabaseWrapper) -> None:
    self.cursor().execute("BEGIN")
