"""The marked country, built once for this folder's tests and never committed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.gates.world import Role, World


@pytest.fixture(scope="package")
def _built(django_db_setup: None, django_db_blocker: Any) -> "Iterator[tuple[World, list[Role]]]":
    from django.db import (
        transaction,
    )  # this file is read before Django is set up when a path is named on the command line

    from tests.gates import world as country

    with django_db_blocker.unblock(), transaction.atomic():
        world = country.build()
        yield world, country.roles(world)
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _no_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix calls more often in a minute than any client may."""
    from wushe.kernel import throttle

    monkeypatch.setattr(throttle, "spend", lambda **limits: None)


@pytest.fixture
def world(_built: "tuple[World, list[Role]]", db: None) -> "World":
    return _built[0]


@pytest.fixture
def roles(_built: "tuple[World, list[Role]]", db: None) -> "list[Role]":
    return _built[1]
