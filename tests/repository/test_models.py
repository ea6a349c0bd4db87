"""Every model: where its foreign keys point, whether it changes, what its docstring says, and that the glossary knows it."""

import configparser
import re
from functools import lru_cache

import pytest
from django.apps import apps
from django.db import connection, models

from tests.repository.mutability import APPEND_ONLY, MUTABLE
from tests.repository.tree import ROOT
from tools.glossary import known, wanted
from wushe.kernel.append_only import AppendOnlyModel


@lru_cache
def height() -> dict[str, int]:
    """App label → how high it stands; read from the import contract, so that schema and imports obey one list."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:rooms"]["layers"].split("\n")
    rows = [re.split(r"[|:]", row) for row in layers if row.strip()]
    return {name.strip(" ()"): len(rows) - number for number, row in enumerate(rows) for name in row}


def own_models() -> list[type[models.Model]]:
    return [
        model for model in apps.get_models(include_auto_created=True) if model.__module__.startswith("wushe.")
    ]


def relations() -> list[models.ForeignKey]:
    return [
        field
        for model in own_models()
        for field in [*model._meta.local_fields, *model._meta.local_many_to_many]
        if field.is_relation and getattr(field, "remote_field", None) is not None
    ]


def test_foreign_keys_never_point_to_a_higher_room() -> None:
    checked, faults = 0, []
    for field in relations():
        source, target = field.model._meta.app_label, field.related_model._meta.app_label
        if target not in height():
            faults.append(f"{field}: points at {target}, which is no room of ours")
        elif source != target:
            checked += 1
            if height()[source] <= height()[target]:
                faults.append(f"{field}: points up or sideways, to {target}")
    assert not faults, "\n".join(faults)
    assert len(relations()) > 20, "the models were not found"


def test_a_foreign_key_across_rooms_leaves_no_name_on_the_other_side() -> None:
    faults = [
        str(field)
        for field in relations()
        if field.model._meta.app_label != field.related_model._meta.app_label
        and not field.remote_field.is_hidden()
    ]
    assert not faults, "\n".join(faults)


def test_every_model_is_listed_as_mutable_or_append_only() -> None:
    labels = {model._meta.label for model in own_models()}
    assert not MUTABLE & APPEND_ONLY
    assert labels - MUTABLE - APPEND_ONLY == set(), "list it in tests/repository/mutability.py"
    assert (MUTABLE | APPEND_ONLY) - labels == set(), "no longer a model"


def test_append_only_models_are_built_as_such() -> None:
    built = {model._meta.label for model in own_models() if issubclass(model, AppendOnlyModel)}
    assert built == APPEND_ONLY


@pytest.mark.django_db
def test_the_database_refuses_to_change_append_only_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
        guarded = {
            (table, act)
            for table, sql in cursor.fetchall()
            for act in ("UPDATE", "DELETE")
            if f"BEFORE {act}" in sql
        }
    expected = {
        (apps.get_model(label)._meta.db_table, act) for label in APPEND_ONLY for act in ("UPDATE", "DELETE")
    }
    assert guarded == expected


@pytest.mark.parametrize("model", own_models(), ids=lambda model: model._meta.label)
def test_a_model_says_what_one_row_is(model: type[models.Model]) -> None:
    text = model.__doc__ or ""
    assert text.startswith("One row per "), f"{model._meta.label}: {text[:60]!r}"
    assert re.search(r"[\u4e00-\u9fff]", text), f"{model._meta.label}: the Chinese term is missing"


def test_the_glossary_has_a_row_for_every_model_status_and_permission() -> None:
    missing = [row for identifier, row in wanted().items() if identifier not in known()]
    assert not missing, "docs/glossary.md lacks (see python -m tools.glossary):\n" + "\n".join(missing)


def test_the_glossary_names_nothing_twice_and_leaves_no_cell_empty() -> None:
    rows = known(duplicates=True)
    assert len(rows) == len(set(rows)), sorted({row for row in rows if rows.count(row) > 1})
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    faults = [
        line
        for line in text.splitlines()
        if line.startswith("|") and not all(c.strip() for c in line.split("|")[1:-1])
    ]
    assert not faults, "\n".join(faults)
