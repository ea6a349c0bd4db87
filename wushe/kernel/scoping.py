"""The read gate. A model declares which of its columns carry which relation; this module builds the queryset.

    class Venue(ScopedModel):
        class Scope:
            data_class = "venue"
            place = "place__path"
            organization = "organization__path"
            public = "is_public"

`own` and `assigned` name a column that holds a person's id; `place` and `organization` a path (KeyField); `public` is True,
or the name of a boolean column. A relation that crosses to many rows (`memberships__organization__path`) becomes a subquery,
so a row is never returned twice; `organization_when` narrows which of those rows count (`{"memberships__ended_on__isnull": True}`).
"""

from collections.abc import Iterable
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models import Q

from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id

M = TypeVar("M", bound=models.Model)


class ScopedQuerySet(models.QuerySet[M]):
    """A queryset with the read gate."""

    def visible_to(self, actor: Actor, verb: str = "view", data_class: str | None = None) -> Self:
        """Return the rows that `actor` may `verb`, by `kernel.policy`; none when no rule reaches any."""
        reach = policy.reach(actor, verb, data_class or self.model.Scope.data_class)  # type: ignore[attr-defined]  # every scoped model has one
        if reach.everything:
            return self
        if reach.is_empty:
            return self.none()
        condition = reach_condition(self.model, reach)
        return self.none() if condition is None else self.filter(condition)


def reach_condition(model: type[models.Model], reach: policy.Reach) -> Q | None:
    """Return `reach` as a condition on `model`'s declared columns, or None when none of them can satisfy it."""
    scope = model.Scope  # type: ignore[attr-defined]  # every scoped model has one
    parts: list[Q] = []
    if reach.public:
        public = getattr(scope, "public", None)
        if public is True:
            return Q(pk__isnull=False)
        if public:
            parts.append(Q(**{public: True}))
    for relation in ("own", "assigned"):
        person_id = getattr(reach, relation)
        for column in _columns(scope, relation):
            if person_id is not None:
                parts.append(_condition(model, column, {column: person_id}))
    for relation, paths in (("place", reach.place_paths), ("organization", reach.organization_paths)):
        for column in _columns(scope, relation):
            when = _when(scope, relation)
            parts.extend(
                _condition(model, column, {f"{column}__prefix": path, **when}) for path in sorted(paths)
            )
    if not parts:
        return None
    condition = parts[0]
    for part in parts[1:]:
        condition |= part
    return condition


def _columns(scope: Any, relation: str) -> tuple[str, ...]:
    declared = getattr(scope, relation, None)
    if not declared:
        return ()
    return (declared,) if isinstance(declared, str) else tuple(declared)


def _when(scope: Any, relation: str) -> dict[str, Any]:
    return getattr(scope, f"{relation}_when", {})


def _condition(model: type[models.Model], column: str, lookup: dict[str, Any]) -> Q:
    if _crosses_to_many(model, column):
        return Q(pk__in=model._default_manager.filter(**lookup).values("pk"))
    return Q(**lookup)


def _crosses_to_many(model: type[models.Model], column: str) -> bool:
    step: Any = model
    for name in column.split("__"):
        field = step._meta.get_field(name) if name != "pk" else step._meta.pk
        if field.one_to_many or field.many_to_many:
            return True
        if field.is_relation:
            step = field.related_model
    return False


class ScopedModel(models.Model):
    """A row behind the read gate, with a UUIDv7 key. Subclasses declare `class Scope`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    objects = ScopedQuerySet.as_manager()

    personal_fields: tuple[str, ...] = ()

    class Meta:
        abstract = True

    class Scope:
        data_class = ""

    def facts(self, data_class: str | None = None) -> policy.Facts:
        """Return what the policy needs to know of this row; reads the related paths it declares."""
        scope = self.Scope
        public = getattr(scope, "public", None)
        return policy.Facts(
            data_class=data_class or scope.data_class,
            own=frozenset(_values(self, _columns(scope, "own"))),
            assigned=frozenset(_values(self, _columns(scope, "assigned"))),
            place_paths=frozenset(_values(self, _columns(scope, "place"), _when(scope, "place"))),
            organization_paths=frozenset(
                _values(self, _columns(scope, "organization"), _when(scope, "organization"))
            ),
            public=public is True or bool(public and getattr(self, public)),
        )

    def personal_owner_id(self) -> Any:
        """Return the id of the person whose key seals this row's personal fields in audit images; None if there is none."""
        return None


def _values(instance: models.Model, columns: Iterable[str], when: dict[str, Any] | None = None) -> list[Any]:
    found: list[Any] = []
    for column in columns:
        if _crosses_to_many(type(instance), column):
            rows = (
                type(instance)
                ._default_manager.filter(pk=instance.pk, **(when or {}))
                .values_list(column, flat=True)
            )
            found.extend(value for value in rows if value is not None)
            continue
        value: Any = instance
        for name in column.split("__"):
            value = getattr(value, name, None)
            if value is None:
                break
        if value is not None:
            found.append(value)
    return found
