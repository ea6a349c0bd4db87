"""Where the schema points at people. Found by looking at the models, so that rooms built later follow without registering.

A model may say how it behaves: `stays_on_merge = True` (its rows tell of one of the two records and never move), `merge_yields`
(columns it gives up rather than stay behind), `on_person_erased = "delete"` (rows go with the person; the default blanks the
personal columns).
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q

from wushe.community.models import Person
from wushe.kernel.append_only import AppendOnlyModel
from wushe.kernel.fields import EncryptedField
from wushe.kernel.scoping import ScopedModel


def person_references() -> Iterator[tuple[type[models.Model], models.ForeignKey]]:
    """Yield (model, column) of every foreign key and one-to-one column that points at `Person`, its own included."""
    for model in _models():
        for column in model._meta.local_concrete_fields:
            if isinstance(column, models.ForeignKey) and column.related_model is Person:
                yield model, column


def moves_on_merge(model: type[models.Model]) -> bool:
    """True when rows of `model` follow a person who is merged into another."""
    return not issubclass(model, AppendOnlyModel) and not getattr(model, "stays_on_merge", False)


def rows_about(person_ids: list[Any]) -> Iterator[tuple[type[models.Model], models.QuerySet[Any, Any]]]:
    """Yield (model, rows) of everything stored about these people: what points at them, and what their scope calls their own."""
    for model in _models():
        condition = Q()
        for column in model._meta.local_concrete_fields:
            if isinstance(column, models.ForeignKey) and column.related_model is Person:
                condition |= Q(**{f"{column.attname}__in": person_ids})
        if issubclass(model, ScopedModel):
            own = getattr(model.Scope, "own", ())
            for path in (own,) if isinstance(own, str) else own:
                condition |= Q(**{f"{path}__in": person_ids})
        if model is Person:
            condition = Q(pk__in=person_ids)
        if condition:
            yield (
                model,
                model._base_manager.filter(condition).distinct()
                if _joins(condition)
                else model._base_manager.filter(condition),
            )


def personal_columns(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """Return the columns of `model` that hold personal values: those it names, and every encrypted one."""
    named = set(getattr(model, "personal_fields", ()))
    return [
        column
        for column in model._meta.concrete_fields
        if column.name in named or column.attname in named or isinstance(column, EncryptedField)
    ]


def _models() -> Iterator[type[models.Model]]:
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.proxy and model._meta.managed:
            yield model


def _joins(condition: Q) -> bool:
    return any(
        "__" in str(child[0]).removesuffix("__in") for child in condition.children if isinstance(child, tuple)
    )
