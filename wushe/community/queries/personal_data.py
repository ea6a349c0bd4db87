"""All that is stored about one person, in words and as data: what they may take home (查阅、复制)."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.utils import timezone

from wushe.community.models import Person, PersonKey, PersonMerge
from wushe.community.queries import people as queries
from wushe.community.queries import references
from wushe.kernel import outbox, policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent, OutboxMessage

FORMAT: Final = "wushe-own-data/1"
# Derived from other columns, or a secret that proves who somebody is: of no meaning to a reader, or dangerous in a file.
OMITTED: Final = frozenset(
    {
        "name_key", "identity_index", "value_index", "tail_index", "phone_index", "password", "pin", "second_factor",
        "second_factor_step", "session_round", "token_hash", "code_hash", "sealed", "moved", "sealed_subject", "sealed_body",
    }
)  # fmt: skip
DERIVED: Final = frozenset({PersonKey, PersonMerge})


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one kind; each row is (column, heading, value as data, value in words) per column."""

    label: str
    title: str
    rows: tuple[tuple[tuple[str, str, Any, str], ...], ...]


@dataclass(frozen=True, slots=True)
class OwnData:
    """Everything stored about one person, and what was done with it."""

    person_id: UUID
    name: str
    exported_at: datetime
    sections: tuple[Section, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, one list a kind."""
        return {
            "format": FORMAT,
            "person": str(self.person_id),
            "exported_at": self.exported_at.isoformat(),
            "sections": [
                {
                    "kind": section.label,
                    "title": section.title,
                    "rows": [
                        {column: value for column, _heading, value, _words in row} for row in section.rows
                    ],
                }
                for section in self.sections
            ],
        }


def own_data(actor: Actor, person_id: UUID) -> OwnData:
    """Return everything stored about the person and about records merged into theirs. Needs the right to export it.

    Found by walking the schema: a table that points at people, or calls rows their own, is in it without being listed anywhere.
    Other people appear only by id. Raises `queries.PersonNotFound`, `policy.Refused`.
    """
    row = queries.person(actor, person_id)
    policy.require(actor, "export", row.facts())
    ids = [row.pk, *Person.objects.filter(merged_into=row).values_list("pk", flat=True)]
    sections = []
    for model, rows in references.rows_about(ids):
        if model in DERIVED or model is AuditEvent:
            continue
        related = [
            c.name
            for c in model._meta.concrete_fields
            if isinstance(c, models.ForeignKey) and c.related_model is not Person
        ]
        found = tuple(_row(one, ids) for one in rows.select_related(*related).order_by("pk"))
        if found:
            sections.append(Section(model._meta.label, _title(model), found))
    events = AuditEvent.objects.filter(
        target_label=Person._meta.label, target_id__in=[str(pk) for pk in ids]
    ).order_by("pk")
    if events:
        sections.append(
            Section(
                AuditEvent._meta.label, _title(AuditEvent),
                tuple((("at", "at", e.at.isoformat(), _words(e.at)), ("verb", "verb", e.verb, e.verb)) for e in events),
            )
        )  # fmt: skip
    return OwnData(row.pk, row.name, timezone.now(), tuple(sections))


def _title(model: type[models.Model]) -> str:
    return str(model._meta.verbose_name)


def _row(one: models.Model, ids: list[UUID]) -> tuple[tuple[str, str, Any, str], ...]:
    cells: list[tuple[str, str, Any, str]] = []
    for column in one._meta.concrete_fields:
        if column.name in OMITTED:
            continue
        value = getattr(one, column.attname)
        words = _words(value)
        if value is not None and isinstance(column, models.ForeignKey) and column.related_model is not Person:
            words = str(getattr(one, column.name))
        elif column.choices:
            words = str(getattr(one, f"get_{column.name}_display")())
        cells.append((column.attname, str(column.verbose_name), _plain(value), words))
    if isinstance(one, OutboxMessage):
        subject, body = outbox.read(one)
        cells += [("subject", "subject", subject, subject), ("body", "body", body, body)]
    return tuple(cells)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    return str(value)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M}" if timezone.is_aware(value) else str(value)
    return str(value)
