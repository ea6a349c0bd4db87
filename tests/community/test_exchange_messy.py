"""Messy sheets made from seeds: each gives just the report it must give, and the rows that are right are stored as they were meant."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exchange_corpus import messy
from tests.factories.organizations import District
from wushe.community.exchange import runs
from wushe.community.models import ContactPoint, Person
from wushe.kernel.actor import Actor

pytestmark = pytest.mark.django_db
OPERATOR = Actor.operator("test")
SEEDS = 40


@pytest.fixture
def district() -> District:
    return District()


def check(file: messy.Messy) -> list[str]:
    """Check one file and return what differs from its expected report; carry it out where it has no faults."""
    run = runs.open_import(
        by=OPERATOR, kind="people", file_name=file.name, content=file.data, keep_file=False
    )
    run = runs.check(by=OPERATOR, run=run, content=file.data)
    found = {(row.sheet, row.line): row for row in runs.reported(run, list(runs.rows_of(OPERATOR, run)))}
    wrong: list[str] = []
    for one in file.expected:
        row = found.pop((one.sheet, one.row), None)
        if row is None:
            wrong.append(f"row {one.sheet}!{one.row} was not read")
        elif row.action != one.action or tuple(fault.code for fault in row.faults) != one.faults:
            wrong.append(
                f"row {one.row}: {row.action} {[(f.column, f.code, f.text) for f in row.faults]}, expected {one}"
            )
    wrong += [f"row {key} was read and should not be: {row}" for key, row in found.items()]
    good = [one for one in file.expected if one.action == "CREATE"]
    if not wrong and len(good) == len(file.expected):
        runs.carry_out(by=OPERATOR, run=run)
        for one in good:
            person = Person.objects.select_related("place").get(name=one.values["name"])
            phones = tuple(
                c.value for c in ContactPoint.objects.filter(person=person).order_by("-is_primary", "pk")
            )
            stored = {
                "name": person.name, "place": person.place.name, "sex": person.sex, "birth_on": person.birth_on,
                "address": person.address, "phone": phones,
            }  # fmt: skip
            wrong += [
                f"{one.row} {key}: {stored[key]!r}, expected {value!r}"
                for key, value in one.values.items()
                if stored[key] != value
            ]
        again = runs.open_import(
            by=OPERATOR, kind="people", file_name=file.name, content=file.data, keep_file=False
        )
        again = runs.check(by=OPERATOR, run=again, content=file.data)
        if again.unchanged_count != len(good):
            wrong.append(f"a second time: {runs.summary(again)}")
    return wrong


@pytest.mark.parametrize("seed", range(SEEDS))
def test_messy_sheet(seed: int, district: District) -> None:
    file = messy.sheet(seed)
    assert not check(file), f"seed {seed}, {file.features}:\n" + "\n".join(check(file))


def test_the_corpus_holds_every_kind_of_mess() -> None:
    features = Counter(feature for seed in range(SEEDS) for feature in set(messy.sheet(seed).features))
    wanted = {
        *(
            "ditto",
            "blank row",
            "repeated header",
            "sum",
            "note at the foot",
            "several sheets",
            "sheet of words",
            "merged title",
        ),
        *("two header rows", "hidden row", "hidden sheet", "csv", "utf-8", "utf-8-sig", "gb18030", "utf-16"),
    }
    assert not wanted - features.keys()
    actions = Counter(one.action for seed in range(SEEDS) for one in messy.sheet(seed).expected)
    assert actions["FAULT"] > 30
    assert actions["CREATE"] > 150


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(min_value=1000, max_value=10**9))
def test_any_seed(seed: int, district: District) -> None:
    from django.db import transaction

    with transaction.atomic():
        file = messy.sheet(seed)
        wrong = check(file)
        transaction.set_rollback(True)
    assert not wrong, f"{file.features}:\n" + "\n".join(wrong)
